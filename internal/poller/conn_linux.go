package poller

import (
	"io"
	"net"
	"net/netip"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Conn is a socket whose readiness a Loop reports to its owner. It is a net.Conn
// and a syscall.Conn, so whoever needs a blocking read or write uses it as any
// other connection.
//
// O is the owner's type, and not an interface, as that would make every socket
// that waits a size class larger.
type Conn[O any] struct {
	owner  O
	loop   *Loop[O]
	waits  atomic.Pointer[blocked]
	ip     netip.Addr // of the peer; none: a Unix socket
	port   uint16
	queued bool // it is in the loop's todo; its lock guards this
	fd     int32
	users  atomic.Int32 // who uses fd now; below zero: closed
	over   atomic.Bool  // the peer has ended its stream, or the connection is broken
}

// closing is subtracted from users when the socket is closed; the last user
// closes the descriptor.
const closing = 1 << 30

// Adopt takes nc's socket away from Go's poller, as it would be reported twice. It
// returns nil, and leaves nc alone, if that has none. A Conn is returned as it is.
func Adopt[O any](nc net.Conn) *Conn[O] {
	if c, ok := nc.(*Conn[O]); ok {
		return c
	}
	raw := Raw(nc)
	if raw == nil {
		return nil
	}
	c := &Conn[O]{fd: -1}
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		c.ip, c.port = a.AddrPort().Addr(), uint16(a.Port)
	}
	raw.Control(func(fd uintptr) {
		if n, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0); err == nil {
			c.fd = int32(n)
		}
	})
	if c.fd < 0 {
		return nil
	}
	nc.Close()
	return c
}

