package parley

import (
	"context"
	"errors"
	"fmt"
)

// newWaiter returns a waiter; it is called with the connection's lock held.
// One is kept for reuse, so that a client that waits for each answer does not
// allocate.
func (c *Conn) newWaiter() *waiter {
	if w := c.spare; w != nil {
		c.spare = nil
		*w = waiter{ch: w.ch}
		return w
	}
	return &waiter{ch: make(chan struct{}, 1)}
}

// wait enlists w in l and blocks until it is signalled or ctx ends. It is
// called with the lock held and returns with it held. Whoever waits makes sure
// that somebody reads. On a cancelled wait w is out of the list; a signal that
// came first wins.
func (c *Conn) wait(ctx context.Context, l *waitList, w *waiter, needsReader bool) error {
	l.push(w)
	if needsReader {
		c.ensureReader()
	}
	return c.await(ctx, l, w)
}

// await is wait for a waiter that is enlisted already.
func (c *Conn) await(ctx context.Context, l *waitList, w *waiter) error {
	c.unlockToWait(ctx)
	select {
	case <-w.ch:
		c.lock()
	case <-ctx.Done():
		c.lock()
		if w.enlisted() {
			return c.giveUp(ctx, l, w)
		}
		<-w.ch
	}
	c.spare = w
	return w.err
}

// unlockToWait releases the lock of a caller that is going to wait. It may be the
// handler of this connection or, as ctx tells, of another one; if a loop runs it,
// somebody else must run the loop.
func (c *Conn) unlockToWait(ctx context.Context) {
	c.leaveLoop()
	c.unlock()
	if other, ok := ctx.Value(handlerOf{}).(*Conn); ok && other != c && other.looped() != nil {
		other.lock()
		other.leaveLoop()
		other.unlock()
	}
}

// ctxErr says why ctx has ended; a deadline becomes a *TimeoutError.
func (c *Conn) ctxErr(ctx context.Context) error {
	err := context.Cause(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		wait := "the context's deadline has passed"
		if !c.talked.opened() {
			wait += "; " + c.hint()
		} else if n := c.machine().Awaiting(); c.stalled() != "" {
			wait += fmt.Sprintf(", and the peer owes %d answers by the rules of %s%s", n, c.cfg.protocol.Name(), c.stalled())
		}
		return &TimeoutError{Peer: c.peer(), Wait: wait}
	}
	return err
}

// awaitSegment flushes and waits for w's segment. The message has begun to
// leave: if ctx ends first, the connection ends.
func (c *Conn) awaitSegment(ctx context.Context, w *waiter) error {
	c.flush(flushNow)
	if !w.enlisted() { // it has left: a loop need not be given away
		<-w.ch
		return w.err
	}
	if !c.cfg.traits.Lockstep {
		c.ensureReader()
	}
	c.unlockToWait(ctx)
	select {
	case <-w.ch:
	case <-ctx.Done():
		c.lock()
		if w.enlisted() {
			c.givenUp(ctx)
			c.unlock()
			<-w.ch
			c.lock()
			return c.err // as it is, as Err says
		}
		c.unlock()
		<-w.ch
	}
	c.lock()
	return w.err
}

// givenUp ends the connection because ctx has, when a part of a message had left.
// It is called with the lock held.
func (c *Conn) givenUp(ctx context.Context) {
	c.cut(fmt.Errorf("parley: sending was cancelled in the middle of a message: %w", c.ctxErr(ctx)))
}
