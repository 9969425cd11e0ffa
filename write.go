package parley

import (
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/parley-net/parley/internal/session"
)

const (
	// recordSize is the same for TLS: a write that was interrupted can't go on
	// there, so each must be done within Timeouts.Write.
	recordSize = 16 << 10
	// writeLooks is how often a blocked write looks whether the peer has taken
	// something.
	writeLooks = 16
	// lateFlush is how long the output of a handler may wait for the handlers
	// of other messages that arrived together with its own.
	lateFlush = 2 * time.Millisecond
)

// owed appends what the machine owes the peer: nothing more once a message has
// been dropped, as its confirmation could not be told from others.
func (c *Conn) owed() {
	if c.out.Control() == session.ControlOwed {
		c.appendOwed()
	}
}

func (c *Conn) appendOwed() {
	b := c.out.AppendControl(c.machine())
	c.stats.put(len(b))
	if c.cfg.trace != nil && len(b) > 0 {
		c.traceOut("answer", b, Message{})
	}
}

// queueBody puts b behind all output; w is told when it has left. whole, if
// not nil, is given back to bufpool then.
func (c *Conn) queueBody(b, whole []byte, w *session.Waiter) {
	c.queueShared(session.Segment{B: b, Whole: whole, W: w})
}

// queueShared is queueBody for bytes that may be in a pool.
func (c *Conn) queueShared(s session.Segment) {
	b := s.B
	c.out.Push(s)
	if cap(s.Whole) >= budgetStep || s.Pool != nil {
		c.holds()
	}
	c.stats.put(len(b))
	if c.cfg.trace != nil {
		c.traceOut("body", b, Message{})
	}
}

// next makes the next segment of the output current. It returns false when there is
// none.
func (c *Conn) next() bool {
	for !c.out.Next() {
		// Last, what the machine owes by now: the reader may have come to owe it
		// while we wrote.
		if c.owed(); len(c.out.Tail()) == 0 {
			c.out.Release()
			return false
		}
	}
	return true
}

// flushMode says when the output is to be written.
type flushMode uint8

const (
	flushNow      flushMode = iota
	flushDeferred           // the reader may do it, at the end of its batch; see armFlush
	flushAside              // another goroutine does it: what the caller sends meanwhile leaves with the same write
)

// flush writes the output without blocking. What the kernel does not take is
// left to a writing goroutine, which exists only while there is a backlog.
// flush is called with the lock held; it releases it while it writes, so that
// what others send meanwhile leaves with the next write.
func (c *Conn) flush(mode flushMode) {
	switch {
	case mode == flushDeferred && c.runs.defers():
		return
	case mode == flushAside:
		if c.flushesAside() {
			go c.flusher()
		}
		return
	}
	if c.out.Writer() == session.WriterBusy || !c.life.Writable() {
		return
	}
	c.owed()
	wrote := false
	for c.next() {
		wrote = true
		c.out.Begin()
		b := c.out.Current().B
		c.unlock()
		n, err := c.try(b)
		c.lock()
		if c.wrote(n, err); c.life.Closed() || c.life.Reset() {
			c.out.End()
			c.out.Finish(c.life.Failure())
			return
		}
		if n < len(b) {
			c.goroutines++
			go c.counted(noRole, nil, c.write)
			c.holds()
			c.watchSome()
			return
		}
	}
	if wrote {
		c.out.End()
		c.holdsLess()
	}
	c.watchSome()
	c.checkDrained()
}

// flushRest is flush for the reader at the end of a batch, whose last answer has
// mostly left already.
func (c *Conn) flushRest() {
	if c.cfg.traits.TakesTurns {
		c.passTurn()
	}
	if c.out.Waits() {
		c.flush(flushNow)
		return
	}
	c.checkDrained() // the peer's last answer may have come
}

// try writes what the kernel takes of p without blocking.
func (c *Conn) try(p []byte) (int, error) {
	if lc := c.looped(); lc != nil {
		return lc.TryWrite(p)
	}
	return c.io.try(p)
}

