package poller

import (
	"crypto/tls"
	"net"
	"time"
)

// Vitals is what the kernel knows of a TCP peer. One whose program stands still is
// answered for by its own kernel.
type Vitals struct {
	Asked bool          // it was asked again, for what was sent or for room, and has not answered
	Heard time.Duration // how long ago it has acknowledged something
	Taken uint64        // how many bytes it has acknowledged in all
}

// VitalsOf returns what the kernel knows of nc's peer, also through TLS; ok is false
// where there is no TCP, or no Linux.
func VitalsOf(nc net.Conn) (v Vitals, ok bool) {
	if t, is := nc.(*tls.Conn); is {
		nc = t.NetConn()
	}
	if raw := Raw(nc); raw != nil {
		raw.Control(func(fd uintptr) { v, ok = vitals(fd) })
	}
	return v, ok
}
