package parley

import (
	"crypto/tls"
	"net"
	"runtime"

	"github.com/parley-net/parley/internal/handshake"
	"github.com/parley-net/parley/internal/session"
)

// vitalOf returns a function that says what the kernel tells about the peer of a
// connection that parley has made.
func vitalOf(t Timeouts) func(net.Conn) session.Vital {
	return func(nc net.Conn) session.Vital {
		if s, ok := nc.(*tls.Conn); ok {
			nc = handshake.Bare(s)
		}
		switch nc := nc.(type) {
		case *net.UnixConn:
			return session.VitalAlways // its peer is in this kernel
		case *net.TCPConn:
		case *loopConn:
			if !nc.Host().IsValid() {
				return session.VitalAlways
			}
		default:
			return session.VitalNothing
		}
		switch {
		case t.KeepAlive <= 0:
			return session.VitalNothing
		case runtime.GOOS != "linux":
			return session.VitalIdle
		}
		return session.VitalAlways
	}
}
