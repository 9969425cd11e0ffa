package web_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/parleytest"
	"github.com/parley-net/parley/tinyproto"
	"github.com/parley-net/parley/web"
)

// A subscription hears what its filter fits, and nothing else; gaps are for all.
//
// Verifies: WEB-12
func TestFilter(t *testing.T) {
	h := build(t, web.Options{})
	for filter, want := range map[string]string{
		`{"text":"VOLT"}`:                  "MEAS:VOLT? 1",
		`{"pattern":"^MEAS:.*\\d$"}`:       "MEAS:VOLT? 1,MEAS:CURR? 2",
		`{"kind":"int"}`:                   "77",
		`{"kind":"text","text":"CURR"}`:    "MEAS:CURR? 2",
		`{"peer":"lab1"}`:                  "MEAS:VOLT? 1,MEAS:CURR? 2,77,end",
		`{"peer":"lab2"}`:                  "",
		`{"dir":"s2c"}`:                    "",
		`{"text":"END","pattern":"(?i)x"}`: "",
	} {
		p := h.open(t)
		p.say(`{"op":"sub","id":1,"to":"cam1","ref":1,"filter":` + filter + `}`)
		p.hear()
		for _, m := range []parley.Message{parley.Text("MEAS:VOLT? 1"), parley.Text("MEAS:CURR? 2"), parley.Int(77), parley.Text("end")} {
			if err := h.room.Publish(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
		p.say(`{"op":"sub","id":2,"to":"cam1","ref":2}`) // what comes behind is behind all of it
		var got []string
		for {
			m := p.hear()
			if m["op"] == "ok" {
				break
			}
			got = append(got, fmt.Sprint(m["text"]))
		}
		// The last ones may be behind the answer, and each subscription has a queue of its own.
		h.room.Publish(t.Context(), parley.Text("over"))
		due := 0
		if want != "" {
			due = strings.Count(want, ",") + 1
		}
		for over := false; !over || len(got) < due; {
			switch m := p.hear(); {
			case m["text"] == "over":
				over = over || m["id"] == 2.0
			case m["id"] == 1.0:
				got = append(got, fmt.Sprint(m["text"]))
			}
		}
		if strings.Join(got, ",") != want {
			t.Errorf("%s: heard %q, want %s", filter, got, want)
		}
		p.ws.CloseNow()
	}
	p := h.open(t)
	p.say(`{"op":"sub","id":1,"to":"cam1","ref":1,"filter":{"pattern":"("}}`)
	if got := p.hear(); !strings.Contains(fmt.Sprint(got["error"]), `"pattern": `) {
		t.Errorf("got %v", got)
	}
}

// Images come in 8 bits, scaled at the door, and a pixel's number is what was sent.
//
// Verifies: WEB-13
func TestImages(t *testing.T) {
	h := build(t, web.Options{})
	p := h.open(t)
	p.say(`{"op":"sub","id":7,"to":"cam1","ref":1,"image":{"type":"float32","width":3,"height":2}}`)
	p.hear()
	var b []byte
	for _, v := range []float32{-1, 0, 1, 2, 3, float32(math.NaN())} {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	h.room.Publish(t.Context(), parley.Bytes(b))
	kind, got, err := p.read()
	if err != nil || kind != websocket.MessageBinary || got[1] != web.BinaryImage {
		t.Fatal(kind, err)
	}
	n := int(binary.LittleEndian.Uint16(got[2:]))
	var head map[string]any
	if err := json.Unmarshal(got[24:24+n], &head); err != nil || head["width"] != 3.0 || head["height"] != 2.0 || head["low"] != -1.0 || head["high"] != 3.0 {
		t.Errorf("%v, %v", head, err)
	}
	if px := got[(24+n+7)&^7:]; fmt.Sprint(px) != "[0 64 128 191 255 0]" {
		t.Errorf("%v", px)
	}
	p.say(`{"op":"pixel","id":7,"x":1,"y":1,"ref":2}`)
	if got := p.hear(); got["text"] != "3" || got["kind"] != "float" {
		t.Errorf("got %v", got)
	}
	for frame, want := range map[string]string{
		`{"op":"pixel","id":7,"x":3,"y":1,"ref":2}`:                                   "the last image is 3 × 2",
		`{"op":"pixel","id":8,"x":0,"y":0,"ref":2}`:                                   "names no subscription",
		`{"op":"sub","id":8,"to":"cam1","ref":2,"image":{"type":"rgb"}}`:              "use float32, uint16 or uint8",
		`{"op":"sub","id":8,"to":"cam1","ref":2,"image":{"type":"uint8","width":-1}}`: "1 to 65536",
		`{"op":"sub","id":8,"to":"cam1","ref":2,"credit":1000}`:                       "1 to 32 messages",
	} {
		p.say(frame)
		if got := p.hear(); !strings.Contains(fmt.Sprint(got["error"]), want) {
			t.Errorf("%s: %v", frame, got)
		}
	}
	// What is no such image is told, and the next one comes.
	h.room.Publish(t.Context(), parley.Text("no image"))
	if got := p.hear(); !strings.Contains(fmt.Sprint(got["error"]), "is no image of 3 × 2") || got["seq"] != 2.0 {
		t.Errorf("got %v", got)
	}
	h.room.Publish(t.Context(), parley.Bytes(b))
	if kind, _, err := p.read(); err != nil || kind != websocket.MessageBinary {
		t.Error(kind, err)
	}
}

// The door keeps ten minutes of a number, for who comes later too.
//
// Verifies: WEB-14
func TestSeries(t *testing.T) {
	h := build(t, web.Options{})
	get := func(query string, code int) string {
		t.Helper()
		res, err := http.Get(h.url + "/series?" + query)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		if res.StatusCode != code {
			t.Fatalf("%s: %d %s", query, res.StatusCode, b)
		}
		return string(b)
	}
	get("to=cam1&number=2", 200) // it begins
	if n := len(h.room.Members()); n != 0 {
		t.Errorf("%d members: a plot is none", n)
	}
	for _, text := range []string{"a 1, 2.5", "b 3,-4e1", "no number", "c 7 inf"} {
		h.room.Publish(t.Context(), parley.Text(text))
	}
	var r struct {
		Points [][]float64
	}
	low, high, count := 1e9, -1e9, 0.0
	for end := time.Now().Add(time.Minute); count < 2 && time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if err := json.Unmarshal([]byte(get("to=cam1&number=2", 200)), &r); err != nil {
			t.Fatal(err)
		}
		count = 0
		for _, p := range r.Points {
			low, high, count = min(low, p[1]), max(high, p[2]), count+p[4]
		}
	}
	if low != -40 || high != 2.5 || count != 2 {
		t.Errorf("%v", r)
	}
	get("to=nothing", 404)
	get("to=cam1&number=0", 400)
	get("to=cam1&dir=up", 400)
	for i := 3; i < 66; i++ {
		get(fmt.Sprint("to=cam1&number=", i), 200)
	}
	if text := get("to=cam1&number=66", 503); !strings.Contains(text, "64 numbers are being kept") {
		t.Error(text)
	}
}

// Who is in a room is told to those who may read it; who may kill there ends a connection
// of it, and of no other room.
//
// Verifies: WEB-15
func TestWhoAndKill(t *testing.T) {
	reader, u := web.NewToken("anna", web.Grant{"cam1": web.Read})
	killer, v := web.NewToken("bert", web.Grant{"cam1": web.Read | web.Kill})
	chief, w := web.NewToken("cora", web.Grant{"*": web.All})
	h := build(t, web.Options{Users: web.Users{u, v, w}})
	hello := func(token string) *page {
		p, err := h.dial(t, nil)
		if err != nil {
			t.Fatal(err)
		}
		p.say(`{"op":"hello","token":"` + token + `"}`)
		p.hear()
		return p
	}
	a, b, c := hello(reader), hello(killer), hello(chief)
	a.say(`{"op":"sub","id":1,"to":"cam1","ref":1}`)
	a.hear()
	b.say(`{"op":"who","ref":1,"to":"cam1"}`)
	who, _ := b.hear()["members"].([]any)
	if len(who) != 1 {
		t.Fatalf("members %v", who)
	}
	m := who[0].(map[string]any)
	conn := fmt.Sprint(m["node"], "/", m["id"])
	if m["name"] != "anna" || m["wire"] != "web" || !strings.HasPrefix(fmt.Sprint(m["peer"]), "127.0.0.1:") {
		t.Errorf("member %v", m)
	}
	for _, x := range []struct {
		p           *page
		frame, want string
	}{
		{a, `{"op":"kill","ref":1,"to":"cam1","conn":"` + conn + `"}`, "you may not kill cam1"},
		{a, `{"op":"nodes","ref":1}`, "you may not admin *"},
		{b, `{"op":"nodes","ref":1}`, "you may not admin *"},
		{b, `{"op":"who","ref":1,"to":"psu1"}`, "no target"},
		{b, `{"op":"who","to":"cam1"}`, `needs a "ref"`},
		{c, `{"op":"who","ref":1,"to":"psu1"}`, "psu1 is a device, not a room"},
		{b, `{"op":"kill","ref":1,"to":"cam1","conn":"lab1/w999"}`, "no such connection"},
		{b, `{"op":"kill","ref":1,"to":"cam1","conn":"` + conn + `","ban":1e9}`, `"ban" is at most`},
		{b, `{"op":"kill","ref":1,"to":"cam1","conn":"` + conn + `","ban":-1}`, `"ban" is at most`},
	} {
		x.p.say(x.frame)
		if got := x.p.hear(); !strings.Contains(fmt.Sprint(got["error"]), x.want) {
			t.Errorf("%s: got %v, want %s", x.frame, got, x.want)
		}
	}
	c.say(`{"op":"nodes","ref":1}`)
	if got := c.hear(); !strings.Contains(fmt.Sprint(got["nodes"]), "lab1") {
		t.Errorf("got %v", got)
	}
	b.say(`{"op":"kill","ref":2,"to":"cam1","conn":"` + conn + `","reason":"too loud"}`)
	if got := b.hear(); got["op"] != "ok" {
		t.Errorf("got %v", got)
	}
	for {
		_, _, err := a.read()
		if err == nil {
			continue
		}
		if websocket.CloseStatus(err) != websocket.StatusPolicyViolation || !strings.Contains(err.Error(), "too loud") {
			t.Errorf("its end: %v", err)
		}
		break
	}
}

// A cookie from /login is as good as its token; a page of another site gets none.
//
// Verifies: WEB-16
func TestLogin(t *testing.T) {
	token, u := web.NewToken("anna", web.Grant{"cam1": web.Read})
	h := build(t, web.Options{Users: web.Users{u}})
	guarded := httptest.NewServer(h.door.Require(web.Read, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "all") })))
	defer guarded.Close()
	login := func(origin, token string) *http.Response {
		req, _ := http.NewRequestWithContext(t.Context(), "POST", h.url+"/login", strings.NewReader("token="+token))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if origin != "" {
			req.Header.Set("Origin", origin)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res
	}
	for origin, want := range map[string]int{"https://evil.example": 403, "": 403} {
		if res := login(origin, token); res.StatusCode != want || len(res.Cookies()) > 0 {
			t.Errorf("%q: %s", origin, res.Status)
		}
	}
	if res := login(h.url, "nobody's"); res.StatusCode != 401 {
		t.Error(res.Status)
	}
	res := login(h.url, token)
	if res.StatusCode != 204 || len(res.Cookies()) != 1 {
		t.Fatal(res.Status)
	}
	cookie := res.Cookies()[0]
	if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode {
		t.Errorf("%+v", cookie)
	}
	get := func(url string, with bool) (int, string) {
		req, _ := http.NewRequestWithContext(t.Context(), "GET", url, nil)
		if with {
			req.AddCookie(cookie)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(b)
	}
	if code, body := get(h.url+"/targets", true); code != 200 || !strings.Contains(body, `"user":"anna"`) || strings.Contains(body, "psu1") {
		t.Errorf("%d %s", code, body)
	}
	if code, _ := get(h.url+"/targets", false); code != 401 {
		t.Error(code)
	}
	for with, want := range map[bool]string{true: "{\"login\":false}\n", false: "{\"login\":true}\n"} {
		if code, body := get(h.url+"/login", with); code != 200 || body != want {
			t.Errorf("%d %s", code, body)
		}
	}
	if code, body := get(guarded.URL, true); code != 403 || !strings.Contains(body, "you may not read *") {
		t.Errorf("%d %s", code, body)
	}
	if res := login(h.url, ""); res.StatusCode != 204 || res.Cookies()[0].MaxAge >= 0 {
		t.Errorf("logging out: %s %v", res.Status, res.Cookies())
	}
}

// What a server's clients say and what it answers can be watched, and nothing be said.
//
// Verifies: WEB-17
func TestServerIsWatched(t *testing.T) {
	srv := &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error { return c.Send(ctx, m) })}
	target := web.NewServer(func() string { return "tinyproto://here" }, srv)
	addr := parleytest.NewServer(t, srv)
	door, err := web.New(web.Options{Targets: []web.Target{target}})
	if err != nil {
		t.Fatal(err)
	}
	site := httptest.NewServer(door.Handler())
	t.Cleanup(func() { door.Close(context.Background()); site.Close() })
	h := &house{door: door, url: site.URL}
	p := h.open(t)
	c, err := parley.Dial(t.Context(), tinyproto.Protocol{}, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p.say(`{"op":"sub","id":1,"to":"tinyproto://here","ref":1}`)
	p.hear()
	if _, err := c.Call(t.Context(), parley.Text("hello")); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"c2s", "s2c"} {
		if got := p.hear(); got["dir"] != dir || got["text"] != "hello" || got["from"] != "1" || got["peer"] != c.NetConn().LocalAddr().String() {
			t.Errorf("got %v", got)
		}
	}
	p.say(`{"op":"send","ref":2,"to":"tinyproto://here","text":"x"}`)
	if got := p.hear(); !strings.Contains(fmt.Sprint(got["error"]), "only watched here") {
		t.Errorf("got %v", got)
	}
}
