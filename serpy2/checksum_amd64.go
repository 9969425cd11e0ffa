package serpy2

import "golang.org/x/sys/cpu"

var haveAVX2 = cpu.X86.HasAVX2

// worthAVX2 is the length in bytes from which sumAVX2 is the faster one.
const worthAVX2 = 128

// sum returns the sum of the bytes of p modulo 2³².
func sum(p []byte) uint32 {
	if !haveAVX2 || len(p) < worthAVX2 {
		return sumPlain(p)
	}
	n := len(p) &^ 31
	return sumAVX2(&p[0], n) + sumPlain(p[n:])
}

// sumAVX2 is sumPlain for the n bytes at p, where n is a multiple of 32.
//
//go:noescape
func sumAVX2(p *byte, n int) uint32
