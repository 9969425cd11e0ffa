package parley

import (
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/parley-net/parley/internal/session"

	"github.com/parley-net/parley/internal/poller"
)

// transport reads and writes one connection's bytes. On a bare socket of a
// Unix system it waits for readability without holding a buffer and can try a
// write without blocking; on anything else (TLS, a pipe, another system) it
// uses ordinary reads and writes.
type transport struct {
	nc  net.Conn
	raw syscall.RawConn // nil: ordinary reads and writes

	// Arguments and results of the two callbacks, which are made once so that
	// a turn allocates nothing.
	readable func(fd uintptr) bool
	in       *session.Input
	direct   []byte
	n        int
	err      error

	writable func(fd uintptr)
	out      []byte
	wn       int
	werr     error
}

func newTransport(nc net.Conn) *transport {
	t := &transport{nc: nc, raw: poller.Raw(nc)}
	if t.raw != nil {
		t.readable = t.readReady
		t.writable = t.writeReady
	}
	return t
}

// read waits for bytes and reads once: into direct if it is not nil, else
// into in's free space. It returns how many bytes came, or an error.
func (t *transport) read(in *session.Input, direct []byte) (int, error) {
	if t.raw == nil {
		p := direct
		if p == nil {
			p = in.Space()
		}
		n, err := plainRead(t.nc, p)
		if direct == nil {
			in.Added(n)
		}
		if n > 0 {
			err = nil // TLS may bring both; the next read returns it again
		}
		return n, err
	}
	t.in, t.direct = in, direct
	err := t.raw.Read(t.readable)
	t.in, t.direct = nil, nil
	if err != nil {
		return 0, err
	}
	if t.n == 0 && t.err == nil {
		return 0, io.EOF
	}
	return t.n, t.err
}

// readReady tries to read; false means wait until there is something.
func (t *transport) readReady(fd uintptr) bool {
	p := t.direct
	if p == nil {
		p = t.in.Space()
	}
	var again bool
	t.n, again, t.err = poller.Read(fd, p)
	if again {
		t.in.Shrink()
		return false
	}
	if t.direct == nil {
		t.in.Added(t.n)
	}
	return true
}

// try writes what the kernel takes of p without blocking. Without a raw
// connection it takes nothing.
func (t *transport) try(p []byte) (int, error) {
	if t.raw == nil {
		return 0, nil
	}
	t.out = p
	err := t.raw.Control(t.writable)
	t.out = nil
	if err != nil {
		return 0, err
	}
	return t.wn, t.werr
}

func (t *transport) writeReady(fd uintptr) { t.wn, t.werr = poller.Write(fd, t.out) }

// A connection that the program has made (Dialer.NetDial, ServeConn, a listener of its own)
// is the program's code: it may panic, or tell of more bytes than there were. Either costs
// the connection.

// plainRead is nc.Read.
func plainRead(nc net.Conn, p []byte) (n int, err error) {
	defer foreign(&n, &err)
	if n, err = nc.Read(p); n < 0 || n > len(p) {
		return 0, fmt.Errorf("parley: a %T has read %d bytes into %d", nc, n, len(p))
	}
	return n, err
}

// plainWrite is nc.Write, by a deadline if wait is above zero.
func plainWrite(nc net.Conn, p []byte, wait time.Duration) (n int, err error) {
	defer foreign(&n, &err)
	if wait > 0 {
		nc.SetWriteDeadline(time.Now().Add(wait))
	}
	if n, err = nc.Write(p); n < 0 || n > len(p) {
		return 0, fmt.Errorf("parley: a %T has written %d of %d bytes", nc, n, len(p))
	}
	return n, err
}

// plainClose is nc.Close.
func plainClose(nc net.Conn) (err error) {
	var none int
	defer foreign(&none, &err)
	return nc.Close()
}

// foreign makes an error of the panic of a method of net.Conn. It is deferred.
func foreign(n *int, err *error) {
	if r := recover(); r != nil {
		*n, *err = 0, fmt.Errorf("parley: panic in the network connection: %v", r)
	}
}
