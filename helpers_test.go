package parley_test

// How the tests of this package are written.
//
// A test is about one of three things, and takes its peer accordingly:
//
//   - what a program sees: connect gives a client of a server, over a socket or (pipe)
//     in memory; expect receives one message and compares. each repeats a test for
//     protocols and for both ways; all and symmetric are the usual ones.
//   - what stands on the wire, or who breaks its rules: a bare peer (barepeer_test.go)
//     says and hears bytes. bareDial is a client of a server's address, barePeer and
//     barePipe are servers of a Dialer's, memory.dial is a client in memory. forms has,
//     for each protocol, what a client says first and how text messages look.
//   - when something begins and ends: life is a pair of hooks and channels; conn waits
//     for the next connection, reason for why the next one has ended.
//
// Time. A test of timeouts, pauses or the order of things runs in a bubble: in there
// time.Sleep(time.Hour) takes none, and synctest.Wait returns when everything else
// waits. Inside a bubble nothing may wait for a socket, so its connections are in
// memory (connect with pipe, newMemory, barePipe). Outside of one nothing sleeps:
// next, within and eventually wait for what they are told, and newContext ends what
// should never have to end. All of these give up after patience, which only passes
// when something is wrong, so a slow machine does not fail a test. What may sleep
// outside of a bubble stands in realtime_test.go, with its reason.
//
// Drivers. newServer (drivers_test.go) starts a server on a socket with the driver that
// -eventloops asks for; with 0 it is a goroutine per connection. Pipes always have
// goroutines. A test that is about event loops sets EventLoops itself and stands in
// loop_linux_test.go or rest_linux_test.go.
//
// Ports are chosen by the system: listen on 127.0.0.1:0 and ask for the address. A port
// that should be closed is one that was listened on, not one that is hoped to be free.
//
// What a test starts it ends: the helpers end theirs in t.Cleanup, and TestMain fails
// the run when a goroutine is left half a minute after the last test.
//
// A test of a handler:
//
//	// Verifies: RUNTIME-24
//	func TestEcho(t *testing.T) {
//		each(t, all, func(t *testing.T, p parley.Protocol, pipe bool) {
//			c := connect(t, pipe, &parley.Server{Protocol: p, Handler: parley.HandlerFunc(echo)}, &parley.Dialer{})
//			if err := c.Send(newContext(t), parley.Text("hello")); err != nil {
//				t.Fatal(err)
//			}
//			expect(t, c, "hello")
//		})
//	}

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/frame"
	"github.com/parley-net/parley/line"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/parleytest"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

// patience bounds every wait of a test. It only passes when something is wrong, so it is
// longer than a busy machine ever takes.
const patience = time.Minute

// symmetric are the wires on which either side may send at any time.
var symmetric = []parley.Protocol{tinyproto.Protocol{}, tinyproto.Protocol{Eager: tinyproto.Never}, serpy.Protocol{}, serpy.Protocol{Mode: 1}, serpy2.Protocol{}}

// all are the originals' wires.
var all = append([]parley.Protocol{oneline.Protocol{}}, symmetric...)

// echo and discard are handlers.
func echo(ctx context.Context, c *parley.Conn, m parley.Message) error { return c.Send(ctx, m) }

func discard(context.Context, *parley.Conn, parley.Message) error { return nil }

// newContext returns a context for what should not take long.
func newContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// connect starts srv on a socket or in memory and connects to it.
func connect(t *testing.T, pipe bool, srv *parley.Server, d *parley.Dialer) *parley.Conn {
	t.Helper()
	d.Protocol = srv.Protocol
	if pipe {
		c, _ := parleytest.Pipe(t, srv, d)
		return c
	}
	c, err := d.Dial(newContext(t), newServer(t, srv))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

// each runs f for each protocol over a socket and in memory.
func each(t *testing.T, protocols []parley.Protocol, f func(t *testing.T, p parley.Protocol, pipe bool)) {
	for _, p := range protocols {
		for _, pipe := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/pipe=%v", label(p), pipe), func(t *testing.T) { f(t, p, pipe) })
		}
	}
}

func expect(t *testing.T, c *parley.Conn, want string) {
	t.Helper()
	if m, err := c.Receive(newContext(t)); err != nil || m.Text() != want {
		t.Fatalf("got %v, %v, want %.40q", m, err, want)
	}
}

// serve runs srv on ls until the test ends.
func serve(t *testing.T, srv *parley.Server, ls ...net.Listener) {
	t.Helper()
	if len(ls) == 0 && srv.EventLoops == 0 { // else they may be pipes
		srv.EventLoops = *eventLoops
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(ls...) }()
	t.Cleanup(func() {
		srv.Close()
		if err := <-ended; err != parley.ErrServerClosed {
			t.Errorf("Serve returned %v, want ErrServerClosed", err)
		}
	})
}

// bubble runs f as a subtest in virtual time.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// life notes the beginning and the end of connections.
type life struct {
	opened chan *parley.Conn
	ended  chan error
}

func newLife() life { return life{make(chan *parley.Conn, 1000), make(chan error, 1000)} }

func (l life) hooks() parley.Hooks {
	return parley.Hooks{
		OnOpen:  func(_ context.Context, c *parley.Conn) error { l.opened <- c; return nil },
		OnClose: func(_ *parley.Conn, err error) { l.ended <- err },
	}
}

// conn returns the next connection that has opened.
func (l life) conn(t *testing.T) *parley.Conn { return next(t, l.opened, "no connection was opened") }

// reason returns why the next connection has ended.
func (l life) reason(t *testing.T) error { return next(t, l.ended, "no connection has ended") }

// next receives from ch.
func next[T any](t *testing.T, ch <-chan T, otherwise string) T {
	t.Helper()
	select {
	case v := <-ch:
		return v
	case <-newContext(t).Done():
		t.Fatal(otherwise)
		panic("unreachable")
	}
}

// wantTimeout checks that err is a timeout whose text has the given words, and
// that it came within ten percent of its limit.
func wantTimeout(t *testing.T, err error, words string, took, limit time.Duration) {
	t.Helper()
	if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), words) {
		t.Errorf("got %v, want a timeout with %q", err, words)
	}
	if took < limit || took > limit+limit/10 {
		t.Errorf("it took %v, the limit is %v", took, limit)
	}
}

// within fails the test when f has not returned after a while.
func within(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-newContext(t).Done():
		t.Fatalf("%s did not return", what)
	}
}

// label names a protocol with what is particular to it.
func label(p parley.Protocol) string {
	switch p := p.(type) {
	case tinyproto.Protocol:
		if p.Eager == tinyproto.Never {
			return "tinyproto-never"
		}
	case serpy.Protocol:
		return fmt.Sprintf("serpy-%d", p.Mode)
	case frame.Protocol:
		return fmt.Sprintf("frame-%v%v", p.Size, p.Marks)
	case line.Protocol:
		if p.Send == line.CRLF {
			return "line-crlf"
		}
	}
	return p.Name()
}

// certificate returns a certificate for localhost and those who trust it. It
// is its own authority and good for servers and clients.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(time.Hour),
		DNSNames:              []string{"localhost"},
		IPAddresses:           []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		IsCA:                  true,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}, roots
}

// eventually waits until ok.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, tick := newContext(t), time.NewTicker(2*time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// wantText checks a message.
func wantText(t *testing.T, m parley.Message, err error, want string) {
	t.Helper()
	if err != nil || m.Text() != want {
		t.Fatalf("got %v, %v, want %q", m, err, want)
	}
}
