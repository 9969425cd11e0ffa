package program

import (
	"net"
	"testing"
)

// Verifies: EXEC-03
func TestSlots(t *testing.T) {
	at := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 1000} }
	unix := &net.UnixAddr{Name: "@"}
	s := NewSlots(4, 0)
	take := func(a net.Addr, want bool) {
		t.Helper()
		if err := s.Take(a); (err == nil) != want {
			t.Errorf("%v: %v", a, err)
		}
	}
	take(at("192.0.2.1"), true)
	take(at("::ffff:192.0.2.1"), true)
	take(at("192.0.2.1"), false) // the rest is for others
	take(at("2001:db8::1"), true)
	take(unix, true)
	take(unix, false)
	s.Give(at("192.0.2.1"))
	take(at("192.0.2.1"), true)
	for _, a := range []net.Addr{at("192.0.2.1"), at("192.0.2.1"), at("2001:db8::1"), unix} {
		s.Give(a)
	}
	if s.taken != 0 || len(s.by) != 0 {
		t.Errorf("left over: %d, %v", s.taken, s.by)
	}
	if one := NewSlots(1, 0); one.Take(at("192.0.2.1")) != nil {
		t.Error("the only slot is nobody's")
	}
	if own := NewSlots(10, 3); own.mostOf != 3 {
		t.Error("a share of one's own is not taken")
	}
}
