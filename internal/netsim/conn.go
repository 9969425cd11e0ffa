package netsim

import (
	"io"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// Conn is one end of a simulated connection.
type Conn struct {
	pair          *pair
	side          int // 0 has dialled
	reads, writes half
	closed        bool
	reset         bool   // the peer has reset the connection
	in            stream // what comes from the peer
}

// pair is a connection. One lock guards both ends.
type pair struct {
	net     *Net
	mu      sync.Mutex
	changed chan struct{} // closed and replaced when something has changed
	ends    [2]Conn
}

// half is what reading and writing have each of their own.
type half struct {
	rng      *rand.Rand
	deadline time.Time
	bytes    int64
	digest   uint64
}

// stream is what is under way to an end, or waits there to be read.
type stream struct {
	parts []part
	size  int
	last  time.Time // when the newest part arrives
	fin   bool      // the writer has closed its direction
	finAt time.Time
}

type part struct {
	at time.Time
	b  []byte
}

var _ net.Conn = (*Conn)(nil)

func (c *Conn) peer() *Conn { return &c.pair.ends[1-c.side] }

// Read reads what has arrived, or a piece of it.
func (c *Conn) Read(b []byte) (int, error) {
	p := c.pair
	p.mu.Lock()
	defer p.mu.Unlock()
	for paused := false; ; {
		until, err := c.readable()
		if err != nil {
			c.note(&c.reads, -1)
			return 0, err
		}
		switch {
		case len(b) == 0:
			return 0, nil
		case !until.IsZero():
			p.wait(until, c.reads.deadline)
		case !paused:
			p.pause(&c.reads)
			paused = true
		default:
			return c.take(b), nil
		}
	}
}

// never is later than every deadline: something else must change first.
var never = time.Unix(1<<40, 0)

// readable says when there will be something to read: the zero time is now.
func (c *Conn) readable() (until time.Time, err error) {
	now := time.Now()
	switch {
	case c.closed:
		return until, c.fail("read", net.ErrClosed)
	case c.reset:
		return until, c.fail("read", os.NewSyscallError("read", syscall.ECONNRESET))
	case passed(c.reads.deadline, now):
		return until, c.fail("read", os.ErrDeadlineExceeded)
	case len(c.in.parts) > 0:
		if at := c.in.parts[0].at; at.After(now) {
			return at, nil
		}
		return until, nil
	case c.in.fin:
		if c.in.finAt.After(now) {
			return c.in.finAt, nil
		}
		return until, io.EOF
	}
	return never, nil
}

// take moves bytes that have arrived to b.
func (c *Conn) take(b []byte) int {
	now := time.Now()
	b = b[:c.pair.net.piece(&c.reads, len(b))]
	n := 0
	for n < len(b) && len(c.in.parts) > 0 && !c.in.parts[0].at.After(now) {
		first := &c.in.parts[0]
		m := copy(b[n:], first.b)
		n += m
		if first.b = first.b[m:]; len(first.b) == 0 {
			c.in.parts = c.in.parts[1:]
		}
	}
	c.in.size -= n
	c.note(&c.reads, n)
	c.pair.change()
	if limit := c.pair.net.faults.ResetAfter[1-c.side]; limit > 0 && c.reads.bytes >= limit {
		c.abort()
		c.peer().abort()
	}
	return n
}

// Write writes b, part by part.
func (c *Conn) Write(b []byte) (n int, err error) {
	p := c.pair
	p.mu.Lock()
	defer p.mu.Unlock()
	for paused := false; n < len(b); {
		out := &c.peer().in
		now := time.Now()
		switch {
		case c.closed || out.fin:
			return n, c.fail("write", net.ErrClosed)
		case c.reset:
			return n, c.fail("write", os.NewSyscallError("write", syscall.ECONNRESET))
		case passed(c.writes.deadline, now):
			return n, c.fail("write", os.ErrDeadlineExceeded)
		case out.size >= p.net.faults.Window:
			p.wait(never, c.writes.deadline)
			continue
		case !paused:
			p.pause(&c.writes)
			paused = true
			continue
		}
		paused = false
		size := min(p.net.piece(&c.writes, len(b)-n), p.net.faults.Window-out.size)
		if c.peer().closed {
			c.abort() // nobody is there: the answer is a reset
		} else {
			out.add(b[n:n+size], p.net.arrival(&c.writes, now))
			p.change()
		}
		n += size
		c.note(&c.writes, size)
	}
	return n, nil
}

func (s *stream) add(b []byte, at time.Time) {
	if at.Before(s.last) {
		at = s.last
	}
	s.last = at
	s.parts = append(s.parts, part{at, append([]byte(nil), b...)})
	s.size += len(b)
}

// CloseWrite ends the stream to the peer.
func (c *Conn) CloseWrite() error {
	c.pair.mu.Lock()
	defer c.pair.mu.Unlock()
	if c.closed {
		return c.fail("close", net.ErrClosed)
	}
	c.finish()
	return nil
}

// finish ends the stream to the peer behind what is under way.
func (c *Conn) finish() {
	if out := &c.peer().in; !out.fin {
		out.fin = true
		out.finAt = c.pair.net.arrival(&c.writes, time.Now())
		if out.finAt.Before(out.last) {
			out.finAt = out.last
		}
		c.pair.change()
	}
}

// Close closes the connection. If there is something that has not been read,
// or more arrives later, the peer gets a reset.
func (c *Conn) Close() error {
	c.pair.mu.Lock()
	defer c.pair.mu.Unlock()
	if c.closed {
		return c.fail("close", net.ErrClosed)
	}
	c.closed = true
	c.finish()
	if c.in.size > 0 {
		c.peer().abort()
	}
	c.in = stream{fin: c.in.fin, finAt: c.in.finAt}
	c.pair.change()
	return nil
}

// Reset ends the connection with a reset: the peer loses what it has not read.
func (c *Conn) Reset() {
	c.pair.mu.Lock()
	defer c.pair.mu.Unlock()
	c.closed = true
	c.in = stream{}
	c.peer().abort()
}

// abort is what a reset does to c.
func (c *Conn) abort() {
	if !c.closed {
		c.reset = true
	}
	c.in = stream{fin: c.in.fin, finAt: c.in.finAt}
	c.pair.change()
}

// Moved returns how many bytes this end has read and written.
func (c *Conn) Moved() (read, written int64) {
	c.pair.mu.Lock()
	defer c.pair.mu.Unlock()
	return c.reads.bytes, c.writes.bytes
}

// LocalAddr returns the name of this end.
func (c *Conn) LocalAddr() net.Addr { return addr([]string{"dialing", "accepting"}[c.side]) }

// RemoteAddr returns the name of the other end.
func (c *Conn) RemoteAddr() net.Addr { return c.peer().LocalAddr() }

// SetDeadline sets both deadlines.
func (c *Conn) SetDeadline(t time.Time) error { return c.setDeadlines(t, &c.reads, &c.writes) }

// SetReadDeadline bounds reads.
func (c *Conn) SetReadDeadline(t time.Time) error { return c.setDeadlines(t, &c.reads) }

// SetWriteDeadline bounds writes.
func (c *Conn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(t, &c.writes) }

func (c *Conn) setDeadlines(t time.Time, halves ...*half) error {
	c.pair.mu.Lock()
	defer c.pair.mu.Unlock()
	if c.closed {
		return c.fail("set", net.ErrClosed)
	}
	for _, h := range halves {
		h.deadline = t
	}
	c.pair.change()
	return nil
}

func (c *Conn) fail(op string, err error) error {
	if c.closed {
		err = net.ErrClosed
	}
	return &net.OpError{Op: op, Net: "netsim", Source: c.LocalAddr(), Addr: c.RemoteAddr(), Err: err}
}

// note accounts for n bytes moved.
func (c *Conn) note(h *half, n int) {
	h.bytes += int64(max(n, 0))
	h.digest = mix(mix(h.digest, uint64(time.Since(c.pair.net.start))), uint64(n))
}

// change wakes everybody who waits for something to change.
func (p *pair) change() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// wait waits until something has changed, or one of the times has come.
func (p *pair) wait(until, deadline time.Time) {
	if !deadline.IsZero() && deadline.Before(until) {
		until = deadline
	}
	changed := p.changed
	p.mu.Unlock()
	defer p.mu.Lock()
	if until.Equal(never) {
		<-changed
		return
	}
	t := time.NewTimer(time.Until(until))
	defer t.Stop()
	select {
	case <-changed:
	case <-t.C:
	}
}

// pause takes the time that a read or a part of a write takes.
func (p *pair) pause(h *half) {
	longest := p.net.faults.Pause
	if longest <= 0 {
		return
	}
	d := 1 + time.Duration(h.rng.Int64N(int64(longest)))
	p.mu.Unlock()
	time.Sleep(d)
	p.mu.Lock()
}

// piece returns how many of n bytes are moved at once.
func (n *Net) piece(h *half, most int) int {
	if !n.faults.Cut {
		return most
	}
	switch h.rng.IntN(4) {
	case 0:
		return most
	case 1:
		return min(most, 1+h.rng.IntN(1<<14))
	}
	return min(most, 1+h.rng.IntN(9))
}

// arrival returns when a part that leaves now arrives.
func (n *Net) arrival(h *half, now time.Time) time.Time {
	f := &n.faults
	if f.Latency > 0 {
		now = now.Add(time.Duration(h.rng.Int64N(int64(f.Latency))))
	}
	if f.Stall > 0 && h.rng.IntN(50) == 0 {
		now = now.Add(f.Stall)
	}
	return now
}

// passed reports whether a deadline has passed.
func passed(deadline, now time.Time) bool { return !deadline.IsZero() && !deadline.After(now) }
