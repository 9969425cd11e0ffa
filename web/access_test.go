package web_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/web"
)

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
