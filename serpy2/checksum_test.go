package serpy2

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
)

// sums are all ways to the checksum that run here: sum itself and, by name,
// what it may choose from.
var sums = map[string]func([]byte) uint32{"sum": sum, "plain": sumPlain}

// checkSums compares all ways with the obvious one on p[:n] for every n.
func checkSums(t *testing.T, p []byte) {
	t.Helper()
	want := uint32(0)
	for n := range len(p) + 1 {
		for name, sum := range sums {
			if got := sum(p[:n]); got != want {
				t.Fatalf("%s of %d bytes is %d, want %d", name, n, got, want)
			}
		}
		if n < len(p) {
			want += uint32(p[n])
		}
	}
}

// All lengths up to 4 KiB at every alignment.
//
// Verifies: SERPY2-01
func TestSum(t *testing.T) {
	const most = 4096
	checkSums(t, bytes.Repeat([]byte{0xFF}, most)) // the lanes at their fullest
	rng := rand.New(rand.NewPCG(1, 2))
	mixed := randomBytes(rng, most+32)
	for at := range 32 {
		checkSums(t, mixed[at:][:most])
	}
}

// Random lengths up to 1 MiB, at random places.
//
// Verifies: SERPY2-01
func TestSumRandom(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	p := randomBytes(rng, 1<<20)
	for range 50 {
		at := rng.IntN(len(p))
		q := p[at:][:rng.IntN(len(p)-at+1)]
		want := uint32(0)
		for _, b := range q {
			want += uint32(b)
		}
		for name, sum := range sums {
			if got := sum(q); got != want {
				t.Fatalf("%s of %d bytes at %d is %d, want %d", name, len(q), at, got, want)
			}
		}
	}
}

// The checksum of the transcript checksum_wraps.
//
// Verifies: SERPY2-01
func TestSumWraps(t *testing.T) {
	p := bytes.Repeat([]byte{0xFF}, 17<<20)
	for name, sum := range sums {
		if got, want := sum(p), uint32(250609664); got != want {
			t.Errorf("%s is %d, want %d", name, got, want)
		}
	}
}

func randomBytes(rng *rand.Rand, n int) []byte {
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(rng.Uint32())
	}
	return p
}

func BenchmarkSum(b *testing.B) {
	for _, n := range []int{8, 16, 64, 128, 200, 256, 1024, 16 << 10, 64 << 10, 256 << 10, 1 << 20} {
		for name, sum := range sums {
			b.Run(fmt.Sprintf("%d/%s", n, name), func(b *testing.B) {
				p := make([]byte, n)
				b.SetBytes(int64(n))
				for b.Loop() {
					sum(p)
				}
			})
		}
	}
}