// enter keeps the descriptor open until leave.
func (c *Conn[O]) enter() bool {
	for {
		n := c.users.Load()
		if n < 0 {
			return false
		}
		if c.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (c *Conn[O]) leave() {
	if c.users.Add(-1) == -closing {
		syscall.Close(int(c.fd))
	}
}

// Close closes the socket; blocked calls return net.ErrClosed.
func (c *Conn[O]) Close() error {
	if !c.enter() {
		return net.ErrClosed
	}
	w := c.waiting()
	w.mu.Lock()
	was := w.closed
	w.closed = true
	for i := range w.gates {
		w.gates[i].open()
	}
	w.mu.Unlock()
	if !was {
		if c.loop != nil {
			c.loop.remove(c)
		}
		c.users.Add(-closing)
	}
	c.leave()
	return nil
}

// waiting returns the state of blocking calls, making it if necessary.
func (c *Conn[O]) waiting() *blocked {
	if w := c.waits.Load(); w != nil {
		return w
	}
	c.waits.CompareAndSwap(nil, new(blocked))
	return c.waits.Load()
}

// event tells blocked callers what epoll has reported.
func (c *Conn[O]) event(events uint32) {
	const broken = unix.EPOLLERR | unix.EPOLLHUP
	if events&(unix.EPOLLRDHUP|broken) != 0 {
		c.over.Store(true)
	}
	w := c.waits.Load()
	if w == nil {
		return // nobody has ever waited; who begins to will try first
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if events&(unix.EPOLLIN|unix.EPOLLRDHUP|broken) != 0 {
		w.gates[gateRead].open()
	}
	if events&(unix.EPOLLOUT|broken) != 0 {
		w.gates[gateWrite].open()
	}
}

func (c *Conn[O]) SetReadDeadline(t time.Time) error  { c.setDeadline(gateRead, t); return nil }
func (c *Conn[O]) SetWriteDeadline(t time.Time) error { c.setDeadline(gateWrite, t); return nil }

func (c *Conn[O]) SetDeadline(t time.Time) error {
	c.setDeadline(gateRead, t)
	c.setDeadline(gateWrite, t)
	return nil
}

// rawConn is a Conn as a syscall.RawConn.
type rawConn[O any] struct{ c *Conn[O] }

func (r rawConn[O]) Control(f func(fd uintptr)) error {
	if !r.c.enter() {
		return net.ErrClosed
	}
	defer r.c.leave()
	f(uintptr(r.c.fd))
	return nil
}

func (r rawConn[O]) Read(f func(fd uintptr) bool) error  { return r.c.block(gateRead, f) }
func (r rawConn[O]) Write(f func(fd uintptr) bool) error { return r.c.block(gateWrite, f) }

// SyscallConn lets the runtime wait for readability without a buffer.
func (c *Conn[O]) SyscallConn() (syscall.RawConn, error) { return rawConn[O]{c}, nil }

// Read waits until bytes have arrived.
func (c *Conn[O]) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	ended := c.block(gateRead, func(fd uintptr) bool {
		var again bool
		n, again, err = Read(fd, p)
		return !again
	})
	switch {
	case ended != nil:
		return 0, ended
	case n == 0 && err == nil:
		return 0, io.EOF
	}
	return n, err
}

// TryRead reads without waiting; again says that there is nothing yet.
func (c *Conn[O]) TryRead(p []byte) (n int, again bool, err error) {
	if !c.enter() {
		return 0, false, net.ErrClosed
	}
	n, again, err = Read(uintptr(c.fd), p)
	c.leave()
	if n == 0 && !again && err == nil {
		err = io.EOF
	}
	return n, again, err
}

// TryWrite writes what the kernel takes without waiting.
func (c *Conn[O]) TryWrite(p []byte) (n int, err error) {
	if !c.enter() {
		return 0, net.ErrClosed
	}
	n, err = Write(uintptr(c.fd), p)
	c.leave()
	return n, err
}

// Write waits until the kernel has taken all of p.
func (c *Conn[O]) Write(p []byte) (n int, err error) {
	ended := c.block(gateWrite, func(fd uintptr) bool {
		var m int
		m, err = Write(fd, p[n:])
		n += m
		return err != nil || n == len(p)
	})
	if ended != nil {
		return n, ended
	}
	return n, err
}

// CloseWrite ends our direction.
func (c *Conn[O]) CloseWrite() (err error) {
	ended := rawConn[O]{c}.Control(func(fd uintptr) { err = os.NewSyscallError("shutdown", unix.Shutdown(int(fd), unix.SHUT_WR)) })
	if ended != nil {
		return ended
	}
	return err
}

// RemoteAddr returns the peer's address.
func (c *Conn[O]) RemoteAddr() net.Addr {
	if !c.ip.IsValid() {
		return &net.UnixAddr{Net: "unix"}
	}
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(c.ip, c.port))
}

// LocalAddr returns this end's address, while the socket is open.
func (c *Conn[O]) LocalAddr() net.Addr {
	var sa unix.Sockaddr
	rawConn[O]{c}.Control(func(fd uintptr) { sa, _ = unix.Getsockname(int(fd)) })
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)))
	case *unix.SockaddrInet6:
		return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port)))
	case *unix.SockaddrUnix:
		return &net.UnixAddr{Net: "unix", Name: a.Name}
	}
	if !c.ip.IsValid() {
		return &net.UnixAddr{Net: "unix"}
	}
	return &net.TCPAddr{}
}

// Host returns the peer's IP address, which is not valid on a Unix socket.
func (c *Conn[O]) Host() netip.Addr { return c.ip.Unmap() }

// Ended reports whether epoll has told that the peer has ended its stream, or that
// the connection is broken: this stands behind the last byte and is not told again.
func (c *Conn[O]) Ended() bool { return c.over.Load() }

// Plain gives the socket, which no loop serves yet, to package net. It returns nil
// if that fails.
func (c *Conn[O]) Plain() net.Conn {
	f := os.NewFile(uintptr(c.fd), "socket")
	defer f.Close()
	nc, err := net.FileConn(f)
	if err != nil {
		return nil
	}
	return nc
}

// polled tells Raw that c is one of ours.
func (c *Conn[O]) polled() {}
