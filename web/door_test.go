package web_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/bus"
	"github.com/parley-net/parley/cluster"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/parleytest"
	"github.com/parley-net/parley/web"
)

// house is a door with a room and a device behind it.
type house struct {
	door *web.Door
	room *cluster.Room
	url  string
}

// build builds a house. The device answers with what it gets, and "later" never.
func build(t *testing.T, o web.Options, more ...web.Target) *house {
	t.Helper()
	b := new(bus.Memory).Connect()
	t.Cleanup(func() { b.Close() })
	node, err := cluster.Start(t.Context(), b, cluster.Options{Name: "lab1"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { node.Close(context.Background()) })
	h := new(house)
	if h.room, err = node.Room("cam1", cluster.RoomOptions{}); err != nil {
		t.Fatal(err)
	}
	addr := parleytest.NewServer(t, &parley.Server{Protocol: oneline.Protocol{}, Handler: parley.HandlerFunc(
		func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			if m.Text() == "later" {
				return nil
			}
			return c.Send(ctx, parley.Text("got "+m.Text()))
		})})
	client := &parley.Client{Addr: addr}
	client.Dialer.Protocol = oneline.Protocol{}
	t.Cleanup(func() { client.Close() })
	o.Targets = append([]web.Target{web.NewRoom(h.room), web.NewDevice("psu1", client)}, more...)
	if h.door, err = web.New(o); err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(h.door.Handler())
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		h.door.Close(ctx)
		srv.Close()
	})
	h.url = srv.URL
	return h
}

// ticket asks for one as a page of the door.
func (h *house) ticket(t *testing.T) string {
	t.Helper()
	req, _ := http.NewRequestWithContext(t.Context(), "POST", h.url+"/ticket", nil)
	req.Header.Set("Origin", h.url)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var got struct{ Ticket string }
	if err := json.NewDecoder(res.Body).Decode(&got); err != nil || len(got.Ticket) < 43 {
		t.Fatalf("%s: %v, %+v", res.Status, err, got)
	}
	return got.Ticket
}

// page is a page's socket.
type page struct {
	t  *testing.T
	ws *websocket.Conn
}

func (h *house) dial(t *testing.T, header http.Header) (*page, error) {
	ws, _, err := websocket.Dial(t.Context(), strings.Replace(h.url, "http", "ws", 1)+"/ws", &websocket.DialOptions{Subprotocols: []string{"parley.v1"}, HTTPHeader: header})
	if err != nil {
		return nil, err
	}
	ws.SetReadLimit(100 << 20)
	t.Cleanup(func() { ws.CloseNow() })
	return &page{t, ws}, nil
}

