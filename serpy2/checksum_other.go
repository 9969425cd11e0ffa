//go:build !amd64

package serpy2

// sum returns the sum of the bytes of p modulo 2³².
func sum(p []byte) uint32 { return sumPlain(p) }
