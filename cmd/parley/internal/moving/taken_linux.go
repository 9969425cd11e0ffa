package moving

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// taken returns how many bytes the peer's system has acknowledged.
func taken(nc net.Conn) (n uint64) {
	for {
		inner, ok := nc.(interface{ NetConn() net.Conn }) // TLS, and what listens in
		if !ok {
			break
		}
		nc = inner.NetConn()
	}
	s, ok := nc.(syscall.Conn)
	if !ok {
		return 0
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return 0
	}
	raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			n = info.Bytes_acked
		}
	})
	return n
}
