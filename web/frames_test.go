package web_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/web"
)

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
