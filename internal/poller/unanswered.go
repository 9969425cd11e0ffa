package poller

import (
	"crypto/tls"
	"net"
	"time"
)

// Unanswered reports whether the kernel has asked nc's peer again, for what it sent or
// for room, and had no answer yet; last is how long ago it heard of it. A peer whose
// program stands still is answered for by its kernel. Nobody tells where there is no
// TCP, or no Linux.
func Unanswered(nc net.Conn) (asked bool, last time.Duration) {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	if raw := Raw(nc); raw != nil {
		raw.Control(func(fd uintptr) { asked, last = unanswered(fd) })
	}
	return asked, last
}
