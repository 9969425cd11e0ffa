package parley

import (
	"context"
	"errors"
	"fmt"

	"github.com/parley-net/parley/internal/session"
)

// newWaiter returns a waiter; it is called with the connection's lock held.
// One is kept for reuse, so that a client that waits for each answer does not
// allocate.
func (c *Conn) newWaiter() *session.Waiter {
	return session.NewWaiter(c.unwaited())
}

// wait enlists w in l and blocks until it is signalled or ctx ends. It is
// called with the lock held and returns with it held. Whoever waits makes sure
// that somebody reads. On a cancelled wait w is out of the list; a signal that
// came first wins.
func (c *Conn) wait(ctx context.Context, l *session.WaitList, w *session.Waiter, needsReader bool) error {
	l.Push(w)
	if needsReader {
		c.ensureReader()
	}
	return c.await(ctx, l, w)
}

// await is wait for a waiter that is enlisted already.
func (c *Conn) await(ctx context.Context, l *session.WaitList, w *session.Waiter) error {
	c.unlockToWait(ctx)
	select {
	case <-w.Ch():
		c.lock()
	case <-ctx.Done():
		c.lock()
		if w.Enlisted() {
			return c.giveUp(ctx, l, w)
		}
		<-w.Ch()
	}
	c.waited(w)
	return w.Err()
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
		if !c.talked.Opened() {
			wait += "; " + c.hint()
		} else if n := c.s.Machine().Awaiting(); c.stalled() != "" {
			wait += fmt.Sprintf(", and the peer owes %d answers by the rules of %s%s", n, c.cfg.protocol.Name(), c.stalled())
		}
		return &TimeoutError{Peer: c.peer(), Wait: wait}
	}
	return err
}

// awaitSegment flushes and waits for w's segment. The message has begun to
// leave: if ctx ends first, the connection ends.
func (c *Conn) awaitSegment(ctx context.Context, w *session.Waiter) error {
	c.flush(flushNow)
	if !w.Enlisted() { // it has left: a loop need not be given away
		<-w.Ch()
		return w.Err()
	}
	if !c.cfg.traits.Lockstep {
		c.ensureReader()
	}
	c.unlockToWait(ctx)
	select {
	case <-w.Ch():
	case <-ctx.Done():
		c.lock()
		if w.Enlisted() {
			c.givenUp(ctx)
			c.unlock()
			<-w.Ch()
			c.lock()
			return c.s.Life().Err() // as it is, as Err says
		}
		c.unlock()
		<-w.Ch()
	}
	c.lock()
	return w.Err()
}

// givenUp ends the connection because ctx has, when a part of a message had left.
// It is called with the lock held.
func (c *Conn) givenUp(ctx context.Context) {
	c.cut(fmt.Errorf("parley: sending was cancelled in the middle of a message: %w", c.ctxErr(ctx)))
}