// flushesAside reports whether the caller must see to it that flusher is called,
// by another goroutine.
func (c *Conn) flushesAside() bool {
	if !c.life.Writable() || !c.out.Expect() {
		return false
	}
	c.goroutines++
	return true
}

// flusher is the goroutine that flushes for others.
func (c *Conn) flusher() {
	c.counted(noRole, nil, func() {
		c.lock()
		c.out.Comes()
		c.flush(flushNow)
		c.out.Flushed(time.Since(c.cfg.epoch))
		c.exit()
	})
}

// armFlush makes sure that the output leaves even if the handler that is
// about to run takes long.
func (c *Conn) armFlush() {
	if !c.late.armed {
		c.late.set(lateFlush, c.activity, (*activity).onLate)
	}
}

func (a *activity) onLate() {
	c := a.owner
	c.lock()
	defer c.unlock()
	c.late.rang()
	c.runs.over() // the handler takes long: what is sent from now on leaves at once
	c.flush(flushNow)
}

// write is the writing goroutine.
func (c *Conn) write() {
	limit := c.cfg.writeLimit(c.vital)
	size, wait, looks := session.WriteSize, limit/writeLooks, writeLooks
	if _, ok := c.nc.(*tls.Conn); ok {
		size, wait, looks = recordSize, limit, 1
	} else if limit <= 0 && c.cfg.timeouts.Stall > 0 {
		wait = c.cfg.timeouts.Stall / (4 * writeLooks) // so that it is seen what moves
	}
	stuck := 0 // looks since the peer took something
	c.lock()
	taken := c.taken()
	for c.life.Err() == nil && !c.life.Reset() && c.next() {
		b := c.out.Current().B[:min(len(c.out.Current().B), size)]
		c.unlock()
		if wait > 0 {
			c.nc.SetWriteDeadline(time.Now().Add(wait))
		}
		n, err := c.nc.Write(b)
		c.lock()
		// The kernel takes more only when much has gone: what the peer has taken
		// meanwhile counts too.
		if stuck++; n > 0 || c.taken() != taken {
			stuck, taken = 0, c.taken()
		}
		if (limit <= 0 || stuck < looks) && errors.Is(err, os.ErrDeadlineExceeded) {
			err = nil
		}
		c.wrote(n, err)
		c.holdsLess()
	}
	c.out.End()
	c.holdsLess()
	if err := c.life.Failure(); err != nil {
		c.out.Finish(err)
	} else {
		c.nc.SetWriteDeadline(time.Time{})
		c.watchSome()
	}
	c.checkDrained()
	c.exit()
}

// wrote accounts for n bytes that have left, or for why they did not.
func (c *Conn) wrote(n int, err error) {
	c.out.Left(n)
	if c.life.Err() != nil {
		return
	}
	c.out.Wrote(n)
	if err != nil {
		c.writeFailed(err)
		return
	}
	c.passTurn()
}

// writeFailed ends the connection because nothing can be written to it.
func (c *Conn) writeFailed(err error) {
	switch {
	case c.life.Phase() >= session.PhaseFlushed:
		c.cut(c.life.Reason()) // a peer that has gone does not need our last words
		return
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.tooSlow(fieldWrite, fmt.Sprintf("it took nothing for %v", c.cfg.timeouts.Write))
		return
	case isReset(err) && c.life.Phase() == session.PhaseOpen && !c.handling && c.reader != readerGone:
		c.sever(err)
		return
	}
	c.netFailed(err)
}

// isReset: the peer has closed the connection, which does not take away what it
// had sent before.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// sever gives up the output, but reads on: behind what the peer had sent the
// reader finds the end.
func (c *Conn) sever(err error) {
	c.life.Resets(&ConnError{Peer: c.peer(), Offset: int64(c.stats.BytesIn), Err: err})
	c.out.Mute()
	c.out.Drop(c.life.EofErr())
	c.sending.Drop(&c.out, &notSentError{c.life.EofErr(), true}, notSent(c.life.EofErr()))
}
