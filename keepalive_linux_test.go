package parley_test

import (
	"net"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/parleytest"
	"github.com/parley-net/parley/serpy2"
	"golang.org/x/sys/unix"
)

// Verifies: RUNTIME-14
func TestKeepAlive(t *testing.T) {
	life := newLife()
	srv := &parley.Server{Protocol: serpy2.Protocol{}, Handler: parley.HandlerFunc(echo), Hooks: life.hooks()}
	c, err := parley.Dial(newContext(t), serpy2.Protocol{}, parleytest.NewServer(t, srv))
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	for end, c := range map[string]*parley.Conn{"dialling": c, "accepting": life.conn(t)} {
		raw, err := c.NetConn().(*net.TCPConn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		options := []struct {
			name                string
			level, option, want int
		}{
			{"on", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
			{"idle", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 15},
			{"interval", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 15},
			{"count", unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 4},
			{"no delay", unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		}
		for _, o := range options {
			raw.Control(func(fd uintptr) {
				if got, err := unix.GetsockoptInt(int(fd), o.level, o.option); got != o.want || err != nil {
					t.Errorf("%s, %s: %d, %v, want %d", end, o.name, got, err, o.want)
				}
			})
		}
	}
}
