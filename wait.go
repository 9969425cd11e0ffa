package parley

import (
	"context"
	"errors"
	"fmt"
)

// waiter is one goroutine that waits for a connection. It is signalled at
// most once per enlistment.
type waiter struct {
	ch     chan struct{} // capacity 1; nil: nobody waits, msg is to be sent
	msg    Message       // for a receiver: the message handed over
	stream *Stream       // likewise, if it is to be streamed
	err    error         // why the wait ended without success
	want   uint64        // for Confirm: the message that must be confirmed
	claim  claim         // for a receiver; a Call's msg is its question until the answer comes
	next   *waiter       // in its list, which is a ring; nil: in none
}

// enlisted reports whether w is still in its list, and not yet signalled.
func (w *waiter) enlisted() bool { return w.next != nil }

// post reports whether nobody waits: w's message is to be sent.
func (w *waiter) post() bool { return w.ch == nil }

// waitList is a queue of waiters, first in first out: a ring, of which the last
// is known. The connection's lock guards it.
type waitList struct{ last *waiter }

func (l *waitList) empty() bool { return l.last == nil }

// first returns the first waiter of a list that is not empty.
func (l *waitList) first() *waiter { return l.last.next }

func (l *waitList) push(w *waiter) {
	if l.last == nil {
		l.last = w
	}
	w.next = l.last.next
	l.last.next = w
	l.last = w
}

// insert is push, but w goes before those that want more.
func (l *waitList) insert(w *waiter) {
	if l.empty() || l.last.want <= w.want {
		l.push(w)
		return
	}
	before := l.last
	for before.next.want <= w.want {
		before = before.next
	}
	w.next = before.next
	before.next = w
}

// signal ends w's wait. The caller has removed it from its list.
func (w *waiter) signal(err error) {
	w.next = nil
	w.err = err
	if !w.post() {
		w.ch <- struct{}{}
	}
}

// pop removes the first waiter, without signalling it.
func (l *waitList) pop() *waiter {
	w := l.first()
	l.unlink(l.last)
	return w
}

// unlink takes out the waiter behind the given one.
func (l *waitList) unlink(before *waiter) {
	w := before.next
	before.next = w.next
	switch {
	case w == before:
		l.last = nil
	case w == l.last:
		l.last = before
	}
	w.next = nil
}

// remove takes w, which is in the list, out of it.
func (l *waitList) remove(w *waiter) {
	before := l.last
	for before.next != w {
		before = before.next
	}
	l.unlink(before)
}

// all signals every waiter.
func (l *waitList) all(err error) {
	for !l.empty() {
		l.pop().signal(err)
	}
}

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
		if n := c.m.Awaiting(); c.stalled() != "" {
			wait += fmt.Sprintf(", and the peer owes %d answers by the rules of %s%s", n, c.cfg.protocol.Name(), c.stalled())
		}
		return &TimeoutError{Peer: c.peer(), Wait: wait}
	}
	return err
}
