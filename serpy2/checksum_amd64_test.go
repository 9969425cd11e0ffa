package serpy2

import "testing"

// The assembly is compared with the rest wherever the processor can run it,
// also at lengths at which sum would not choose it.
func TestSumAVX2(t *testing.T) {
	if !haveAVX2 {
		t.Skip("this processor has no AVX2: only the plain sum is tested")
	}
	p := make([]byte, 4096+64)
	for i := range p {
		p[i] = byte(i * i)
	}
	if got := sumAVX2(&p[0], 0); got != 0 {
		t.Errorf("sum of 0 bytes is %d", got)
	}
	for at := range 64 {
		for n := 0; n <= 4096; n += 32 {
			if got, want := sumAVX2(&p[at], n), sumPlain(p[at:][:n]); got != want {
				t.Fatalf("sum of %d bytes at %d is %d, want %d", n, at, got, want)
			}
		}
	}
}
