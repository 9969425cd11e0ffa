package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/line"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

// browser is a page's socket at a door.
type browser struct {
	t  *testing.T
	ws *websocket.Conn
}

// openPage does what a page of the door does first.
func openPage(t *testing.T, url string) *browser {
	t.Helper()
	req, _ := http.NewRequestWithContext(t.Context(), "POST", url+"/ticket", nil)
	req.Header.Set("Origin", url)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var got struct{ Ticket string }
	if err := json.NewDecoder(res.Body).Decode(&got); err != nil || got.Ticket == "" {
		t.Fatalf("%s: %v", res.Status, err)
	}
	ws, _, err := websocket.Dial(t.Context(), strings.Replace(url, "http", "ws", 1)+"/ws",
		&websocket.DialOptions{Subprotocols: []string{"parley.v1"}, HTTPHeader: http.Header{"Origin": {url}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ws.CloseNow() })
	b := &browser{t, ws}
	b.say(`{"op":"hello","ticket":"%s"}`, got.Ticket)
	b.hear()
	return b
}

func (b *browser) say(format string, args ...any) {
	b.t.Helper()
	if err := b.ws.Write(b.t.Context(), websocket.MessageText, fmt.Appendf(nil, format, args...)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *browser) hear() map[string]any {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	_, p, err := b.ws.Read(ctx)
	var m map[string]any
	if err == nil {
		err = json.Unmarshal(p, &m)
	}
	if err != nil {
		b.t.Fatal(err)
	}
	return m
}

// Clients of four wires and a page are in one room, and each hears the others as its
// wire has them.
//
// Verifies: WEB-21
func TestRoomOfWires(t *testing.T) {
	r := startInside(t, true, "serve", "serpy://127.0.0.1:0", "tinyproto://127.0.0.1:0", "serpy2://127.0.0.1:0", "line://127.0.0.1:0",
		"--relay", "--room", "cam1", "--monitor", "0")
	r.hears(`monitor on http`)
	var at []string
	for _, m := range regexp.MustCompile(`(?m)^listening on \w+://(\S+)`).FindAllStringSubmatch(r.stderr.String(), -1) {
		at = append(at, m[1])
	}
	dial := func(i int, p parley.Protocol) *parley.Conn {
		c, err := parley.Dial(t.Context(), p, at[i])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.CloseNow() })
		return c
	}
	conns := []*parley.Conn{dial(0, serpy.Protocol{}), dial(1, tinyproto.Protocol{}), dial(2, serpy2.Protocol{}), dial(3, line.Protocol{})}
	url := regexp.MustCompile(`monitor on (http://\S+)/`).FindStringSubmatch(r.stderr.String())[1]
	b := openPage(t, url)
	b.say(`{"op":"sub","id":1,"to":"cam1","ref":1}`)
	b.hear()
	for n := 0; n < len(conns)+1; { // a line has no greeting: its client may not be accepted yet
		b.say(`{"op":"who","ref":2,"to":"cam1"}`)
		n = len(b.hear()["members"].([]any))
	}
	hear := func(c *parley.Conn, want string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		if m, err := c.Receive(ctx); err != nil || m.Text() != want {
			t.Errorf("%s: got %v, %v, want %s", c.Protocol().Name(), m, err, want)
		}
	}
	for i, from := range conns {
		text := "from " + from.Protocol().Name()
		if err := from.Send(t.Context(), parley.Text(text)); err != nil {
			t.Fatal(err)
		}
		for j, to := range conns {
			if i != j {
				hear(to, text)
			}
		}
		if got := b.hear(); got["proto"] != from.Protocol().Name() || got["text"] != text {
			t.Errorf("the page got %v, want %s", got, text)
		}
	}
	b.say(`{"op":"send","to":"cam1","text":"from a page"}`)
	for _, to := range conns {
		hear(to, "from a page")
	}
	b.say(`{"op":"send","to":"cam1","kind":"int","text":"5"}`)
	for _, to := range conns {
		hear(to, "5")
	}
	r.stop()
	if _, _, err := b.ws.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("at the end: %v", err)
	}
	r.end(0)
}

// A page asks a device through the door; one that is down is no reason not to start.
func TestWebCommand(t *testing.T) {
	dev := startInside(t, true, "serve", "scpi://127.0.0.1:0", "--echo")
	r := startInside(t, true, "web", "--listen", "0", "--target", "psu1="+dev.url, "--target", "down=scpi://127.0.0.1:1", "--room", "lab", "--timeout", "5s")
	b := openPage(t, strings.TrimSuffix(r.url, "/"))
	b.say(`{"op":"call","ref":7,"to":"psu1","text":"*IDN?"}`)
	if got := b.hear(); got["ref"] != 7.0 || got["text"] != "*IDN?" {
		t.Errorf("got %v", got)
	}
	b.say(`{"op":"call","ref":8,"to":"down","text":"*IDN?","timeout":0.3}`)
	if got := b.hear(); got["ref"] != 8.0 || !strings.Contains(fmt.Sprint(got["error"]), "down: ") {
		t.Errorf("got %v", got)
	}
	begun := time.Now()
	r.stop()
	r.end(0)
	if time.Since(begun) > 25*time.Second {
		t.Errorf("it took %v to end", time.Since(begun))
	}
}

// --timeout bounds a call, --host is a name for every page of the door, those for programs
// too, and who comes from this machine may have as many sockets as there may be.
//
// Verifies: WEB-03
func TestWebFlags(t *testing.T) {
	dev := startInside(t, true, "serve", "line://127.0.0.1:0", "--relay")
	r := startInside(t, true, "web", "--listen", "0", "--target", "silent="+dev.url, "--host", "lab.example", "--timeout", "300ms")
	url := strings.TrimSuffix(r.url, "/")
	for host, want := range map[string]int{"lab.example": 200, "evil.example": 421} {
		for _, path := range []string{"/", "/healthz", "/readyz", "/metrics", "/statz", "/targets"} {
			req, _ := http.NewRequestWithContext(t.Context(), "GET", url+path, nil)
			req.Host = host
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != want {
				t.Errorf("%s%s: %s, want %d", host, path, res.Status, want)
			}
		}
	}
	pages := make([]*browser, 300)
	for i := range pages {
		pages[i] = openPage(t, url)
	}
	pages[299].say(`{"op":"call","ref":1,"to":"silent","text":"x"}`)
	if got := fmt.Sprint(pages[299].hear()["error"]); got != "silent: no answer within 300ms" {
		t.Error(got)
	}
	r.stop()
	r.end(0)
}
