package parley

import (
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// loopConn is a socket whose readiness an event loop reports. It is a net.Conn
// and its own RawConn, so whoever needs a blocking read or write uses it as any
// other connection: a promoted reader, the writing goroutine, a Stream.
type loopConn struct {
	conn   *Conn // told when bytes may have arrived
	loop   *loop
	waits  atomic.Pointer[loopWaits]
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

// loopWaits is what blocking calls need. It exists only once there was one.
type loopWaits struct {
	mu     sync.Mutex
	closed bool
	gates  [2]gate
}

const (
	gateRead = iota
	gateWrite
)

// gate is where one direction's caller waits.
type gate struct {
	ready    bool          // there was an event since it was asked last
	wake     chan struct{} // of capacity 1, once somebody has waited
	deadline time.Time
	timer    *time.Timer
}

// adopt takes nc's socket away from Go's poller, or returns nil if it has none.
func adopt(nc net.Conn) *loopConn {
	if lc, ok := nc.(*loopConn); ok {
		return lc
	}
	raw := rawConn(nc)
	if raw == nil {
		return nil
	}
	lc := &loopConn{fd: -1}
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		lc.ip, lc.port = a.AddrPort().Addr(), uint16(a.Port)
	}
	raw.Control(func(fd uintptr) {
		if n, err := unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0); err == nil {
			lc.fd = int32(n)
		}
	})
	if lc.fd < 0 {
		return nil
	}
	nc.Close()
	return lc
}

