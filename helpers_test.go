package parley_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/frame"
	"github.com/parley-net/parley/line"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

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

// memory is a listener whose connections are pipes, so that a bare peer can be
// connected to a server in virtual time.
type memory struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func newMemory() *memory {
	return &memory{conns: make(chan net.Conn), closed: make(chan struct{})}
}

func (l *memory) Accept() (net.Conn, error) {
	select {
	case nc := <-l.conns:
		return nc, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *memory) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *memory) Addr() net.Addr { return &net.UnixAddr{Name: "memory", Net: "unix"} }

// dial returns the peer's end of a new connection.
func (l *memory) dial(t *testing.T) *bare {
	t.Helper()
	ours, theirs := net.Pipe()
	select {
	case l.conns <- theirs:
	case <-l.closed:
		t.Fatal("the listener is closed")
	}
	return newBare(t, ours)
}

// bare is a peer that speaks bytes.
type bare struct {
	net.Conn
	t *testing.T
}

func newBare(t *testing.T, nc net.Conn) *bare {
	t.Cleanup(func() { nc.Close() })
	return &bare{nc, t}
}

// bareDial connects a bare peer to addr.
func bareDial(t *testing.T, addr string) *bare {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	return newBare(t, nc)
}

// barePipe connects d to a bare peer in memory. The peer says hello first,
// while d opens the connection.
func barePipe(t *testing.T, d *parley.Dialer, hello string) (*parley.Conn, *bare) {
	t.Helper()
	ours, theirs := net.Pipe()
	peer := newBare(t, theirs)
	if hello != "" {
		go theirs.Write([]byte(hello))
	}
	c, err := d.NewConn(t.Context(), ours)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c, peer
}

// barePeer connects d to a bare peer over a socket.
func barePeer(t *testing.T, d *parley.Dialer, hello string) (*parley.Conn, *bare) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		if nc, err := l.Accept(); err == nil {
			io.WriteString(nc, hello)
			accepted <- nc
		}
	}()
	c, err := d.Dial(newContext(t), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	nc := <-accepted
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	return c, newBare(t, nc)
}

// say writes s.
func (b *bare) say(s string) {
	b.t.Helper()
	if _, err := io.WriteString(b, s); err != nil {
		b.t.Errorf("writing %.20q: %v", s, err)
	}
}

// hear reads as many bytes as want has, and compares.
func (b *bare) hear(want string) {
	b.t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(b, got); err != nil || string(got) != want {
		b.t.Fatalf("heard %.40q, %v, want %.40q", got[:n], err, want)
	}
}

// hearEnd reads the end of the stream.
func (b *bare) hearEnd() {
	b.t.Helper()
	if rest, err := io.ReadAll(b); err != nil || len(rest) > 0 {
		b.t.Errorf("heard %.40q, %v, want the end", rest, err)
	}
}

// closeWrite ends the peer's sending side.
func (b *bare) closeWrite() {
	b.t.Helper()
	if err := b.Conn.(*net.TCPConn).CloseWrite(); err != nil {
		b.t.Error(err)
	}
}

// reset ends the connection with a reset.
func (b *bare) reset() {
	b.Conn.(*net.TCPConn).SetLinger(0)
	b.Close()
}

// tiny is tinyproto's form of messages: their sizes and themselves.
func tiny(messages ...string) string {
	var b []byte
	for _, m := range messages {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(m))), m...)
	}
	return string(b)
}

// slip is messages between marks.
func slip(messages ...string) string { return "\xC0" + strings.Join(messages, "\xC0\xC0") + "\xC0" }

// tinyHead is the beginning of a tinyproto message of the given size.
func tinyHead(size uint32) string { return string(binary.BigEndian.AppendUint32(nil, size)) }

const tinyHello, tinyOK = "\xff", "\xff"

// serpy2Text is serpy2's form of text messages.
func serpy2Text(payloads ...string) string {
	var b []byte
	for _, p := range payloads {
		sum := uint32(0)
		for i := range len(p) {
			sum += uint32(p[i])
		}
		b = append(b, "\xde\xca\xfe\xca\xfe\x21"...)
		b = binary.LittleEndian.AppendUint32(b, sum)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(p)))
		b = append(b, p...)
	}
	return string(b)
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

// form is how a bare peer speaks a wire.
type form struct {
	protocol parley.Protocol
	hello    string                 // what a client says first
	text     func(...string) string // text messages
}

var forms = []form{
	{oneline.Protocol{}, "ping\n", func(ms ...string) string { return strings.Join(ms, "\n") + "\n" }},
	{tinyproto.Protocol{}, tinyHello, tiny},
	{tinyproto.Protocol{Eager: tinyproto.Never}, tinyHello, tiny},
	{serpy.Protocol{}, "", func(ms ...string) string { return strings.Join(ms, "\x1f") + "\x1f" }},
	{serpy2.Protocol{}, "", serpy2Text},
	{frame.Protocol{Size: frame.U32BE, Strip: frame.Head}, "", tiny}, // which has the same form
	{frame.Protocol{Marks: frame.SLIP}, "", slip},
	{line.Protocol{}, "", func(ms ...string) string { return strings.Join(ms, "\n") + "\n" }},
	{line.Protocol{Blocks: true, Send: line.CRLF}, "", func(ms ...string) string { return strings.Join(ms, "\r\n") + "\r\n" }},
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
