package parley

import (
	"context"
	"math"
	"net"
	"sync"
	"time"

	"github.com/parley-net/parley/internal/session"

	"github.com/parley-net/parley/wire"
)

// A wire that serves so many clients at a time (Traits.Clients) has a queue: who is
// not served yet is not heard either, and can only wait. To leave that queue by
// closing harms the server, which finds our first words later, answers them and
// meets a reset: an original oneline server ends of it, and spins for ever when our
// stream just ends. So whoever leaves says the farewell at once, and keeps the
// connection until the server has come to it.

const (
	// queueStay is how long a connection that has left the queue waits for the
	// server, unless Timeouts.Close is set.
	queueStay = 10 * time.Minute
	// queueClose is how long the Close of a Client waits for that.
	queueClose = 5 * time.Second
)

// leavers are the connections of a Dialer that have left the queue and are not
// closed yet.
type leavers struct {
	mu   sync.Mutex
	n    int
	gone chan struct{} // closed when there are none, if anybody waits
}

// add counts a connection until done is closed.
func (l *leavers) add(done <-chan struct{}) {
	l.mu.Lock()
	l.n++
	l.mu.Unlock()
	go func() {
		<-done
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.n--; l.n == 0 && l.gone != nil {
			close(l.gone)
			l.gone = nil
		}
	}()
}

// wait waits until there are none, or ctx ends.
func (l *leavers) wait(ctx context.Context) error {
	l.mu.Lock()
	if l.n == 0 {
		l.mu.Unlock()
		return nil
	}
	if l.gone == nil {
		l.gone = make(chan struct{})
	}
	gone := l.gone
	l.mu.Unlock()
	select {
	case <-gone:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// queue is what a Dialer decides about the queue of its servers.
type queue struct {
	known     bool          // the wire has one
	unbounded bool          // Timeouts.Handshake was not set: it counts from the first byte on
	stay      time.Duration // see queueStay; negative: for ever
}

// queueOf returns what t asks for on a wire with the given traits.
func queueOf(traits wire.Traits, t Timeouts) queue {
	return queue{
		known:     traits.Clients > 0,
		unbounded: t.Handshake == 0,
		stay:      or(t.Close, queueStay),
	}
}

// A firstByte is a connection that tells when the first byte has come: with TLS who
// waits in the queue waits for the server's part of that handshake.
type firstByte struct {
	net.Conn
	came func() // nil once it is told; used by the one who reads
}

func (f *firstByte) Read(p []byte) (int, error) {
	n, err := f.Conn.Read(p)
	if n > 0 && f.came != nil {
		f.came()
		f.came = nil
	}
	return n, err
}

// stayInQueue waits until the server has come to our farewell and closed. One that has
// said something has come to us: it has as long as any other peer, and no time at all
// if that was no greeting, as it is no server of this wire then.
func (c *Conn) stayInQueue() {
	if c.s.Life().Violated() {
		return
	}
	stay := c.cfg.queue.stay
	if stay < 0 {
		stay = math.MaxInt64
	}
	if c.stats.BytesIn > 0 {
		stay = min(stay, max(c.cfg.timeouts.Linger, 0))
	} else if c.cfg.logger != nil {
		c.cfg.logger.Warn("left the queue of the server; an original one ends if this program does before it has come to the farewell", "conn", c.id, "peer", c.peer())
	}
	if w, ok := c.nc.(interface{ CloseWrite() error }); ok {
		c.unlock()
		w.CloseWrite() // who does not know the farewell knows this
		c.lock()
	}
	c.s.Life().Advance(session.PhaseHalfClosed)
	if c.s.Life().Err() == nil && !c.s.Life().Ended() {
		c.pause(stay)
	}
}
