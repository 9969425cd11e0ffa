package poller

import "net"

// Unsent returns how many bytes written to nc the peer's kernel has not taken yet:
// closing might destroy them. It is 0 where nobody tells.
func Unsent(nc net.Conn) (n int) {
	if raw := Raw(nc); raw != nil {
		raw.Control(func(fd uintptr) { n = unsent(fd) })
	}
	return n
}
