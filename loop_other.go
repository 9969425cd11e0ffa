//go:build !linux

package parley

import (
	"net"
	"net/netip"
	"time"
)

// There are no event loops here.

type (
	loop     struct{}
	loopConn struct {
		net.Conn
		conn *Conn
		ip   netip.Addr
	}
	runner struct{ l *loop }
)

func newLoops(int, func(time.Duration)) ([]*loop, error)        { return nil, ErrNoEventLoops }
func closeLoops([]*loop)                                        {}
func forLoops(l net.Listener, _ Timeouts) (net.Listener, error) { return l, nil }
func adopt(net.Conn) *loopConn                                  { return nil }
func (*loopConn) tryWrite([]byte) (int, error)                  { return 0, ErrNoEventLoops }
func (*loopConn) plain() net.Conn                               { return nil }
func (*loop) add(*loopConn) error                               { return ErrNoEventLoops }
func (*loop) replace(*runner)                                   {}
func (*Conn) attach() bool                                      { return false }
