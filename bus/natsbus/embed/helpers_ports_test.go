package embed

import (
	"net"
	"testing"
)

// FreePorts returns n addresses at which nobody listens. They are held until all are
// found, so that none is there twice.
func FreePorts(t testing.TB, n int) []string {
	t.Helper()
	var at []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		at = append(at, l.Addr().String())
	}
	return at
}
