package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// Guests that a door does not want, many of each: each is refused, the log has a line for
// each kind and not for each guest, memory stays flat, and a page goes on all the while.
// It is row 17 of what was to be reached.
//
// Verifies: WEB-18
func TestUnwantedGuests(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes the ten seconds that a request may take for its header")
	}
	r := startInside(t, false, "web", "--listen", "0", "--room", "cam1")
	r.hears(`listening on http`)
	_, addr, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(r.stderr.String(), "listening on ")), "://")
	url := "http://" + addr
	page := openPage(t, url)
	goesOn := func(when string) {
		t.Helper()
		page.say(`{"op":"ping","ref":1}`)
		if got := page.hear(); got["op"] != "pong" {
			t.Errorf("after %s: %v", when, got)
		}
	}
	heap := func() int64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	request := func(header, value string, want int) {
		t.Helper()
		req, _ := http.NewRequestWithContext(t.Context(), "POST", url+"/ticket", nil)
		req.Header.Set(header, value)
		if header == "Host" {
			req.Host = value
			req.Header.Set("Origin", "http://"+value)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if res.StatusCode != want {
			t.Fatalf("%s %s: %s", header, value, res.Status)
		}
	}
	for range 200 {
		request("Origin", "https://evil.example", 403)
		request("Host", "evil.example", 421)
		request("X-Nothing", "x", 401) // no Origin, no token
	}
	goesOn("foreign pages")

	dial := func() *websocket.Conn {
		t.Helper()
		ws, _, err := websocket.Dial(t.Context(), "ws://"+addr+"/ws", &websocket.DialOptions{Subprotocols: []string{"parley.v1"}, HTTPHeader: http.Header{"Origin": {url}}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { ws.CloseNow() })
		return ws
	}
	for _, hello := range []string{`{"op":"hello","ticket":"used"}`, `{"op":"hello"}`} {
		for range 50 {
			ws := dial()
			ws.Write(t.Context(), websocket.MessageText, []byte(hello))
			for {
				if _, _, err := ws.Read(t.Context()); err != nil {
					if websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
						t.Fatalf("%s: %v", hello, err)
					}
					break
				}
			}
			ws.CloseNow()
		}
	}
	goesOn("used tickets")

	for range 20 {
		page.say("%s", strings.Repeat("[", 1_000_000))
		if got := page.hear(); !strings.Contains(fmt.Sprint(got["error"]), "exceeded max depth") {
			t.Fatalf("JSON of a million levels: %v", got)
		}
		page.say(`{"op":"call","ref":2,"to":"nobody","text":"x"}`)
		if got := page.hear(); !strings.Contains(fmt.Sprint(got["error"]), `there is no target "nobody": there are cam1`) {
			t.Fatalf("an unknown target: %v", got)
		}
	}

	huge := openPage(t, url)
	most := int64(0)
	w, err := huge.ws.Writer(t.Context(), websocket.MessageText)
	if err != nil {
		t.Fatal(err)
	}
	chunk := bytes.Repeat([]byte{' '}, 1<<20)
	for n := 0; n < 1<<10 && err == nil; n++ {
		_, err = w.Write(chunk)
		most = max(most, heap()-before)
	}
	if err == nil || most > 64<<20 {
		t.Errorf("a frame of 1 GiB: %v, %d MiB", err, most>>20)
	}
	goesOn("a frame of 1 GiB")

	var slow []net.Conn
	for range 100 { // who never ends the header
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, "GET / HTTP/1.1\r\nHost: "+addr+"\r\nX-Slow: ")
		slow = append(slow, c)
	}
	goesOn("slow headers")
	began := time.Now()
	for _, c := range slow {
		c.SetReadDeadline(time.Now().Add(patience))
		if _, err := io.ReadAll(c); err != nil {
			t.Fatalf("a header that does not end is waited for: %v", err)
		}
	}
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("headers that do not end are closed after %v", took)
	}
	if grown := heap() - before; grown > 16<<20 {
		t.Errorf("memory has grown by %d MiB", grown>>20)
	}
	if n := strings.Count(r.stderr.String(), "level=WARN"); n < 2 || n > 8 {
		t.Errorf("%d lines in the log:\n%s", n, r.stderr)
	}
}
