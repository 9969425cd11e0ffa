package reliability

import (
	"syscall"
	"testing"

	"github.com/parley-net/parley"
)

// The kernel asks a silent peer every 15 s, 4 times: one that has vanished
// without a word is found within 75 s, on either side.
//
// Verifies: RUNTIME-14
func TestKeepAlive(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		w := formOf("tinyproto")
		srv := &parley.Server{Protocol: w.protocol, Pull: true}
		client := dial(t, w, start(t, d, srv))
		server, err := srv.Accept(bounded(t))
		if err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]*parley.Conn{"client": client, "server": server} {
			raw, err := c.NetConn().(syscall.Conn).SyscallConn()
			if err != nil {
				t.Fatal(err)
			}
			raw.Control(func(fd uintptr) {
				get := func(level, option int) int {
					v, err := syscall.GetsockoptInt(int(fd), level, option)
					if err != nil {
						t.Error(err)
					}
					return v
				}
				on := get(syscall.SOL_SOCKET, syscall.SO_KEEPALIVE)
				idle := get(syscall.IPPROTO_TCP, syscall.TCP_KEEPIDLE)
				interval := get(syscall.IPPROTO_TCP, syscall.TCP_KEEPINTVL)
				count := get(syscall.IPPROTO_TCP, syscall.TCP_KEEPCNT)
				figure(t, "%s: on %v, first after %d s, then every %d s, %d times: found within %d s", name, on != 0, idle, interval, count, idle+interval*count)
				if on == 0 || idle != 15 || interval != 15 || count != 4 {
					t.Error("want 15 s, 15 s, 4 times")
				}
			})
		}
	})
}
