package serpy

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/parley-net/parley/internal/recorded"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

func streams(t testing.TB) []wiretest.Stream {
	object := b85text(t, list(int64(1), "two", nil))
	return []wiretest.Stream{
		{Name: "mode 0", Messages: 4, Bytes: []byte("a\x1f\x1fbc\x1f\x04\x1f\x01text\x1f")},
		{Name: "mode 1", Messages: 4, Bytes: []byte("\x01SETMODE1\x1fa\x04\x1fb\x1fc\x04d\x1f\x01ACKMODCG\x1fe\x04\x04\x1f")},
		{Name: "mode 2", Messages: 3, Bytes: []byte("\x01SETMODE2\x1fVE\x1f0\x1f\x01VPaz\x1f")},
		{Name: "mode 3", Messages: 4, Bytes: []byte("\x01SETMODE3\x1fVE\x04\x1fVP\x1faz\x04VE\x04\x1f\x01\x04\x1f")},
		{Name: "mode 4", Messages: 2, Bytes: []byte("\x01SETMODE4\x1f" + object + "\x1ffCWx2\x1f")},
		{Name: "mode 5", Messages: 2, Bytes: []byte("\x01SETMODE5\x1f" + object + "\x04\x1ffCW\x1fx2\x04\x1f")},
		{Name: "all modes", Messages: 6, Bytes: []byte("a\x1f\x01SETMODE1\x1fb\x04\x1f\x01SETMODE2\x1fVE\x1f\x01SETMODE3\x1fVE\x04\x1f\x01SETMODE4\x1ffCWx2\x1f\x01SETMODE5\x1ffCWx2\x04\x1f")},
		{Name: "lost", Messages: 1, Bytes: []byte("\x01SETMODE9\x1fa\x1f\x01SETMODE\x1f\x01SETMODE2\x1f,\x1fVE\x1f\x01SETMODE4\x1fVE\x1f")},
		{Name: "changes inside", Messages: 2, Bytes: []byte("\x01SETMODE1\x1fV\x1f\x01SETMODE3\x1fE\x04\x1fV\x1f\x01SETMODE0\x1fa\x1f")},
		{Name: "over the limit", Messages: 2, Limits: wire.Limits{MaxMessage: 70},
			Bytes: []byte(strings.Repeat("x", 80) + "\x1fa\x1f\x01SETMODE1\x1f" + strings.Repeat("x", 80) + "\x1f\x01ACKEOT!!\x1fb\x04\x1fc\x04\x1f")},
		{Name: "confirmations", Messages: 1, Bytes: []byte(modeAnswer + messageAnswer + modeAnswer + messageAnswer + "\x01SETMODE1\x1fa\x1f" + messageAnswer + "b\x04\x1f"),
			Sends: []wire.Message{WithMode(wire.Text("a"), 1), WithMode(wire.Text("b"), 3), WithMode(wire.Text(""), 2)}},
		{Name: "echo", Messages: 3, Bytes: []byte("a\x1f\x01SETMODE1\x1fb\x04\x1f\x01SETMODE4\x1f" + object + "\x1f"),
			Reply: func(d *wiretest.Driver, m wire.Message) { _ = d.Send(m) }},
	}
}

// Verifies: SERPY-01, SERPY-30, RUNTIME-47, RUNTIME-48
func TestConformance(t *testing.T) {
	var all []wiretest.Stream
	for _, role := range []wire.Role{wire.Dialing, wire.Accepting} {
		for _, s := range streams(t) {
			s.Role = role
			all = append(all, s)
		}
	}
	wiretest.Conformance(t, Protocol{}, all, nil)
}

// Streams of everything that has a meaning, in any order, near the limit, give
// the same however they are cut.
//
// Verifies: SERPY-01, SERPY-07, SERPY-29
func TestSplits(t *testing.T) {
	pieces := []string{
		"a", "VE", "VPaz", "fCWx2", ",", "\x01", "\x01x", "\x04", "\x1f", "\x1f", "\x04\x1f", "0\x1f",
		modeAnswer, messageAnswer, "\x01SETMODE\x1f", strings.Repeat("x", 30), strings.Repeat("x", 66),
	}
	for mode := range 7 {
		pieces = append(pieces, fmt.Sprintf("\x01SETMODE%d\x1f", mode))
	}
	for seed := range uint64(3000) {
		rng := rand.New(rand.NewPCG(seed, 0))
		s := wiretest.Stream{Name: fmt.Sprint("seed ", seed), Limits: wire.Limits{MaxMessage: []int64{0, 1, 64, 70}[rng.IntN(4)]}}
		for range 1 + rng.IntN(20) {
			s.Bytes = append(s.Bytes, pieces[rng.IntN(len(pieces))]...)
		}
		for range rng.IntN(3) {
			s.Sends = append(s.Sends, WithMode(wire.Text("a"), 1))
		}
		wiretest.CheckInput(t, Protocol{}, s)
	}
}

// FuzzReceive feeds any stream to a machine that has sent a few messages.
func FuzzReceive(f *testing.F) {
	for _, s := range streams(f) {
		f.Add(s.Bytes, uint8(len(s.Sends)), false, int64(0))
		f.Add(s.Bytes, uint8(0), true, int64(70))
	}
	for _, s := range recorded.Streams(f, "serpy", 1000) {
		f.Add(s.Bytes, uint8(s.Role)<<3, false, int64(0))
	}
	latin1 := encoding(f, "latin-1")
	f.Fuzz(func(t *testing.T, stream []byte, how uint8, noPickle bool, limit int64) {
		p := Protocol{NoPickle: noPickle, Encoding: latin1}
		s := wiretest.Stream{Role: wire.Role(how >> 3 & 1), Bytes: stream, Limits: wire.Limits{MaxMessage: limit}}
		for i := range how % 8 {
			s.Sends = append(s.Sends, WithMode(wire.Text("a"), int(i)%6))
		}
		wiretest.CheckInput(t, p, s)
	})
}

// FuzzSend sends any two messages in any mode and checks that they arrive, or
// are refused with nothing sent.
func FuzzSend(f *testing.F) {
	f.Add("hello", []byte("world"), uint8(0), false)
	f.Add("\x01ACKEOT!!", []byte(""), uint8(1), false)
	f.Add("a\x1f\x04", []byte("\x04"), uint8(0x15), true)
	f.Add("", []byte("\x1f"), uint8(0x20), true)
	f.Fuzz(func(t *testing.T, text string, data []byte, modes uint8, force bool) {
		pair := wiretest.NewPair(t, Protocol{Encoding: utf8Encoding(t), ForceMode: force}, Protocol{NoPickle: true}, wire.Limits{}, uint64(modes))
		var want []string
		for _, m := range []wire.Message{
			WithMode(wire.Text(text), int(modes&0xF)%6),
			WithMode(wire.Bytes(data), int(modes>>4)%6),
		} {
			if err := pair.Dialing.Send(m); err != nil {
				continue
			}
			if mode, _ := Mode(m); mode >= 4 && m.Type() == wire.TypeText {
				want = append(want, string(pickled(t, []byte(text))))
			} else {
				want = append(want, m.Text())
			}
		}
		pair.Run()
		sound(t, pair.Accepting)
		got := pair.Accepting.Messages()
		if len(got) != len(want) {
			t.Fatalf("%d messages arrive, want %d: %v", len(got), len(want), got)
		}
		for i, m := range got {
			if m.Text() != want[i] {
				t.Fatalf("message %d is %q, want %q", i, m.Text(), want[i])
			}
		}
	})
}
