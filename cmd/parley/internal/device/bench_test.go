package device

import (
	"testing"

	"github.com/parley-net/parley/wire"
)

func BenchmarkRead(b *testing.B) {
	for b.Loop() {
		read(b, supply)
	}
}

func BenchmarkAnswer(b *testing.B) {
	s := open(b, supply)
	m := wire.Text("VOLT 3.3;VOLT?;:OUTP?")
	b.ReportAllocs()
	for b.Loop() {
		s.Answer(m, epoch)
	}
}
