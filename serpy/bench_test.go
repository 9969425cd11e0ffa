package serpy

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// sixteen is a message of 16 bytes that goes in the given mode.
func sixteen(mode int) wire.Message {
	data := []byte("abcdefghijklmnop")
	switch mode {
	case 0, 1:
		return wire.TextBytes(data).WithMode(mode)
	case 2, 3:
		return wire.Bytes(data).WithMode(mode)
	}
	return wire.Object(data).WithMode(mode)
}

// Sending and receiving does not allocate, except for the value of a pickle.
func TestNoAllocations(t *testing.T) {
	for mode := range 4 {
		a, b := opened(t, Protocol{}), opened(t, Protocol{})
		out := make([]byte, 0, 4096)
		msg := sixteen(mode)
		var ev wire.Event
		exchange := func() {
			for range 50 {
				out, _, _ = a.Send(out[:0], msg)
				if n, err := b.Receive(out, &ev); err != nil || ev.Kind != wire.EventMessage || n != len(out) {
					t.Fatal(n, ev, err)
				}
				out = b.Output(out[:0])
				for p := out; len(p) > 0; {
					n, _ := a.Receive(p, &ev)
					p = p[n:]
				}
			}
		}
		exchange()
		if got := testing.AllocsPerRun(20, exchange); got != 0 {
			t.Errorf("mode %d: %v allocations for 50 messages", mode, got)
		}
	}
}

// BenchmarkReceive is one message of 16 bytes, among many in one buffer, and
// its acknowledgement.
func BenchmarkReceive(b *testing.B) {
	for mode := range 6 {
		b.Run(fmt.Sprintf("mode=%d", mode), func(b *testing.B) {
			m, sender := opened(b, Protocol{}), opened(b, Protocol{})
			first, _, _ := sender.Send(nil, sixteen(mode))
			wiretest.Receive(m, bytes.Clone(first))
			block, _, err := sender.Send(nil, sixteen(mode)) // without SETMODE
			if err != nil {
				b.Fatal(err)
			}
			fresh := bytes.Repeat(block, 3000)
			p := make([]byte, len(fresh))
			out := make([]byte, 0, 64<<10)
			b.ReportAllocs()
			rest := p[:0]
			var ev wire.Event
			for b.Loop() {
				if len(rest) == 0 {
					copy(p, fresh) // it has been decoded in place
					rest = p
					out = m.Output(out[:0])
				}
				n, err := m.Receive(rest, &ev)
				if ev.Kind != wire.EventMessage || err != nil {
					b.Fatal(ev, err)
				}
				rest = rest[n:]
			}
		})
	}
}

// BenchmarkSend is one message of 16 bytes.
func BenchmarkSend(b *testing.B) {
	for mode := range 6 {
		b.Run(fmt.Sprintf("mode=%d", mode), func(b *testing.B) {
			m, msg := opened(b, Protocol{}), sixteen(mode)
			out := make([]byte, 0, 64<<10)
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if out, _, err = m.Send(out, msg); err != nil {
					b.Fatal(err)
				}
				if len(out) > 60<<10 {
					out = out[:0]
				}
			}
		})
	}
}

// BenchmarkLarge is a message of 1 MiB, sent and received.
func BenchmarkLarge(b *testing.B) {
	data := bytes.Repeat([]byte("abcdefghijklmnop"), 1<<16)
	for _, msg := range []wire.Message{wire.TextBytes(data).WithMode(0), wire.TextBytes(data).WithMode(1), wire.Bytes(data).WithMode(2), wire.TextBytes(data).WithMode(2)} {
		mode, _ := msg.Mode()
		b.Run(fmt.Sprintf("mode=%d/%v", mode, msg.Type()), func(b *testing.B) {
			sender, receiver := opened(b, Protocol{}), opened(b, Protocol{})
			var out []byte
			b.SetBytes(int64(len(data)))
			b.ReportAllocs()
			for b.Loop() {
				out, _, _ = sender.Send(out[:0], msg)
				if n, ev, err := wiretest.Receive(receiver, out); n != len(out) || ev.Message.Len() != len(data) || err != nil {
					b.Fatal(n, ev.Kind, err)
				}
				out = receiver.Output(out[:0])
			}
		})
	}
}
