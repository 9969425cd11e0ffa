package reliability

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// crowd is many bare connections to one server.
type crowd struct {
	conns []*net.TCPConn
	since []time.Time // before it was made
	wg    sync.WaitGroup
}

// gather connects n times, from as many local addresses as it takes, says what
// opening gives, and waits until the answer to that has come.
func gather(t *testing.T, addr string, n int, opening, answer string) *crowd {
	t.Helper()
	if most := descriptorsAllowed() - 500; n > most {
		t.Logf("%d connections instead of %d: this process may have no more descriptors", most, n)
		n = most
	}
	c := &crowd{conns: make([]*net.TCPConn, n), since: make([]time.Time, n)}
	t.Cleanup(c.leave)
	var next atomic.Int64
	var failure atomic.Pointer[error]
	var workers sync.WaitGroup
	for range 32 {
		workers.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n || failure.Load() != nil {
					return
				}
				c.since[i] = time.Now()
				nc, err := dialFrom(i, addr)
				if err == nil {
					c.conns[i] = nc
					nc.SetDeadline(time.Now().Add(5 * time.Minute))
					if _, err = io.WriteString(nc, opening); err == nil {
						err = hear(nc, answer)
					}
				}
				if err != nil {
					failure.Store(&err)
				}
			}
		})
	}
	workers.Wait()
	if err := failure.Load(); err != nil {
		t.Fatal(*err)
	}
	return c
}

// dialFrom connects from the i-th of many loopback addresses, where the system
// has them, so that the ports of one do not run out.
func dialFrom(i int, addr string) (*net.TCPConn, error) {
	d := net.Dialer{Timeout: patience}
	if needsNoAlias {
		d.LocalAddr = &net.TCPAddr{IP: net.IPv4(127, 0, 1, byte(1+i%100))}
	}
	nc, err := d.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return nc.(*net.TCPConn), nil
}

// each calls f with every connection, at the same time.
func (c *crowd) each(f func(i int, nc *net.TCPConn)) {
	for i, nc := range c.conns {
		c.wg.Go(func() { f(i, nc) })
	}
}

// leave closes all connections with a reset, which leaves nothing behind in the
// kernel.
func (c *crowd) leave() {
	for _, nc := range c.conns {
		if nc != nil {
			nc.SetLinger(0)
			nc.Close()
		}
	}
	c.wg.Wait()
}
