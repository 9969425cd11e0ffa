package web_test

import (
	"bytes"
	"context"
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
