package oneline_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// BenchmarkReceive takes pipelined lines; a size includes the line feed.
func BenchmarkReceive(b *testing.B) {
	for _, role := range []wire.Role{wire.Accepting, wire.Dialing} {
		for _, size := range []int{5, 16, 64, 1024, 64 << 10} {
			b.Run(fmt.Sprintf("%v/%d", role, size), func(b *testing.B) {
				lines := max(1, 4096/size)
				in := bytes.Repeat([]byte(alphabet(size-1)+"\n"), lines)
				m := oneline.Protocol{}.New(role, wire.Limits{})
				if role == wire.Dialing {
					wiretest.Receive(m, []byte("pong\n"))
				} else {
					wiretest.Receive(m, nil)
				}
				b.SetBytes(int64(size))
				b.ReportAllocs()
				at := 0
				var ev wire.Event
				b.ResetTimer()
				for range b.N {
					n, err := m.Receive(in[at:], &ev)
					if ev.Kind != wire.EventMessage || err != nil {
						b.Fatal(ev.Kind, err)
					}
					if at += n; at == len(in) {
						at = 0
					}
				}
			})
		}
	}
}

func BenchmarkSend(b *testing.B) {
	for _, size := range []int{5, 16, 64, 1024, 64 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			m := oneline.Protocol{}.New(wire.Accepting, wire.Limits{})
			wiretest.Receive(m, nil)
			wiretest.Receive(m, []byte("cmd\n"))
			msg := wire.Text(alphabet(size - 1))
			dst := make([]byte, 0, size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := m.Send(dst, msg); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkPing(b *testing.B) {
	m := oneline.Protocol{}.New(wire.Accepting, wire.Limits{})
	wiretest.Receive(m, nil)
	in, out := []byte("ping\n"), make([]byte, 0, 64)
	b.ReportAllocs()
	for b.Loop() {
		if n, _, err := wiretest.Receive(m, in); n != len(in) || err != nil {
			b.Fatal(n, err)
		}
		if out = m.Output(out[:0]); len(out) != 5 {
			b.Fatalf("%q", out)
		}
	}
}
