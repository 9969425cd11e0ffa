// Package parleytest helps programs test what they build with parley, as
// net/http/httptest does for HTTP.
package parleytest

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"

	"github.com/parley-net/parley"
)

// NewServer starts srv on a free loopback port and returns its address. The
// server is closed when the test ends.
func NewServer(tb testing.TB, srv *parley.Server) (addr string) {
	tb.Helper()
	if err := srv.Listen("127.0.0.1:0"); err != nil {
		tb.Fatal(err)
	}
	serve(tb, srv)
	return srv.Addrs()[0].String()
}

// Pipe starts srv in memory, connects dialer to it and returns the dialling
// end; Server.Conns or Server.Accept has the other. A nil dialer is one with
// the server's protocol. There is no socket and no
// real time in it, so it works inside a testing/synctest bubble. Both ends are
// closed when the test ends.
func Pipe(tb testing.TB, srv *parley.Server, dialer *parley.Dialer) *parley.Conn {
	tb.Helper()
	if dialer == nil {
		dialer = &parley.Dialer{Protocol: srv.Protocol}
	}
	l := newListener()
	serve(tb, srv, l)
	nc, err := l.dial()
	if err != nil {
		tb.Fatal("the server does not serve: ", err)
	}
	c, err := dialer.NewConn(context.Background(), nc)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { c.CloseNow() })
	return c
}

// serve runs srv until the test ends and waits for its end.
func serve(tb testing.TB, srv *parley.Server, ls ...net.Listener) {
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(ls...) }()
	tb.Cleanup(func() {
		srv.Close()
		if err := <-ended; !errors.Is(err, parley.ErrServerClosed) {
			tb.Errorf("Serve returned %v, want ErrServerClosed", err)
		}
	})
}

// listener accepts in-memory connections.
type listener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newListener() *listener {
	return &listener{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *listener) dial() (net.Conn, error) {
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
		return ours, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case nc := <-l.conns:
		return nc, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return pipeAddr{} }

type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "pipe" }
