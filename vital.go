package parley

import (
	"crypto/tls"
	"net"
	"runtime"
)

// vitalOf returns a function that says what the kernel tells about the peer of a
// connection that parley has made.
func vitalOf(t Timeouts) func(net.Conn) vital {
	return func(nc net.Conn) vital {
		if s, ok := nc.(*tls.Conn); ok {
			nc = s.NetConn()
		}
		switch nc := nc.(type) {
		case *net.UnixConn:
			return vitalAlways // its peer is in this kernel
		case *net.TCPConn:
		case *loopConn:
			if !nc.Host().IsValid() {
				return vitalAlways
			}
		default:
			return vitalNothing
		}
		switch {
		case t.KeepAlive <= 0:
			return vitalNothing
		case runtime.GOOS != "linux":
			return vitalIdle
		}
		return vitalAlways
	}
}
