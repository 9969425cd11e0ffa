package monitor

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"net/netip"
	"testing"
)

// One address can't take all places, and what is beyond the limits is closed.
func TestLimits(t *testing.T) {
	l := Limit(nil, maxConns, maxConnsOfAddr).(*limited)
	take := func(ip string, n int) (taken int) {
		for range n {
			if l.take(netip.MustParseAddr(ip)) {
				taken++
			}
		}
		return taken
	}
	for _, c := range []struct {
		ip         string
		want, held int
	}{{"192.0.2.1", 32, 32}, {"192.0.2.2", 32, 64}, {"192.0.2.3", 32, 96}, {"2001:db8::1", 32, 128}, {"192.0.2.5", 0, 128}} {
		if n := take(c.ip, 100); n != c.want || l.all != c.held {
			t.Errorf("%s has %d places, %d are taken", c.ip, n, l.all)
		}
	}
	for range 32 {
		l.give(netip.MustParseAddr("192.0.2.1"))
	}
	if n := take("192.0.2.5", 100); n != 32 || len(l.by) != 4 {
		t.Errorf("%d places of those that were given back, %d addresses", n, len(l.by))
	}
}

// A hundred clients of one address that say their requests byte by byte, or
// nothing, do not keep others out.
func TestSlowRequests(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := New("v1")
	var s *http.Server
	ready := make(chan bool)
	served := make(chan error)
	go func() { served <- Serve(l, m.Handler(), func(h *http.Server) { s = h; close(ready) }) }()
	<-ready
	defer func() {
		s.Close()
		<-served
	}()
	closed := make(chan bool, 100)
	for range 100 {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		io.WriteString(c, "GET /healthz HT") // it may be closed already
		go func() {
			io.Copy(io.Discard, c)
			closed <- true
		}()
	}
	for range 100 - maxConnsOfAddr { // at once
		<-closed
	}
	other := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}
	c, err := other.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Skip("no second address here: ", err)
	}
	defer c.Close()
	io.WriteString(c, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
	if r, err := http.ReadResponse(bufio.NewReader(c), nil); err != nil || r.StatusCode != 200 {
		t.Error(r, err)
	}
	s.Close()
	for range maxConnsOfAddr {
		<-closed
	}
}
