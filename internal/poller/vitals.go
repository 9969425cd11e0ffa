package poller

import (
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

// VitalsOf returns what the kernel knows of nc's peer, also if it is around a connection, as TLS is; ok is false
// where there is no TCP, or no Linux.
func VitalsOf(nc net.Conn) (v Vitals, ok bool) {
	for {
		inner, around := nc.(interface{ NetConn() net.Conn }) // TLS, and what else is around one
		if !around {
			break
		}
		nc = inner.NetConn()
	}
	if raw := Raw(nc); raw != nil {
		raw.Control(func(fd uintptr) { v, ok = vitals(fd) })
	}
	return v, ok
}
