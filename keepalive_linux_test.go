package parley_test

import (
	"syscall"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy2"
	"golang.org/x/sys/unix"
)

// Verifies: RUNTIME-14
func TestKeepAlive(t *testing.T) {
	t.Run("default", func(t *testing.T) { keepAlive(t, 0, 1, 15) })
	t.Run("chosen", func(t *testing.T) { keepAlive(t, 40*time.Second, 1, 40) })
	t.Run("never", func(t *testing.T) { keepAlive(t, -1, 0, 0) })
}

// keepAlive checks what the sockets of both ends are told: on or not, and how
// many seconds.
func keepAlive(t *testing.T, given time.Duration, on, seconds int) {
	life := newLife()
	timeouts := parley.Timeouts{KeepAlive: given}
	srv := &parley.Server{Protocol: serpy2.Protocol{}, Handler: parley.HandlerFunc(echo), Hooks: life.hooks(), Timeouts: timeouts}
	d := &parley.Dialer{Protocol: serpy2.Protocol{}, Timeouts: timeouts}
	c, err := d.Dial(newContext(t), newServer(t, srv))
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	for end, c := range map[string]*parley.Conn{"dialling": c, "accepting": life.conn(t)} {
		raw, err := c.NetConn().(syscall.Conn).SyscallConn()
		if err != nil {
			t.Fatal(err)
		}
		options := []struct {
			name                string
			level, option, want int
		}{
			{"on", unix.SOL_SOCKET, unix.SO_KEEPALIVE, on},
			{"idle", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, seconds},
			{"interval", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, seconds},
			{"count", unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 4},
			{"no delay", unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		}
		for _, o := range options {
			if on == 0 && o.level == unix.IPPROTO_TCP && o.option != unix.TCP_NODELAY {
				continue // it does not matter
			}
			raw.Control(func(fd uintptr) {
				if got, err := unix.GetsockoptInt(int(fd), o.level, o.option); got != o.want || err != nil {
					t.Errorf("%s, %s: %d, %v, want %d", end, o.name, got, err, o.want)
				}
			})
		}
	}
}
