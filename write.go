package parley

import (
	"crypto/tls"
	"errors"
	"os"
	"syscall"
	"time"

	"github.com/parley-net/parley/internal/bufpool"
)

// The output of a connection is one stream of bytes: the segment being
// written, then queue, then out. Small messages are appended to out and leave
// together in one write; a large body is a segment of its own, so that it is
// not copied.

const (
	// writeSize is the most one blocking write takes.
	writeSize = 256 << 10
	// recordSize is the same for TLS: a write that was interrupted can't go on
	// there, so each must be done within Timeouts.Write.
	recordSize = 16 << 10
	// writeLooks is how often a blocked write looks whether the peer has taken
	// something.
	writeLooks = 16
	// lateFlush is how long the output of a handler may wait for the handlers
	// of other messages that arrived together with its own.
	lateFlush = 2 * time.Millisecond
	// burstGap is how soon after the last one a message is part of a burst.
	burstGap = 50 * time.Microsecond
)

// segment is a part of the output.
type segment struct {
	b     []byte  // what is left of it
	whole []byte  // to give back to bufpool, or nil
	w     *waiter // to be told when it has left, or nil
}

// pending returns how many bytes of output the kernel has not yet taken.
func (c *Conn) pending() int { return len(c.current.b) + c.queued + len(c.out) }

// grow makes room for n more bytes at the end of the output.
func (c *Conn) grow(n int) {
	if cap(c.out)-len(c.out) < n {
		c.enlarge(n)
	}
}

func (c *Conn) enlarge(n int) {
	if c.out == nil {
		c.out = bufpool.Get(max(n, min(int(c.hint), readSize)))
	} else {
		c.out = bufpool.Grow(c.out, n)
	}
}

// owed appends what the machine owes the peer: nothing more once a message has
// been dropped, as its confirmation could not be told from others.
func (c *Conn) owed() {
	if c.owes && !c.mute {
		c.appendOwed()
	}
}

func (c *Conn) appendOwed() {
	c.owes = false
	c.grow(64)
	before := len(c.out)
	c.out = c.m.Output(c.out)
	c.stats.BytesOut += uint64(len(c.out) - before)
	if c.cfg.trace != nil && len(c.out) > before {
		c.traceOut("answer", c.out[before:], Message{})
	}
}

// queueBody puts b behind all output; w is told when it has left. whole, if
// not nil, is given back to bufpool then.
func (c *Conn) queueBody(b, whole []byte, w *waiter) {
	if len(c.out) > 0 {
		c.queue = append(c.queue, segment{b: c.out, whole: c.out})
		c.queued += len(c.out)
		c.out = nil
	}
	c.queue = append(c.queue, segment{b: b, whole: whole, w: w})
	c.queued += len(b)
	c.stats.BytesOut += uint64(len(b))
	if c.cfg.trace != nil {
		c.traceOut("body", b, Message{})
	}
}

// next makes current the next segment of the output. It returns false when
// there is none.
func (c *Conn) next() bool {
	for len(c.current.b) == 0 {
		c.finishCurrent(nil)
		switch {
		case len(c.queue) > 0:
			c.current = c.queue[0]
			c.queue[0] = segment{}
			c.queue = c.queue[1:]
			c.queued -= len(c.current.b)
		case len(c.out) > 0:
			c.current = segment{b: c.out, whole: c.out}
			c.hint = int32(min(len(c.out), readSize))
			c.out = nil
		default:
			// Last, what the machine owes by now: the reader may have come to
			// owe it while we wrote.
			if c.owed(); len(c.out) > 0 {
				continue
			}
			bufpool.Put(c.out)
			c.out, c.queue = nil, nil
			return false
		}
	}
	return true
}

// finishCurrent lets go of the current segment.
func (c *Conn) finishCurrent(err error) {
	whole, w := c.current.whole, c.current.w
	c.current = segment{}
	if whole != nil {
		bufpool.Put(whole[:0])
	}
	if w != nil {
		w.signal(err)
	}
}

// flush writes the output without blocking. What the kernel does not take is
// left to a writing goroutine, which exists only while there is a backlog.
// flush is called with the lock held; it releases it while it writes, so that
// what others send meanwhile leaves with the next write.
func (c *Conn) flush() {
	if c.writing || !c.life.writable() {
		return
	}
	c.owed()
	for c.next() {
		c.writing = true
		b := c.current.b
		c.unlock()
		n, err := c.try(b)
		c.lock()
		if c.wrote(n, err); c.life.closed() || c.life.reset() {
			c.writing = false
			c.finishCurrent(c.failure())
			return
		}
		if n < len(b) {
			c.goroutines++
			go c.write()
			return
		}
	}
	c.writing = false
	c.watchSome()
	c.checkDrained()
}

