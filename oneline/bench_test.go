package oneline_test

import (
	"testing"

	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// Verifies: RUNTIME-49
func TestSteadyState(t *testing.T) {
	messages := append(wiretest.Sized(wire.TextBytes), wiretest.Sized(wire.Bytes)...)
	messages = append(messages, wire.Text("h\u00e9"), wire.Int(-600000), wire.Float(12.35))
	for _, p := range []oneline.Protocol{{}, {UTF8: true}, {EOL: "\r\n"}} {
		t.Run(describe(p), func(t *testing.T) {
			wiretest.SteadyState(t, p, wire.Limits{}, messages...)
		})
	}
}

func BenchmarkMachine(b *testing.B) {
	wiretest.Benchmark(b, oneline.Protocol{}, append(wiretest.Sized(wire.TextBytes), wire.Int(-600000), wire.Float(12.35))...)
}

func BenchmarkPing(b *testing.B) {
	m := oneline.Protocol{}.New(wire.Accepting, wire.Limits{})
	wiretest.Receive(m, nil)
	in, out := []byte("ping\n"), make([]byte, 0, 64)
	var ev wire.Event
	b.ReportAllocs()
	for b.Loop() {
		if n, err := m.Receive(in, &ev); n != len(in) || err != nil {
			b.Fatal(n, err)
		}
		if out = m.Output(out[:0]); len(out) != 5 {
			b.Fatalf("%q", out)
		}
	}
}
