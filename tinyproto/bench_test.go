package tinyproto_test

import (
	"bytes"
	"testing"

	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// BenchmarkReceive is one message of 16 bytes that came eagerly, among many in
// one buffer, and its OK.
func BenchmarkReceive(b *testing.B) {
	m := opened(b, auto)
	all := bytes.Repeat([]byte("\x00\x00\x00\x10abcdefghijklmnop"), 3200)
	out := make([]byte, 0, 4096)
	b.ReportAllocs()
	p := all
	var ev wire.Event
	for b.Loop() {
		n, err := m.Receive(p, &ev)
		if ev.Kind != wire.EventMessage || err != nil {
			b.Fatal(ev, err)
		}
		if p = p[n:]; len(p) == 0 {
			p = all
			out = m.Output(out[:0])
		}
	}
}

// BenchmarkSend is one message of 16 bytes, sent eagerly.
func BenchmarkSend(b *testing.B) {
	m := opened(b, auto)
	msg := wire.Bytes([]byte("abcdefghijklmnop"))
	out := make([]byte, 0, 64<<10)
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if out, _, err = m.Send(out, msg); err != nil {
			b.Fatal(err)
		}
		if len(out) > cap(out)-20 {
			out = out[:0]
		}
	}
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
