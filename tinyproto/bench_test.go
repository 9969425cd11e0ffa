package tinyproto_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/parley-net/parley/tinyproto"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// Verifies: RUNTIME-49
func TestSteadyState(t *testing.T) {
	messages := append(wiretest.Sized(wire.Bytes), wiretest.Sized(wire.TextBytes)...)
	messages = append(messages, wire.Bytes(nil), wire.Bytes(large))
	for _, p := range []tinyproto.Protocol{auto, never} {
		for _, limits := range []wire.Limits{{}, {MaxMessage: 4}} {
			t.Run(fmt.Sprintf("Eager=%d/MaxMessage=%d", p.Eager, limits.MaxMessage), func(t *testing.T) {
				wiretest.SteadyState(t, p, limits, messages...)
			})
		}
	}
}

func BenchmarkMachine(b *testing.B) {
	wiretest.Benchmark(b, tinyproto.Protocol{}, wiretest.Sized(wire.Bytes)...)
}

// BenchmarkConfirm is one message of 16 bytes, sent eagerly, and its OK, which
// comes in runs of 1000.
func BenchmarkConfirm(b *testing.B) {
	m := opened(b, auto)
	msg := wire.Bytes([]byte("abcdefghijklmnop"))
	oks := bytes.Repeat([]byte{0xFF}, 1000)
	out := make([]byte, 0, 20*len(oks))
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if out, _, err = m.Send(out, msg); err != nil {
			b.Fatal(err)
		}
		if len(out) == cap(out) {
			out = out[:0]
			if n, ev, err := wiretest.Receive(m, oks); n != len(oks) || ev.N != int64(n) || err != nil {
				b.Fatal(n, ev, err)
			}
		}
	}
}