// flushRest is flush for the reader at the end of a batch, whose last answer has
// mostly left already.
func (c *Conn) flushRest() {
	if c.owes || c.out != nil || c.pending() > 0 {
		c.flush()
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

// flushSoon flushes, unless the reader will do it in a moment anyway; see
// flushLate.
func (c *Conn) flushSoon() {
	if !c.deferFlush {
		c.flush()
	}
}

// burst reports whether the last message was sent so recently that more may be
// coming: then one write for several of them is better than one for each.
func (c *Conn) burst() bool {
	if c.aside || c.writing {
		return true
	}
	now := time.Since(c.cfg.epoch)
	last := c.lastSend
	c.lastSend = now
	return now-last < burstGap
}

// flushAside has another goroutine flush, so that the caller can go on and what
// it sends meanwhile leaves with the same write.
func (c *Conn) flushAside() {
	if c.flushesAside() {
		go c.flushNow()
	}
}

// flushesAside reports whether the caller must see to it that flushNow is called,
// by another goroutine.
func (c *Conn) flushesAside() bool {
	if c.aside || c.writing || !c.life.writable() {
		return false
	}
	c.aside = true
	c.goroutines++
	return true
}

func (c *Conn) flushNow() {
	c.lock()
	c.aside = false
	c.flush()
	c.lastSend = time.Since(c.cfg.epoch)
	c.exit()
}

// flushLate makes sure that the output leaves even if the handler that is
// about to run takes long.
func (c *Conn) flushLate() {
	if !c.late.armed {
		c.late.set(lateFlush, c.activity, (*activity).onLate)
	}
}

// stopLate stops the timer of flushLate. It returns false if that has run off and
// waits for the lock.
func (c *Conn) stopLate() bool { return c.late.stop() }

func (a *activity) onLate() {
	c := a.owner
	c.lock()
	c.late.rang()
	c.deferFlush = false // the handler takes long: what is sent from now on leaves at once
	c.flush()
	c.unlock()
}

// write is the writing goroutine.
func (c *Conn) write() {
	size, wait, looks := writeSize, c.cfg.timeouts.Write/writeLooks, writeLooks
	if _, ok := c.nc.(*tls.Conn); ok {
		size, wait, looks = recordSize, c.cfg.timeouts.Write, 1
	}
	stuck := 0 // looks since the peer took something
	c.lock()
	for c.err == nil && !c.life.reset() && c.next() {
		b := c.current.b[:min(len(c.current.b), size)]
		c.unlock()
		if wait > 0 {
			c.nc.SetWriteDeadline(time.Now().Add(wait))
		}
		n, err := c.nc.Write(b)
		c.lock()
		if stuck++; n > 0 {
			stuck = 0
		}
		if stuck < looks && errors.Is(err, os.ErrDeadlineExceeded) {
			err = nil
		}
		c.wrote(n, err)
	}
	c.writing = false
	if err := c.failure(); err != nil {
		c.finishCurrent(err)
	} else {
		c.nc.SetWriteDeadline(time.Time{})
		c.watchSome()
	}
	c.checkDrained()
	c.exit()
}

// wrote accounts for n bytes that have left, or for why they did not.
func (c *Conn) wrote(n int, err error) {
	c.gone += uint64(n)
	if c.err != nil {
		return
	}
	c.current.b = c.current.b[n:]
	if err != nil {
		c.writeFailed(err)
		return
	}
	c.passTurn()
}

// writeFailed ends the connection because nothing can be written to it.
func (c *Conn) writeFailed(err error) {
	switch {
	case c.life.phase >= phaseFlushed:
		c.cut(c.reason) // a peer that has gone does not need our last words
		return
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = ErrSlowConsumer
	case isReset(err) && c.life.phase == phaseOpen && !c.handling && c.reader != readerGone:
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
	c.life.peerResets()
	c.mute = true
	c.eofErr = &ConnError{Peer: c.peer(), Offset: int64(c.stats.BytesIn), Err: err}
	c.turns.all(&notSentError{c.eofErr})
	c.posted = 0
	c.dropOutput(c.eofErr)
}

// failure says why nothing can be written any more; nil while that is possible.
func (c *Conn) failure() error {
	if c.err == nil && c.life.reset() {
		return c.eofErr
	}
	return c.err
}

// dropOutput gives up what has not been written. A segment that is being
// written stays with its writer.
func (c *Conn) dropOutput(err error) {
	if !c.writing {
		c.finishCurrent(err)
	}
	for _, s := range c.queue {
		if s.w != nil {
			s.w.signal(err)
		}
	}
	if h := c.held; h != nil {
		c.held = nil
		if h.w != nil {
			h.w.signal(err)
		}
	}
	c.queue, c.queued, c.out = nil, 0, nil
}
