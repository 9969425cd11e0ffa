package transfer

import (
	"context"
	"hash"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/parley-net/parley"
)

// hashing is the work that a short request can ask for: to hash the beginning of
// a large file. A server does it for as many clients at a time as there are
// processors, for one of each IP address, and not twice for a file that has not
// changed.
type hashing struct {
	mu      sync.Mutex
	running int
	busy    map[netip.Addr]bool // addresses that have their turn
	queue   []*turn             // the longest wait first
	known   hashCache
}

// turn is one who waits.
type turn struct {
	addr  netip.Addr
	ready chan struct{}
}

// addrOf returns the address of a client, which is not valid where it has none
// (Unix sockets): these have no bound of their own.
func addrOf(c *parley.Conn) netip.Addr {
	a, _ := c.RemoteAddr().(*net.TCPAddr)
	if a == nil {
		return netip.Addr{}
	}
	return a.AddrPort().Addr().Unmap()
}

// enter waits for a turn, which leave gives back.
func (h *hashing) enter(ctx context.Context, addr netip.Addr) error {
	t := &turn{addr: addr, ready: make(chan struct{})}
	h.mu.Lock()
	h.queue = append(h.queue, t)
	h.next()
	h.mu.Unlock()
	select {
	case <-t.ready:
		return nil
	case <-ctx.Done():
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-t.ready: // just now
		h.done(addr)
	default:
		h.queue = slices.DeleteFunc(h.queue, func(other *turn) bool { return other == t })
	}
	return context.Cause(ctx)
}

func (h *hashing) leave(addr netip.Addr) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.done(addr)
}

// done and next are called with the lock held.
func (h *hashing) done(addr netip.Addr) {
	h.running--
	delete(h.busy, addr)
	h.next()
}

// next gives turns to those who may have them, in their order.
func (h *hashing) next() {
	h.queue = slices.DeleteFunc(h.queue, func(t *turn) bool {
		if h.running >= runtime.GOMAXPROCS(0) || h.busy[t.addr] {
			return false
		}
		if t.addr.IsValid() {
			if h.busy == nil {
				h.busy = make(map[netip.Addr]bool)
			}
			h.busy[t.addr] = true
		}
		h.running++
		close(t.ready)
		return true
	})
}

// prefix returns the hash of the first n bytes of f, open for more. name is what
// the file is called in the served folder. It ends early when the client has
// gone; what the client says meanwhile is early, and must be closed.
func (h *hashing) prefix(ctx context.Context, c *parley.Conn, name string, f *os.File, n int64) (sum hash.Hash, early *parley.Stream, err error) {
	began := time.Now()
	info, err := f.Stat()
	if err != nil {
		return nil, nil, err
	}
	if sum, at := h.find(name, info, n); at == n {
		return sum, nil, nil
	}
	early, err = whileListening(ctx, c, func(ctx context.Context) error {
		addr := addrOf(c)
		if err := h.enter(ctx, addr); err != nil {
			return err
		}
		defer h.leave(addr)
		var at int64
		sum, at = h.find(name, info, n) // somebody else may have done it meanwhile
		marks, err := hashOn(ctx, f, sum, at, n, hashStep(info.Size()))
		if err != nil || len(marks) == 0 {
			return err
		}
		if now, err := f.Stat(); err == nil && sameContent(now, info) && settled(info, began) {
			h.keep(name, info, marks)
		}
		return nil
	})
	return sum, early, err
}

func (h *hashing) find(name string, info fs.FileInfo, n int64) (hash.Hash, int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.known.find(name, info, n)
}

func (h *hashing) keep(name string, info fs.FileInfo, marks []mark) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.known.keep(name, info, marks)
}

// whileListening runs work, and reads meanwhile: so the end of the connection is
// seen, and ends work's context. A message that comes is returned; after it the
// connection is not read until work has ended.
func whileListening(ctx context.Context, c *parley.Conn, work func(ctx context.Context) error) (*parley.Stream, error) {
	ctx, gone := context.WithCancelCause(ctx)
	defer gone(nil)
	listening, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() {
		done <- work(ctx)
		stop()
	}()
	early, err := c.ReceiveStream(listening)
	if err != nil && listening.Err() == nil {
		gone(err)
	}
	return early, <-done
}
