package parley

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/parley-net/parley/internal/session"
)

// wait enlists w in l and blocks until it is signalled or ctx ends. It is
// called with the lock held and returns with it held. Whoever waits makes sure
// that somebody reads. On a cancelled wait w is out of the list; a signal that
// came first wins.
func (c *Conn) wait(ctx context.Context, l *session.WaitList, w *session.Waiter, needsReader bool) error {
	l.Push(w)
	if needsReader {
		c.s.EnsureReader()
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
			err := c.ctxErr(ctx)
			if !c.s.GiveUp(l, w) {
				err = fmt.Errorf("%w; %w", err, ErrOutOfStep)
			}
			return err
		}
		<-w.Ch()
	}
	c.spare.keep(w)
	return w.Err()
}

// unlockToWait releases the lock of a caller that is going to wait. It may be the
// handler of this connection or, as ctx tells, of another one; if a loop runs it,
// somebody else must run the loop.
func (c *Conn) unlockToWait(ctx context.Context) {
	c.driver.leaveLoop()
	c.unlock()
	if other, ok := ctx.Value(handlerOf{}).(*Conn); ok && other != c && looped(other.nc) != nil {
		other.lock()
		other.driver.leaveLoop()
		other.unlock()
	}
}

// ctxErr says why ctx has ended; a deadline becomes a *TimeoutError.
func (c *Conn) ctxErr(ctx context.Context) error {
	err := context.Cause(ctx)
	if errors.Is(err, context.DeadlineExceeded) {
		wait := "the context's deadline has passed"
		if !c.talked.Opened() {
			wait += "; " + c.s.Hint()
		} else if n := c.s.Machine().Awaiting(); c.s.Stalled() != "" {
			wait += fmt.Sprintf(", and the peer owes %d answers by the rules of %s%s", n, c.cfg.protocol.Name(), c.s.Stalled())
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
		c.s.EnsureReader()
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
	c.s.Abort(fmt.Errorf("parley: sending was cancelled in the middle of a message: %w", c.ctxErr(ctx)))
}

// connContext is the context of a connection.
type connContext struct{ c *Conn }

func (x connContext) Deadline() (time.Time, bool) { return time.Time{}, false }

// Done is called by whoever is going to wait, or makes a context of x.
func (x connContext) Done() <-chan struct{} {
	c := x.c
	c.lock()
	defer c.unlock()
	ended := c.s.Life().WhenClosed()
	c.lookAhead()
	return ended
}

// AfterFunc calls f, on a goroutine of its own, when the connection has ended, unless
// stop, which reports whether it did, is called before. Package context asks for it:
// so a context that is made of x needs no goroutine.
func (x connContext) AfterFunc(f func()) (stop func() bool) {
	c := x.c
	c.lock()
	defer c.unlock()
	if c.s.Life().Closed() {
		go f()
		return func() bool { return false }
	}
	after := c.s.Life().After(f)
	c.lookAhead()
	return func() bool {
		c.lock()
		defer c.unlock()
		return c.s.Life().Forget(after)
	}
}

func (x connContext) Value(key any) any {
	if key == (handlerOf{}) {
		return x.c
	}
	if x.c.over.Load() {
		return causeOf(x.c.s.Life().Err()).Value(key)
	}
	return nil
}

// causeOf returns a context that has ended with err. Its values have the one by
// which context.Cause finds that.
func causeOf(err error) context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	cancel(err)
	return ctx
}

// handlerOf is the context key of the connection whose handler runs.
type handlerOf struct{}

func (x connContext) Err() error {
	if x.c.over.Load() { // not c.err: this is asked with the lock held, and without
		return context.Canceled
	}
	return nil
}
