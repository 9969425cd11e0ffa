package web

import (
	"net"
	"testing"
)

// The connections of an address at a door are bounded, also those that have not said anything.
//
// Verifies: WEB-25
func TestConnectionsOfTheDoor(t *testing.T) {
	const addr, want = "0.0.0.0:8443", 320
	raw, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := limited(raw, addr)
	accepted := make(chan net.Conn, want+1)
	go func() {
		defer close(accepted)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	var all []net.Conn
	for range want {
		c, err := net.Dial("tcp", raw.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c, <-accepted)
	}
	more, err := net.Dial("tcp", raw.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if n, err := more.Read(make([]byte, 1)); err == nil {
		t.Errorf("%s: one more than %d has a place, and %d bytes", addr, want, n)
	}
	more.Close()
	for _, c := range all {
		c.Close()
	}
	l.Close()
	for range accepted {
		t.Errorf("%s: one more than %d has a place", addr, want)
	}
}
