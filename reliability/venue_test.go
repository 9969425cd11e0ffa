package reliability

import (
	"net"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/internal/faultproxy"
	"github.com/parley-net/parley/internal/netsim"
)

// A venue is where a simulation takes place: what carries the bytes, and how
// time passes there.
type venue struct {
	listener net.Listener
	dial     func() (net.Conn, error)
	patience time.Duration // after which a run is a deadlock
	settled  time.Duration // after which nothing more happens of itself
	timeouts parley.Timeouts
}

// inMemory is a simulated network in virtual time.
func inMemory(n *netsim.Net) venue {
	const ever = time.Hour
	return venue{
		listener: n.Listener(),
		dial:     func() (net.Conn, error) { return n.Dial() },
		patience: 10 * ever,
		settled:  time.Minute,
		timeouts: parley.Timeouts{Handshake: ever, Answer: ever, Write: ever, Progress: ever, Close: ever, Linger: ever},
	}
}

// onSockets is the real thing: two sockets with small buffers, and a proxy
// between them that does what the plan says.
func onSockets(t *testing.T, s *sim) venue {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := s.plan.faults
	faults := faultproxy.Faults{Seed: s.seed, Jitter: f.Latency, ResetAfter: f.ResetAfter}
	if f.Cut {
		faults.Slice = 1 << 12
	}
	if s.plan.most <= 5000 {
		faults.Slice = 9
	}
	if f.Stall > 0 {
		faults.Stall, faults.StallChance = 20*time.Millisecond, 0.02
	}
	proxy, err := faultproxy.Listen(l.Addr().String(), faults)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { proxy.Close() })
	return venue{
		listener: smallBuffers{l},
		dial: func() (net.Conn, error) {
			nc, err := net.Dial("tcp", proxy.Addr())
			if err == nil {
				shrinkBuffers(nc)
			}
			return nc, err
		},
		patience: 90 * time.Second,
		settled:  20 * time.Millisecond,
		timeouts: parley.Timeouts{Handshake: 60 * time.Second, Write: 60 * time.Second, Settle: -1, Close: 20 * time.Second, Linger: 20 * time.Second},
	}
}

// smallBuffers is a listener of sockets that take few bytes at a time.
type smallBuffers struct{ net.Listener }

func (l smallBuffers) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err == nil {
		shrinkBuffers(nc)
	}
	return nc, err
}

func shrinkBuffers(nc net.Conn) {
	c := nc.(*net.TCPConn)
	c.SetReadBuffer(32 << 10)
	c.SetWriteBuffer(8 << 10)
}
