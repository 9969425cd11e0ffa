package serpy2

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// Verifies: SERPY2-01
func TestSum(t *testing.T) {
	const most = 4096
	full := make([]byte, most+64)
	for i := range full {
		full[i] = 0xFF // the lanes at their fullest
	}
	mixed := make([]byte, len(full))
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range mixed {
		mixed[i] = byte(rng.Uint32())
	}
	check := func(p []byte) {
		want := uint32(0)
		for n := range most + 1 {
			if got := sum(p[:n]); got != want {
				t.Fatalf("sum of %d bytes is %d, want %d", n, got, want)
			}
			want += uint32(p[n])
		}
	}
	check(full)
	for at := range 32 {
		check(mixed[at:])
	}
}

// The checksum of the transcript checksum_wraps.
//
// Verifies: SERPY2-01
func TestSumWraps(t *testing.T) {
	p := bytes.Repeat([]byte{0xFF}, 17<<20)
	if got, want := sum(p), uint32(250609664); got != want {
		t.Errorf("sum is %d, want %d", got, want)
	}
}

func BenchmarkSum(b *testing.B) {
	for _, n := range []int{8, 64, 1024, 64 << 10} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			p := make([]byte, n)
			b.SetBytes(int64(n))
			for b.Loop() {
				sum(p)
			}
		})
	}
}
