// Package parleytest helps programs test what they build with parley, as
// net/http/httptest does for HTTP: [Pipe] joins a server and one client in memory, a
// [Network] a server and many, or a [parley.Client] that comes back, and [NewServer]
// is for tests that need a socket. In memory nothing takes real time, so tests may run
// in a bubble of testing/synctest, where a timeout of an hour is over at once.
//
// A handler that keeps what it has only borrowed is found by
// [parley.Server].OverwriteBorrowed.
package parleytest

import (
	"context"
	"errors"
	"net"
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

// Pipe starts srv in memory, connects dialer to it and returns both ends when both are
// open: the handshake is done and either OnOpen has agreed. A nil dialer is one with
// the server's protocol. On a server with Pull the server's end also waits for Accept.
// There is no socket and no real time in it, so it works inside a testing/synctest
// bubble. Both ends are closed when the test ends. It may be called again for the same
// server, as long as that serves another client. Where an OnOpen waits for what the
// other end's program says first, or TLS is to be tested, use a Network.
func Pipe(tb testing.TB, srv *parley.Server, dialer *parley.Dialer) (client, server *parley.Conn) {
	tb.Helper()
	if dialer == nil {
		dialer = &parley.Dialer{Protocol: srv.Protocol}
	}
	serve(tb, srv, newListener(address("pipe"), nil))
	ours, theirs := net.Pipe()
	accepted := make(chan error, 1)
	ctx := context.Background()
	go func() {
		var err error
		server, err = srv.NewConn(ctx, theirs)
		accepted <- err
	}()
	client, err := dialer.NewConn(ctx, ours)
	if refused := <-accepted; refused != nil && err == nil || errors.Is(refused, parley.ErrServerClosed) {
		err = refused
	}
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { client.CloseNow() })
	return client, server
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
