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

// flushMode says when the output is to be written.
type flushMode uint8

const (
	flushNow      flushMode = iota
	flushDeferred           // the reader may do it, at the end of its batch; see armFlush
	flushLater              // another goroutine does it: what the caller sends meanwhile leaves with the same write
)

// flush writes the output without blocking. What the kernel does not take is
// left to a writing goroutine, which exists only while there is a backlog.
// flush is called with the lock held; it releases it while it writes, so that
// what others send meanwhile leaves with the next write.
func (c *Conn) flush(mode flushMode) {
	switch {
	case mode == flushDeferred && c.runs.defers():
		return
	case mode == flushLater:
		if c.expectAsyncFlush() {
			go c.flushAsync()
		}
		return
	}
	if c.s.Out().Writer() == session.WriterBusy || !c.s.Life().Writable() {
		return
	}
	if c.s.Sending().Ours() == session.DirectionEnded {
		c.s.Out().Discard(c.s.Machine())
		c.s.CheckDrained()
		return
	}
	c.s.AppendControl()
	wrote := false
	for c.s.Next() {
		wrote = true
		c.s.Out().Begin()
		b := c.s.Out().Current().Bytes
		c.unlock()
		n, err := c.driver.try(c.nc, b)
		c.lock()
		if c.wrote(n, err); c.s.Life().Closed() || c.s.Life().Reset() {
			c.s.Out().End()
			c.s.Out().Finish(c.s.Life().Failure())
			return
		}
		if n < len(b) {
			c.goroutines++
			go c.counted(c.write)
			c.holds()
			c.s.WatchWaits()
			return
		}
	}
	if wrote {
		c.s.Out().End()
		c.holdsLess()
	}
	c.s.WatchWaits()
	c.s.CheckDrained()
}

// flushRest is flush for the reader at the end of a batch, whose last answer has
// mostly left already.
func (c *Conn) flushRest() {
	if c.cfg.traits.TakesTurns {
		c.s.PassTurn()
	}
	if c.s.Out().Waits() {
		c.flush(flushNow)
		return
	}
	c.s.CheckDrained() // the peer's last answer may have come
}

// expectAsyncFlush reports whether the caller must see to it that flushAsync is called,
// by another goroutine.
func (c *Conn) expectAsyncFlush() bool {
	if !c.s.Life().Writable() || !c.s.Out().Expect() {
		return false
	}
	c.goroutines++
	return true
}

// flushAsync is the goroutine that flushes for others.
func (c *Conn) flushAsync() {
	c.counted(func() {
		c.lock()
		c.s.Out().Comes()
		c.flush(flushNow)
		c.s.Out().Flushed(time.Since(c.cfg.epoch))
		c.goroutineDone()
	})
}

// armFlush makes sure that the output leaves even if the handler that is
// about to run takes long.
func (a *activity) armFlush() { a.late.set(lateFlush, a, onLate) }

func onLate(a *activity) {
	c := a.owner
	c.lock()
	defer c.unlock()
	c.late.rang()
	c.runs.over() // the handler takes long: what is sent from now on leaves at once
	c.flush(flushNow)
	if c.s.Reader() == session.ReaderInHandler && c.s.Life().Watched() {
		c.s.EnsureReader()
	}
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
	taken := c.s.Taken()
	for c.s.Life().Err() == nil && !c.s.Life().Reset() && c.s.Next() {
		b := c.s.Out().Current().Bytes[:min(len(c.s.Out().Current().Bytes), size)]
		c.unlock()
		n, err := plainWrite(c.nc, b, wait)
		c.lock()
		// The kernel takes more only when much has gone: what the peer has taken
		// meanwhile counts too.
		if stuck++; n > 0 || c.s.Taken() != taken {
			stuck, taken = 0, c.s.Taken()
		}
		if (limit <= 0 || stuck < looks) && errors.Is(err, os.ErrDeadlineExceeded) {
			err = nil
		}
		c.wrote(n, err)
		c.holdsLess()
	}
	c.s.Out().End()
	c.holdsLess()
	if err := c.s.Life().Failure(); err != nil {
		c.s.Out().Finish(err)
	} else {
		c.nc.SetWriteDeadline(time.Time{})
		c.s.WatchWaits()
	}
	c.s.CheckDrained()
	c.goroutineDone()
}

// wrote accounts for n bytes that have left, or for why they did not.
func (c *Conn) wrote(n int, err error) {
	if c.s.Wrote(n); c.s.Life().Err() != nil {
		return
	}
	if err != nil {
		c.writeFailed(err)
		return
	}
	c.s.PassTurn()
}

// writeFailed ends the connection because nothing can be written to it.
func (c *Conn) writeFailed(err error) {
	switch {
	case c.s.Life().Phase() >= session.PhaseFlushed:
		c.s.Abort(c.s.Life().Reason()) // a peer that has gone does not need our last words
		return
	case errors.Is(err, os.ErrDeadlineExceeded):
		c.s.Overdue(session.LimitWrite, fmt.Sprintf("it took nothing for %v", c.cfg.timeouts.Write))
		return
	case isReset(err) && c.s.Life().Phase() == session.PhaseOpen && !c.s.Handling() && c.s.Reader() != session.ReaderGone:
		// The output is given up, but reading goes on: behind what the peer had sent the
		// reader finds the end.
		c.s.WriteReset(connError(&c.s, err))
		return
	}
	c.s.Abort(connError(&c.s, err))
}

// isReset: the peer has closed the connection, which does not take away what it
// had sent before.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
