package web_test

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/web"
)

// Pages that take nothing hold no copies of what is said: their memory is that of the message,
// however many they are and however they listen.
//
// Verifies: WEB-25
func TestPagesThatTakeNothing(t *testing.T) {
	h := build(t, web.Options{})
	const sockets, subs, size = 3, 64, 4 << 20
	for range sockets {
		p := h.open(t)
		for id := range subs {
			p.say(fmt.Sprintf(`{"op":"sub","id":%d,"to":"cam1","binary":%v}`, id, id%2 == 0))
		}
		p.say(`{"op":"ping","ref":1}`)
		p.hear()
	}
	for range sockets {
		r, err := http.Get(h.url + "/events?to=cam1")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Body.Close() })
	}
	reader := h.open(t)
	reader.ws.SetReadLimit(-1)
	reader.say(`{"op":"sub","id":1,"to":"cam1","ref":1}`)
	reader.hear()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 2 {
		if err := h.room.Publish(t.Context(), parley.Bytes(bytes.Repeat([]byte("x"), size))); err != nil {
			t.Fatal(err)
		}
		if _, b, err := reader.read(); err != nil || len(b) < size {
			t.Fatal(len(b), err)
		}
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 40*size {
		t.Errorf("%d bytes are allocated for 2 messages of %d", got, size)
	}
}

// What a page says becomes no more in memory than there is room for, is told what is wrong, and
// the next one has the room again.
//
// Verifies: WEB-25
func TestValuesThatGrow(t *testing.T) {
	h := build(t, web.Options{Limits: web.Limits{Frame: 1 << 20}})
	p := h.open(t)
	for name, test := range map[string]struct{ frame, want string }{
		"many lists":    {`{"op":"send","to":"cam1","ref":1,"kind":"object","json":[` + strings.Repeat("[],", 20_000) + `[]]}`, "elements"},
		"many keys":     {`{"op":"call","to":"psu1","ref":1,"kind":"object","json":{` + strings.Repeat(`"a":0,`, 30_000) + `"b":1}}`, "elements"},
		"a long int":    {`{"op":"send","to":"cam1","ref":1,"kind":"int","text":"` + strings.Repeat("9", 900_000) + `"}`, "4300 digits"},
		"a long float":  {`{"op":"send","to":"cam1","ref":1,"kind":"float","text":"` + strings.Repeat("9", 900_000) + `"}`, "4300 digits"},
		"a key of ours": {`{"` + strings.Repeat("k", 900_000) + `":1}`, "unknown field"},
	} {
		for range 3 {
			p.say(test.frame)
			got := fmt.Sprint(p.hear()["error"])
			if !strings.Contains(got, test.want) || len(got) > 1100 {
				t.Fatalf("%s: %.100s (%d bytes)", name, got, len(got))
			}
		}
	}
	for range 100 {
		p.say(`{"op":"send","to":"cam1","ref":1,"kind":"object","json":[` + strings.Repeat("1,", 10_000) + `1]}`)
		if got := p.hear(); got["op"] != "ok" {
			t.Fatal(got)
		}
	}
}

// Whoever is refused over and over, each time with something else, has a few lines in the log.
//
// Verifies: WEB-25
func TestLogOfRefusals(t *testing.T) {
	var log bytes.Buffer
	h := build(t, web.Options{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	for i := range 3000 {
		r, _ := http.NewRequest("GET", fmt.Sprintf("%s/%d%s", h.url, i, strings.Repeat("%01", 300)), nil)
		r.Host = "elsewhere.example"
		if i%2 == 0 {
			r.URL.Path, r.URL.RawPath, r.Host = "/targets", "", ""
			r.Header.Set("Origin", fmt.Sprintf("http://%d.example", i))
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode < 400 {
			t.Fatal(answer.Status)
		}
	}
	if lines := bytes.Count(log.Bytes(), []byte("\n")); lines != 2 || log.Len() > 4000 {
		t.Errorf("%d lines of log, %d bytes: %.500s", lines, log.Len(), log.Bytes())
	}
}
