package web_test

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/web"
)

// away is a device that is not there.
func away(t *testing.T) *web.Device {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	client := &parley.Client{Addr: addr}
	client.Dialer.Protocol = oneline.Protocol{}
	t.Cleanup(func() { client.Close() })
	return web.NewDevice("away", client)
}

// What a page says to a device that is away holds up nothing else that the page says; it
// fails in time, all of it, and a call behind it says why.
//
// Verifies: WEB-03
func TestAway(t *testing.T) {
	h := build(t, web.Options{Limits: web.Limits{Call: time.Second}}, away(t))
	p := h.open(t)
	for _, frame := range []string{
		`{"op":"send","ref":"s1","to":"away","text":"x"}`, `{"op":"send","ref":"s2","to":"away","text":"x"}`,
		`{"op":"call","ref":"c","to":"away","text":"x"}`, `{"op":"call","ref":"p","to":"psu1","text":"x"}`,
	} {
		p.say(frame)
	}
	if got := p.hear(); got["ref"] != "p" || got["text"] != "got x" {
		t.Fatalf("first: %v, want the answer of the device that is there", got)
	}
	began := time.Now()
	late := map[string]string{}
	for range 3 {
		got := p.hear()
		ref, _ := got["ref"].(string)
		late[ref], _ = got["error"].(string)
	}
	for ref, want := range map[string]string{"s1": "away: ", "s2": "away: ", "c": "away: no answer within 1s, and the question was not sent; the connection: "} {
		if !strings.HasPrefix(late[ref], want) || !strings.Contains(late[ref], "refused") {
			t.Errorf("%s: %q, want %q and that it is refused", ref, late[ref], want)
		}
	}
	if took := time.Since(began); took > 25*time.Second {
		t.Errorf("it took %v", took)
	}
}

// What a page says to one device arrives in the order in which it was said, a call behind
// what was sent.
//
// Verifies: WEB-01
func TestSendsInOrder(t *testing.T) {
	h := build(t, web.Options{})
	p := h.open(t)
	p.say(`{"op":"sub","id":1,"to":"psu1"}`)
	want := strings.Split("abcdefghijklmnopqrstuvwxyz", "")
	for _, s := range want {
		p.say(`{"op":"send","to":"psu1","text":"` + s + `"}`)
	}
	p.say(`{"op":"call","ref":1,"to":"psu1","text":"end"}`)
	var said []string
	for len(said) < len(want)+1 {
		got := p.hear()
		if got["error"] != nil {
			t.Fatal(got)
		}
		if got["dir"] == "c2s" {
			said = append(said, got["text"].(string))
		}
	}
	if got := strings.Join(said, ""); got != strings.Join(want, "")+"end" {
		t.Errorf("the device was told %s", got)
	}
}

// A socket on which something else than frames comes is closed with the status for it.
//
// Verifies: WEB-03
func TestNoFrame(t *testing.T) {
	h := build(t, web.Options{})
	raw := make(chan net.Conn, 1)
	transport := &http.Transport{DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, addr)
		raw <- c
		return c, err
	}}
	defer transport.CloseIdleConnections()
	ws, _, err := websocket.Dial(t.Context(), strings.Replace(h.url, "http", "ws", 1)+"/ws",
		&websocket.DialOptions{Subprotocols: []string{"parley.v1"}, HTTPHeader: http.Header{"Origin": {h.url}}, HTTPClient: &http.Client{Transport: transport}})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	p := &page{t, ws}
	p.say(`{"op":"hello","ticket":"` + h.ticket(t) + `"}`)
	p.hear()
	(<-raw).Write([]byte("\x81\x02{}")) // without a mask
	if _, _, err := ws.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusProtocolError {
		t.Errorf("a frame without a mask: %v", err)
	}
}

// A policy that events don't have is refused, not ignored.
//
// Verifies: WEB-03
func TestEventsPolicy(t *testing.T) {
	h := build(t, web.Options{})
	w := httptest.NewRecorder()
	h.door.Handler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "http://127.0.0.1/events?to=cam1&policy=cut", nil))
	if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "use latest or drop") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