// open opens a page's socket and says hello.
func (h *house) open(t *testing.T) *page {
	t.Helper()
	p, err := h.dial(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	p.say(`{"op":"hello","ticket":"` + h.ticket(t) + `"}`)
	if got := p.hear(); got["op"] != "hello" {
		t.Fatalf("got %v", got)
	}
	return p
}

func (p *page) say(frame string) {
	p.t.Helper()
	if err := p.ws.Write(p.t.Context(), websocket.MessageText, []byte(frame)); err != nil {
		p.t.Fatal(err)
	}
}

func (p *page) read() (websocket.MessageType, []byte, error) {
	ctx, cancel := context.WithTimeout(p.t.Context(), 30*time.Second)
	defer cancel()
	return p.ws.Read(ctx)
}

// hear returns the next text frame.
func (p *page) hear() map[string]any {
	p.t.Helper()
	kind, b, err := p.read()
	if err != nil {
		p.t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(b, &m); err != nil || kind != websocket.MessageText {
		p.t.Fatalf("%v %.100q: %v", kind, b, err)
	}
	return m
}

// The frames as the specification has them.
//
// Verifies: WEB-01
func TestFrames(t *testing.T) {
	h := build(t, web.Options{})
	a, b := h.open(t), h.open(t)
	for _, p := range []*page{a, b} {
		p.say(`{"op":"sub","id":1,"to":"cam1","ref":"s"}`)
		if got := p.hear(); got["op"] != "ok" || got["ref"] != "s" {
			t.Fatalf("got %v", got)
		}
	}
	a.say(`{"op":"send","to":"cam1","kind":"text","text":"hello"}`)
	got := b.hear()
	if got["id"] != 1.0 || got["seq"] != 1.0 || got["kind"] != "text" || got["text"] != "hello" || !strings.HasPrefix(got["from"].(string), "lab1/w") {
		t.Errorf("got %v", got)
	}
	if at, err := time.Parse(time.RFC3339Nano, got["ts"].(string)); err != nil || time.Since(at) > time.Minute {
		t.Errorf("ts %v, %v", got["ts"], err)
	}
	b.say(`{"op":"send","to":"cam1","text":"kind is text if left out"}`)
	if got := a.hear(); got["kind"] != "text" || got["text"] != "kind is text if left out" { // and not its own
		t.Errorf("got %v", got)
	}
	a.say(`{"op":"call","ref":7,"to":"psu1","text":"*IDN?"}`)
	if got := a.hear(); got["ref"] != 7.0 || got["kind"] != "text" || got["text"] != "got *IDN?" || len(got) != 3 {
		t.Errorf("got %v", got)
	}
	a.say(`{"op":"unsub","id":1}`)
	a.say(`{"op":"ping","ref":8}`)
	if got := a.hear(); got["op"] != "pong" {
		t.Errorf("got %v", got)
	}
	if who := h.room.Members(); len(who) != 1 || who[0].Wire != "web" {
		t.Errorf("members %+v", who)
	}
}

// What a device hears and says is seen by all who subscribe.
//
// Verifies: WEB-02
func TestDeviceIsWatched(t *testing.T) {
	h := build(t, web.Options{})
	a, b := h.open(t), h.open(t)
	b.say(`{"op":"sub","id":4000000000,"to":"psu1","ref":1}`)
	b.hear()
	a.say(`{"op":"call","ref":"x","to":"psu1","text":"VOLT?"}`)
	a.hear()
	for _, want := range []string{"c2s VOLT?", "s2c got VOLT?"} {
		if got := b.hear(); fmt.Sprint(got["dir"], " ", got["text"]) != want || got["proto"] != "oneline" || got["id"] != 4000000000.0 {
			t.Errorf("got %v, want %s", got, want)
		}
	}
}

// Every mistake is told with its ref, and the socket goes on.
//
// Verifies: WEB-03
func TestMistakes(t *testing.T) {
	h := build(t, web.Options{Limits: web.Limits{Subscriptions: 2}})
	p := h.open(t)
	p.say(`{"op":"sub","id":5,"to":"cam1"}`)
	for _, c := range []struct{ frame, ref, want string }{
		{`{`, "", "the JSON ends before its end"},
		{`{"op" 1}`, "", "not JSON, at byte 7"},
		{``, "", "an empty frame"},
		{`[]`, "", "a frame is an object, {\"op\":…}, not an array"},
		{`5`, "", "not a number"},
		{`{"ref":1,"op":"sub","id":-1,"to":"cam1"}`, "1", `cam1: "id" can't be the number -1: want an integer from 0 to 4294967295`},
		{`{"ref":1,"op":"sub","id":"1"}`, "1", `"id" can't be a string: want an integer`},
		{`{"ref":1,"op":"send","to":5}`, "1", `"to" can't be a number: want a text`},
		{`{"ref":1,"op":"send","to":"cam1","b64":"A!8="}`, "1", "cam1: not base64, at its byte 1"},
		{`{"ref":null,"op":"call","to":"psu1","text":"x"}`, "", `psu1: a call needs a "ref"`},
		{`{"ref":true,"op":"ping"}`, "", `"ref" is a number or a text`},
		{`{"ref":1,"op":"call","to":"psu1","text":"x","timeout":-1}`, "1", `psu1: "timeout" is -1: want more than 0`},
		{`{"op":"dance","ref":1}`, "1", `no op "dance"`},
		{`{"op":"send","ref":1,"to":"nothing","text":"x"}`, "1", "no target \"nothing\": there are cam1, psu1"},
		{`{"op":"send","ref":1,"text":"x"}`, "1", `"to" is missing`},
		{`{"op":"send","ref":1,"to":"cam1"}`, "1", `want one of "text", "b64" and "json"`},
		{`{"op":"send","ref":1,"to":"cam1","kind":"int","text":"x"}`, "1", "cam1: int:x: want an integer"},
		{`{"op":"send","ref":1,"to":"cam1","text":"x","b64":""}`, "1", "want one of"},
		{`{"op":"call","to":"psu1","text":"x"}`, "", `needs a "ref"`},
		{`{"op":"call","ref":1,"to":"cam1","text":"x"}`, "1", "a room does not answer"},
		{`{"op":"call","ref":1,"to":"psu1","text":"later","timeout":0.2}`, "1", "psu1: no answer within 200ms"},
		{`{"op":"sub","ref":1,"to":"cam1"}`, "1", `"id" is missing`},
		{`{"op":"sub","ref":1,"id":5,"to":"psu1"}`, "1", "psu1: subscription 5 is there already"},
		{`{"op":"sub","ref":1,"id":6,"to":"cam1","policy":"x"}`, "1", `cam1: there is no policy "x"`},
		{`{"op":"unsub","ref":1,"id":9}`, "1", "names no subscription"},
		{`{"op":"ack","ref":1,"id":5,"n":3}`, "1", "0 messages are not acknowledged"},
		{`{"op":"send","ref":{"a":1},"to":"cam1","text":"x"}`, "", `cam1: "ref" is a number or a text`},
		{`{"op":"send","ref":1,"to":"cam1","txt":"x"}`, "1", `unknown field "txt"`},
		{`{"op":"hello","ref":1}`, "1", "no op"},
		{strings.Repeat("[", 1_000_000), "", "exceeded max depth"},
		{"{\"op\":\"ping\xff\"}", "", "not UTF-8"},
	} {
		p.say(c.frame)
		got := p.hear()
		ref := ""
		if r, ok := got["ref"]; ok {
			ref = fmt.Sprint(r)
		}
		if text, _ := got["error"].(string); !strings.Contains(text, c.want) || ref != c.ref {
			t.Errorf("%.80s: got %v, want %q with ref %q", c.frame, got, c.want, c.ref)
		}
		if id, ok := got["id"]; ok && id == 0.0 {
			t.Errorf("%.80s: got %v: there was no subscription 0", c.frame, got)
		}
	}
	p.say(`{"op":"ping","ref":1}`)
	if got := p.hear(); got["op"] != "pong" {
		t.Errorf("then: %v", got)
	}
}

// Who may not come in, and how it ends.
//
// Verifies: WEB-04
func TestWhoComesIn(t *testing.T) {
	h := build(t, web.Options{Hosts: []string{"lab.example"}, Origins: []string{"https://other.example"}, Limits: web.Limits{Hello: 300 * time.Millisecond}})
	get := func(method, path string, header map[string]string) int {
		req, _ := http.NewRequestWithContext(t.Context(), method, h.url+path, nil)
		for k, v := range header {
			req.Header.Set(k, v)
		}
		if host := header["Host"]; host != "" {
			req.Host = host
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		io.Copy(io.Discard, res.Body)
		return res.StatusCode
	}
	port := h.url[strings.LastIndex(h.url, ":"):]
	for _, c := range []struct {
		method, path string
		header       map[string]string
		want         int
	}{
		{"POST", "/ticket", map[string]string{"Origin": h.url}, 200},
		{"POST", "/ticket", map[string]string{"Origin": "https://other.example"}, 200},
		{"POST", "/ticket", map[string]string{"Origin": "https://evil.example"}, 403},
		{"POST", "/ticket", map[string]string{"Origin": "null"}, 403},
		{"POST", "/ticket", map[string]string{"Origin": strings.Replace(h.url, "http", "https", 1)}, 403},
		{"POST", "/ticket", nil, 401},
		{"POST", "/ticket", map[string]string{"Authorization": "Bearer x"}, 401},
		{"GET", "/ticket", map[string]string{"Origin": h.url}, 405},
		{"GET", "/parley.js", nil, 200},
		{"GET", "/parley.js", map[string]string{"Host": "localhost" + port}, 200},
		{"GET", "/parley.js", map[string]string{"Host": "lab.example" + port}, 200},
		{"GET", "/parley.js", map[string]string{"Host": "evil.example" + port}, 421},
		{"POST", "/ticket", map[string]string{"Host": "evil.example" + port, "Origin": "http://evil.example" + port}, 421},
		{"GET", "/ws", map[string]string{"Origin": "https://evil.example", "Connection": "Upgrade", "Upgrade": "websocket"}, 403},
		{"GET", "/events?to=nothing", nil, 404},
		{"GET", "/events?to=cam1", map[string]string{"Origin": "https://evil.example"}, 403},
	} {
		if got := get(c.method, c.path, c.header); got != c.want {
			t.Errorf("%s %s %v: %d, want %d", c.method, c.path, c.header, got, c.want)
		}
	}
	used := h.ticket(t)
	first, err := h.dial(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	first.say(`{"op":"hello","ticket":"` + used + `"}`)
	first.hear()
	for name, hello := range map[string]string{
		"used ticket": `{"op":"hello","ticket":"` + used + `"}`, "no ticket": `{"op":"hello"}`, "wrong": `{"op":"hello","ticket":"x"}`,
		"another frame": `{"op":"send","to":"cam1","text":"x"}`, "nothing": "", "too large": `{"op":"hello","ticket":"` + strings.Repeat("x", 5000) + `"}`,
	} {
		p, err := h.dial(t, nil)
		if err != nil {
			t.Fatal(err)
		}
		if hello != "" {
			p.say(hello)
		}
		for err == nil {
			_, _, err = p.read()
		}
		if code := websocket.CloseStatus(err); code != websocket.StatusPolicyViolation && code != websocket.StatusMessageTooBig && name != "nothing" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Tokens say who may do what; who may not read a target is not told that it is there.
//
// Verifies: WEB-05
func TestUsers(t *testing.T) {
	reader, u := web.NewToken("anna", web.Grant{"cam1": web.Read})
	all, v := web.NewToken("bert", web.Grant{"*": web.Read | web.Send})
	users, err := web.ReadUsers("users", strings.NewReader("# ours\n"+u.String()+"\n\n"+v.String()+"\n"))
	if err != nil {
		t.Fatal(err)
	}
	h := build(t, web.Options{Users: users})
	hello := func(token string) *page {
		p, err := h.dial(t, nil)
		if err != nil {
			t.Fatal(err)
		}
		p.say(`{"op":"hello","token":"` + token + `"}`)
		return p
	}
	p := hello(reader)
	if got := p.hear(); got["user"] != "anna" || len(got["targets"].([]any)) != 1 {
		t.Errorf("got %v", got)
	}
	for frame, want := range map[string]string{
		`{"op":"send","to":"cam1","text":"x"}`:           "you may not send cam1",
		`{"op":"call","ref":1,"to":"psu1","text":"x"}`:   "there is no target \"psu1\": there are cam1",
		`{"op":"sub","id":1,"to":"psu1","policy":"cut"}`: "there is no target",
	} {
		p.say(frame)
		if got := p.hear(); !strings.Contains(fmt.Sprint(got["error"]), want) {
			t.Errorf("%s: got %v", frame, got)
		}
	}
	q := hello(all)
	q.hear()
	q.say(`{"op":"call","ref":1,"to":"psu1","text":"x"}`)
	if got := q.hear(); got["text"] != "got x" {
		t.Errorf("got %v", got)
	}
	if got := hello("nobody's").hear(); got["error"] == nil {
		t.Errorf("got %v", got)
	}
	for _, bad := range []string{"anna", "anna xx cam1=read", u.String() + "\n" + u.String(), strings.Replace(u.String(), "read", "write", 1)} {
		if _, err := web.ReadUsers("users", strings.NewReader(bad)); err == nil || !strings.HasPrefix(err.Error(), "users:") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// Bytes above 1 KiB are one binary frame whose payload is aligned, both ways.
//
// Verifies: WEB-06
func TestBinary(t *testing.T) {
	h := build(t, web.Options{})
	a, b := h.open(t), h.open(t)
	b.say(`{"op":"sub","id":3,"to":"cam1","ref":1}`)
	b.hear()
	data := bytes.Repeat([]byte{1, 2, 3, 255}, 1000)
	header := []byte(`{"op":"send","to":"cam1","kind":"bytes"}`)
	frame := []byte{1, 1}
	frame = binary.LittleEndian.AppendUint16(frame, uint16(len(header)))
	frame = append(frame, make([]byte, 20)...)
	frame = append(frame, header...)
	for len(frame)%8 != 0 {
		frame = append(frame, 0)
	}
	if err := a.ws.Write(t.Context(), websocket.MessageBinary, append(frame, data...)); err != nil {
		t.Fatal(err)
	}
	kind, got, err := b.read()
	if err != nil || kind != websocket.MessageBinary {
		t.Fatal(kind, err)
	}
	n := int(binary.LittleEndian.Uint16(got[2:]))
	body := (24 + n + 7) &^ 7
	if got[0] != 1 || got[1] != 1 || binary.LittleEndian.Uint32(got[4:]) != 3 || binary.LittleEndian.Uint64(got[8:]) != 1 || !bytes.Equal(got[body:], data) {
		t.Errorf("head % x, %d bytes behind it", got[:24], len(got)-body)
	}
	var keys map[string]any
	if err := json.Unmarshal(got[24:24+n], &keys); err != nil || keys["kind"] != "bytes" || keys["len"] != 4000.0 {
		t.Errorf("%s: %v", got[24:24+n], err)
	}
	h.room.Publish(t.Context(), parley.Bytes(data[:1024]))
	if m := b.hear(); m["b64"] == nil {
		t.Errorf("got %v", m)
	}
}

// A frame of 1 GiB ends its socket long before it is in memory; others go on.
//
// Verifies: WEB-07
func TestHugeFrame(t *testing.T) {
	h := build(t, web.Options{})
	p, other := h.open(t), h.open(t)
	w, err := p.ws.Writer(t.Context(), websocket.MessageText)
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan error, 1)
	go func() {
		_, _, err := p.ws.Read(t.Context())
		told <- err
	}()
	chunk := bytes.Repeat([]byte{' '}, 1<<20)
	began := time.Now()
	for written := 0; written < 1<<30 && err == nil; written += len(chunk) {
		_, err = w.Write(chunk)
	}
	var end websocket.CloseError
	if err := <-told; !errors.As(err, &end) || end.Code != websocket.StatusMessageTooBig || !strings.Contains(end.Reason, "at most 16777216 bytes") {
		t.Errorf("the page is told %v", err)
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it ended after %v", took)
	}
	other.say(`{"op":"ping","ref":1}`)
	if got := other.hear(); got["op"] != "pong" {
		t.Errorf("got %v", got)
	}
}

// With acknowledgements a page gets what it has credit for, and is told what it missed;
// without them it gets what its socket takes.
//
// Verifies: WEB-08
func TestCredit(t *testing.T) {
	h := build(t, web.Options{Limits: web.Limits{CreditMessages: 4}})
	p := h.open(t)
	p.say(`{"op":"sub","id":1,"to":"cam1","policy":"latest","ref":1}`)
	p.hear()
	publish := func(n int) {
		if err := h.room.Publish(t.Context(), parley.Text(fmt.Sprint(n))); err != nil {
			t.Fatal(err)
		}
	}
	next := func() string {
		m := p.hear()
		if m["missed"] != nil {
			return fmt.Sprint("-", m["missed"])
		}
		return fmt.Sprint(m["text"])
	}
	publish(0)
	if got := next(); got != "0" {
		t.Fatal(got)
	}
	p.say(`{"op":"ack","id":1,"n":1,"ref":2}`)
	p.hear()
	for i := 1; i <= 20; i++ {
		publish(i)
	}
	var got []string
	for range 4 {
		got = append(got, next())
	}
	p.say(`{"op":"ping","ref":3}`)
	if m := p.hear(); m["op"] != "pong" {
		t.Fatalf("behind four messages without credit: %v", m)
	}
	p.say(`{"op":"ack","id":1,"n":4}`)
	for got[len(got)-1] != "20" {
		got = append(got, next())
		p.say(`{"op":"ack","id":1,"n":1}`)
	}
	sum := 0
	for _, s := range got {
		var n int
		fmt.Sscan(s, &n)
		if n < 0 {
			sum += -n
		} else {
			sum++
		}
	}
	if sum != 20 || len(got) > 12 {
		t.Errorf("got %v: %d in all", got, sum)
	}
}

// A door that closes says 1001, to all.
//
// Verifies: WEB-09
func TestGoingAway(t *testing.T) {
	h := build(t, web.Options{})
	pages := []*page{h.open(t), h.open(t)}
	res, err := http.Get(h.url + "/events?to=cam1")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- h.door.Close(ctx) }()
	for _, p := range pages {
		if _, _, err := p.read(); websocket.CloseStatus(err) != websocket.StatusGoingAway {
			t.Errorf("got %v", err)
		}
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if b, err := io.ReadAll(res.Body); err != nil || !bytes.Contains(b, []byte("event: end")) {
		t.Errorf("%q, %v", b, err)
	}
	if _, err := h.dial(t, nil); err == nil {
		t.Error("a closed door opens")
	}
}

// Those who only read need no socket.
//
// Verifies: WEB-10
func TestEvents(t *testing.T) {
	h := build(t, web.Options{})
	res, err := http.Get(h.url + "/events?to=cam1")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	buf := make([]byte, 1000)
	n, err := res.Body.Read(buf)
	if err != nil || string(buf[:n]) != ": listening\n\n" || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%q, %v", buf[:n], err)
	}
	h.room.Publish(t.Context(), parley.Text("a\nb"))
	h.room.Publish(t.Context(), parley.Int(5))
	var got string
	for strings.Count(got, "\n\n") < 2 {
		n, err := res.Body.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		got += string(buf[:n])
	}
	if !strings.HasPrefix(got, "id: 1\ndata: {") || !strings.Contains(got, `"text":"a\nb"}`) || !strings.Contains(got, "\nid: 2\ndata: {") || !strings.Contains(got, `"kind":"int","text":"5"}`) {
		t.Errorf("got %q", got)
	}
}

// The number of sockets is bounded, of one address and in all.
//
// Verifies: WEB-11
func TestPlaces(t *testing.T) {
	h := build(t, web.Options{Limits: web.Limits{SocketsPerAddr: 3}})
	for range 3 {
		h.open(t)
	}
	if _, err := h.dial(t, nil); err == nil {
		t.Error("a fourth socket")
	}
}

// Every answer carries the headers that keep a page to itself, and no page needs inline
// code.
//
// Verifies: WEB-19
func TestHeaders(t *testing.T) {
	h := build(t, web.Options{})
	res, err := http.Get(h.url + "/parley.js")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	csp := res.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"} {
		if !strings.Contains(csp, want) {
			t.Errorf("the policy has no %s: %s", want, csp)
		}
	}
	if strings.Contains(csp, "unsafe") || res.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Error(csp, res.Header)
	}
}

// Verifies: WEB-11
func TestNewRefuses(t *testing.T) {
	a, b := web.NewDevice("x", &parley.Client{}), web.NewDevice("x", &parley.Client{})
	if _, err := web.New(web.Options{Targets: []web.Target{a, b}}); err == nil || !strings.Contains(err.Error(), "two targets are named x") {
		t.Error(err)
	}
	if _, err := web.New(web.Options{Origins: []string{"lab.example"}}); err == nil {
		t.Error("an origin without a scheme")
	}
}

// The memory of frames that are read is bounded over all sockets.
//
// Verifies: WEB-07
func TestFramesBudget(t *testing.T) {
	h := build(t, web.Options{Limits: web.Limits{Frames: 1 << 20, Frame: 1 << 20}})
	ends := make(chan websocket.StatusCode, 8)
	for range 8 {
		p := h.open(t)
		w, err := p.ws.Writer(t.Context(), websocket.MessageText)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(bytes.Repeat([]byte{' '}, 300<<10)) // and never its end
		go func() {
			_, _, err := p.ws.Read(t.Context())
			ends <- websocket.CloseStatus(err)
		}()
	}
	var closed []websocket.StatusCode
	for range 6 { // two have room
		select {
		case code := <-ends:
			closed = append(closed, code)
		case <-time.After(30 * time.Second):
			t.Fatalf("closed: %v", closed)
		}
	}
	if !slices.Contains(closed, websocket.StatusTryAgainLater) {
		t.Errorf("8 unfinished frames of 300 KiB in 1 MiB: %v", closed)
	}
}
