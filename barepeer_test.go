package parley_test

// Bare peers, which speak bytes: what a test wants to see or break on the wire itself.

import (
	"encoding/binary"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/frame"
	"github.com/parley-net/parley/line"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

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
	nc.SetDeadline(time.Now().Add(patience))
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
	nc.SetDeadline(time.Now().Add(patience))
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
