package parleytest

import (
	"context"
	"fmt"
	"net"
	"sync"
	"syscall"
	"testing"

	"github.com/parley-net/parley"
)

// backlog is how many connections wait for Accept.
const backlog = 128

// Network is a network in memory, for several clients, several servers, and servers
// that go and come back. Its addresses are names with a port, "device:5001". There is
// no socket and no real time in it: make it inside the testing/synctest bubble in
// which it is used. All methods may be called concurrently.
type Network struct {
	tb    testing.TB
	mu    sync.Mutex
	at    map[string]*listener
	conns map[*end]struct{}
	count int
}

// NewNetwork returns a network without anybody. All connections of it are cut when
// the test ends.
func NewNetwork(tb testing.TB) *Network {
	n := &Network{tb: tb, at: make(map[string]*listener), conns: make(map[*end]struct{})}
	tb.Cleanup(n.Cut)
	return n
}

// Serve starts srv at addr, as long as the test runs or until srv is closed. Then the
// next server may have the address.
func (n *Network) Serve(srv *parley.Server, addr string) {
	n.tb.Helper()
	l, err := n.Listen(addr)
	if err != nil {
		n.tb.Fatal(err)
	}
	serve(n.tb, srv, l)
}

// Listen returns a listener at addr, for Server.Serve. It fails if there is one.
func (n *Network) Listen(addr string) (net.Listener, error) {
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.at[addr] != nil {
		return nil, &net.OpError{Op: "listen", Net: "memory", Addr: address(addr), Err: syscall.EADDRINUSE}
	}
	l := newListener(address(addr), func() {
		n.mu.Lock()
		defer n.mu.Unlock()
		delete(n.at, addr)
	})
	n.at[addr] = l
	return l, nil
}

// Dial connects to who listens at addr; it is made for Dialer.NetDial. If nobody does,
// the connection is refused, as on any network.
func (n *Network) Dial(ctx context.Context, _, addr string) (net.Conn, error) {
	n.mu.Lock()
	l := n.at[addr]
	n.count++
	ours, theirs := n.join(address(fmt.Sprint("client:", n.count)), address(addr))
	n.mu.Unlock()
	err := error(syscall.ECONNREFUSED)
	if l != nil {
		if err = l.give(ctx, theirs); err == nil {
			return ours, nil
		}
	}
	ours.Close()
	theirs.Close()
	return nil, &net.OpError{Op: "dial", Net: "memory", Addr: address(addr), Err: err}
}

// Dialer returns a Dialer for p whose connections go through the network.
func (n *Network) Dialer(p parley.Protocol) *parley.Dialer {
	return &parley.Dialer{Protocol: p, NetDial: n.Dial}
}

// Cut cuts all connections, as if a cable had been pulled out at both ends. Who listens
// goes on.
func (n *Network) Cut() {
	n.mu.Lock()
	all := n.conns
	n.conns = make(map[*end]struct{})
	n.mu.Unlock()
	for e := range all {
		e.Conn.Close()
	}
}

// join returns the two ends of a connection. It is called with the lock held.
func (n *Network) join(from, to address) (ours, theirs *end) {
	a, b := net.Pipe()
	ours, theirs = &end{a, n, from, to}, &end{b, n, to, from}
	n.conns[ours], n.conns[theirs] = struct{}{}, struct{}{}
	return ours, theirs
}

// end is one of a connection.
type end struct {
	net.Conn
	n             *Network
	local, remote address
}

// LocalAddr returns the name of this end.
func (e *end) LocalAddr() net.Addr { return e.local }

// RemoteAddr returns the name of the other end.
func (e *end) RemoteAddr() net.Addr { return e.remote }

// Close closes the connection.
func (e *end) Close() error {
	e.n.mu.Lock()
	delete(e.n.conns, e)
	e.n.mu.Unlock()
	return e.Conn.Close()
}

// listener accepts connections in memory.
type listener struct {
	addr   address
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
	gone   func() // called once; may be nil
}

func newListener(addr address, gone func()) *listener {
	return &listener{addr: addr, conns: make(chan net.Conn, backlog), closed: make(chan struct{}), gone: gone}
}

// give puts nc where Accept finds it.
func (l *listener) give(ctx context.Context, nc net.Conn) error {
	if l.ended() {
		return syscall.ECONNREFUSED
	}
	select {
	case l.conns <- nc:
		if l.ended() { // meanwhile
			l.drop()
		}
		return nil
	case <-l.closed:
		return syscall.ECONNREFUSED
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (l *listener) ended() bool {
	select {
	case <-l.closed:
		return true
	default:
		return false
	}
}

// drop closes what nobody has accepted, as a system does.
func (l *listener) drop() {
	for {
		select {
		case nc := <-l.conns:
			nc.Close()
		default:
			return
		}
	}
}

// Accept returns the next connection.
func (l *listener) Accept() (net.Conn, error) {
	if l.ended() {
		return nil, net.ErrClosed
	}
	select {
	case nc := <-l.conns:
		return nc, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (l *listener) Close() error {
	l.once.Do(func() {
		if l.gone != nil {
			l.gone()
		}
		close(l.closed)
		l.drop()
	})
	return nil
}

// Addr returns the listener's name.
func (l *listener) Addr() net.Addr { return l.addr }

// address is a name on a network in memory.
type address string

// Network returns "memory".
func (address) Network() string { return "memory" }

// String returns the name.
func (a address) String() string { return string(a) }
