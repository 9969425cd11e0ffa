package serpy

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// ofMode returns the constructor of messages that go in the given mode.
func ofMode(mode int) func([]byte) wire.Message {
	return func(data []byte) wire.Message {
		switch mode {
		case 0, 1:
			return WithMode(wire.TextBytes(data), mode)
		case 2, 3:
			return WithMode(wire.Bytes(data), mode)
		}
		return WithMode(wire.Object(data), mode)
	}
}

// Only the value of a pickle is allocated.
//
// Verifies: RUNTIME-49
func TestSteadyState(t *testing.T) {
	for mode := range 4 {
		messages := append(wiretest.Sized(ofMode(mode)), WithMode(wire.Int(-600000), mode), WithMode(wire.Float(12.35), mode))
		wiretest.SteadyState(t, Protocol{}, wire.Limits{}, messages...)
	}
	latin1, err := LookupEncoding("latin-1")
	if err != nil {
		t.Fatal(err)
	}
	wiretest.SteadyState(t, Protocol{Encoding: latin1}, wire.Limits{}, wire.Text("h\u00e9"))
}

func BenchmarkMachine(b *testing.B) {
	for mode := range 6 {
		wiretest.Benchmark(b, Protocol{}, wiretest.Sized(ofMode(mode))...)
	}
}

// BenchmarkLarge is a message of 1 MiB, sent and received.
func BenchmarkLarge(b *testing.B) {
	data := bytes.Repeat([]byte("abcdefghijklmnop"), 1<<16)
	for _, msg := range []wire.Message{WithMode(wire.TextBytes(data), 0), WithMode(wire.TextBytes(data), 1), WithMode(wire.Bytes(data), 2), WithMode(wire.TextBytes(data), 2)} {
		mode, _ := Mode(msg)
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