// enter keeps the descriptor open until leave.
func (lc *loopConn) enter() bool {
	for {
		n := lc.users.Load()
		if n < 0 {
			return false
		}
		if lc.users.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

func (lc *loopConn) leave() {
	if lc.users.Add(-1) == -closing {
		syscall.Close(int(lc.fd))
	}
}

// Close closes the socket; blocked calls return net.ErrClosed.
func (lc *loopConn) Close() error {
	if !lc.enter() {
		return net.ErrClosed
	}
	w := lc.waiting()
	w.mu.Lock()
	was := w.closed
	w.closed = true
	for i := range w.gates {
		w.gates[i].open()
	}
	w.mu.Unlock()
	if !was {
		if lc.loop != nil {
			lc.loop.remove(lc)
		}
		lc.users.Add(-closing)
	}
	lc.leave()
	return nil
}

// waiting returns the state of blocking calls, making it if necessary.
func (lc *loopConn) waiting() *loopWaits {
	if w := lc.waits.Load(); w != nil {
		return w
	}
	lc.waits.CompareAndSwap(nil, new(loopWaits))
	return lc.waits.Load()
}

// event tells blocked callers what epoll has reported.
func (lc *loopConn) event(events uint32) {
	const broken = unix.EPOLLERR | unix.EPOLLHUP
	if events&(unix.EPOLLRDHUP|broken) != 0 {
		lc.over.Store(true)
	}
	w := lc.waits.Load()
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

func (g *gate) open() {
	g.ready = true
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// block calls try until it reports that it has not been told to wait.
func (lc *loopConn) block(dir int, try func(fd uintptr) bool) error {
	w := lc.waiting()
	for {
		w.mu.Lock()
		g := &w.gates[dir]
		err := w.ended(g)
		g.ready = false // before trying, so that no event is lost
		w.mu.Unlock()
		if err != nil {
			return err
		}
		if !lc.enter() {
			return net.ErrClosed
		}
		done := try(uintptr(lc.fd))
		lc.leave()
		if done {
			return nil
		}
		if err := w.await(g); err != nil {
			return err
		}
	}
}

func (w *loopWaits) ended(g *gate) error {
	switch {
	case w.closed:
		return net.ErrClosed
	case !g.deadline.IsZero() && !time.Now().Before(g.deadline):
		return os.ErrDeadlineExceeded
	}
	return nil
}

// await waits until g has been ready since it was last asked.
func (w *loopWaits) await(g *gate) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if g.wake == nil {
		g.wake = make(chan struct{}, 1)
	}
	for !g.ready {
		if err := w.ended(g); err != nil {
			return err
		}
		w.mu.Unlock()
		<-g.wake
		w.mu.Lock()
	}
	return w.ended(g)
}

func (lc *loopConn) setDeadline(dir int, t time.Time) {
	w := lc.waits.Load()
	if w == nil && t.IsZero() {
		return
	}
	w = lc.waiting()
	w.mu.Lock()
	defer w.mu.Unlock()
	g := &w.gates[dir]
	g.deadline = t
	if g.timer != nil {
		g.timer.Stop()
		g.timer = nil
	}
	if !t.IsZero() {
		g.timer = time.AfterFunc(time.Until(t), func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			g.open()
		})
	}
}

func (lc *loopConn) SetReadDeadline(t time.Time) error  { lc.setDeadline(gateRead, t); return nil }
func (lc *loopConn) SetWriteDeadline(t time.Time) error { lc.setDeadline(gateWrite, t); return nil }

func (lc *loopConn) SetDeadline(t time.Time) error {
	lc.setDeadline(gateRead, t)
	lc.setDeadline(gateWrite, t)
	return nil
}

// loopRaw is a loopConn as a syscall.RawConn.
type loopRaw struct{ lc *loopConn }

func (r loopRaw) Control(f func(fd uintptr)) error {
	if !r.lc.enter() {
		return net.ErrClosed
	}
	defer r.lc.leave()
	f(uintptr(r.lc.fd))
	return nil
}

func (r loopRaw) Read(f func(fd uintptr) bool) error  { return r.lc.block(gateRead, f) }
func (r loopRaw) Write(f func(fd uintptr) bool) error { return r.lc.block(gateWrite, f) }

// SyscallConn lets the runtime wait for readability without a buffer.
func (lc *loopConn) SyscallConn() (syscall.RawConn, error) { return loopRaw{lc}, nil }

// Read waits until bytes have arrived.
func (lc *loopConn) Read(p []byte) (n int, err error) {
	if len(p) == 0 {
		return 0, nil
	}
	ended := lc.block(gateRead, func(fd uintptr) bool {
		var again bool
		n, again, err = readFD(fd, p)
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

// tryRead reads without waiting; again says that there is nothing yet.
func (lc *loopConn) tryRead(p []byte) (n int, again bool, err error) {
	if !lc.enter() {
		return 0, false, net.ErrClosed
	}
	n, again, err = readFD(uintptr(lc.fd), p)
	lc.leave()
	if n == 0 && !again && err == nil {
		err = io.EOF
	}
	return n, again, err
}

// tryWrite writes what the kernel takes without waiting.
func (lc *loopConn) tryWrite(p []byte) (n int, err error) {
	if !lc.enter() {
		return 0, net.ErrClosed
	}
	n, err = writeFD(uintptr(lc.fd), p)
	lc.leave()
	return n, err
}

// Write waits until the kernel has taken all of p.
func (lc *loopConn) Write(p []byte) (n int, err error) {
	ended := lc.block(gateWrite, func(fd uintptr) bool {
		var m int
		m, err = writeFD(fd, p[n:])
		n += m
		return err != nil || n == len(p)
	})
	if ended != nil {
		return n, ended
	}
	return n, err
}

// CloseWrite ends our direction.
func (lc *loopConn) CloseWrite() (err error) {
	ended := loopRaw{lc}.Control(func(fd uintptr) { err = os.NewSyscallError("shutdown", unix.Shutdown(int(fd), unix.SHUT_WR)) })
	if ended != nil {
		return ended
	}
	return err
}

// RemoteAddr returns the peer's address.
func (lc *loopConn) RemoteAddr() net.Addr {
	if !lc.ip.IsValid() {
		return &net.UnixAddr{Net: "unix"}
	}
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(lc.ip, lc.port))
}

// LocalAddr returns this end's address, while the socket is open.
func (lc *loopConn) LocalAddr() net.Addr {
	var sa unix.Sockaddr
	loopRaw{lc}.Control(func(fd uintptr) { sa, _ = unix.Getsockname(int(fd)) })
	switch a := sa.(type) {
	case *unix.SockaddrInet4:
		return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)))
	case *unix.SockaddrInet6:
		return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom16(a.Addr), uint16(a.Port)))
	case *unix.SockaddrUnix:
		return &net.UnixAddr{Net: "unix", Name: a.Name}
	}
	if !lc.ip.IsValid() {
		return &net.UnixAddr{Net: "unix"}
	}
	return &net.TCPAddr{}
}
