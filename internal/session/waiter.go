package session

import (
	"github.com/parley-net/parley/internal/bufpool"
	"github.com/parley-net/parley/wire"
)

// Waiter is one goroutine that waits for a connection. It is signalled at
// most once per enlistment.
type Waiter struct {
	ch     chan struct{}   // capacity 1; nil: nobody waits, msg is to be sent
	msg    wire.Message    // for a receiver: the message handed over
	stream any             // likewise, what the driver hands over if it is to be streamed
	err    error           // why the wait ended without success
	want   uint64          // for Confirm: the message that must be confirmed
	pool   *bufpool.Shared // of a message that nobody waits for: where its bytes are, or nil
	claim  Claim           // for a receiver; a Call's msg is its question until the answer comes
	next   *Waiter         // in its list, which is a ring; nil: in none
}

// NewWaiter returns a waiter for somebody who waits; of was used before, or is nil.
func NewWaiter(of *Waiter) *Waiter {
	if of == nil {
		return &Waiter{ch: make(chan struct{}, 1)}
	}
	*of = Waiter{ch: of.ch}
	return of
}

// Wants says that n messages must be confirmed.
func (w *Waiter) Wants(n uint64) *Waiter {
	w.want = n
	return w
}

// Asks says that w waits for the answer to a question.
func (w *Waiter) Asks(question wire.Message) { w.claim, w.msg = ClaimCall, question }

// Keep keeps the place of a Call that has given up.
func (w *Waiter) Keep() { w.claim, w.msg = ClaimKept, w.msg.Clone() }

// Get hands a message over, or why it is lost.
func (w *Waiter) Get(m wire.Message, err error) {
	w.msg = m
	w.Signal(err)
}

// GetStream hands a stream over.
func (w *Waiter) GetStream(s any) {
	w.stream = s
	w.Signal(nil)
}

// Enlisted reports whether w is still in its list, and not yet signalled.
func (w *Waiter) Enlisted() bool { return w.next != nil }

// Post reports whether nobody waits: w's message is to be sent.
func (w *Waiter) Post() bool { return w.ch == nil }

// WaitList is a queue of waiters, first in first out: a ring, of which the last
// is known. The connection's lock guards it.
type WaitList struct{ last *Waiter }

// Empty reports whether nobody waits.
func (l *WaitList) Empty() bool { return l.last == nil }

// First returns the first waiter of a list that is not empty.
func (l *WaitList) First() *Waiter { return l.last.next }

// Push puts w, which is in no list, behind all others.
func (l *WaitList) Push(w *Waiter) {
	if l.last == nil {
		l.last = w
	}
	w.next = l.last.next
	l.last.next = w
	l.last = w
}

// Insert is Push, but w goes before those that want more.
func (l *WaitList) Insert(w *Waiter) {
	if l.Empty() || l.last.want <= w.want {
		l.Push(w)
		return
	}
	before := l.last
	for before.next.want <= w.want {
		before = before.next
	}
	w.next = before.next
	before.next = w
}

// Signal ends w's wait. The caller has removed it from its list.
func (w *Waiter) Signal(err error) {
	w.next = nil
	w.err = err
	if !w.Post() {
		w.ch <- struct{}{}
	}
}

// Leave takes w out of l, and signals it, unless it has been.
func (w *Waiter) Leave(l *WaitList) {
	if w.Enlisted() {
		l.Remove(w)
		w.Signal(nil)
	}
}

// Pop removes the first waiter, without signalling it.
func (l *WaitList) Pop() *Waiter {
	w := l.First()
	l.unlink(l.last)
	return w
}

// unlink takes out the waiter behind the given one.
func (l *WaitList) unlink(before *Waiter) {
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

// Remove takes w, which is in the list, out of it.
func (l *WaitList) Remove(w *Waiter) {
	before := l.last
	for before.next != w {
		before = before.next
	}
	l.unlink(before)
}

// All signals every waiter.
func (l *WaitList) All(err error) {
	for !l.Empty() {
		l.Pop().Signal(err)
	}
}

// Find returns the first waiter with that claim, or nil.
func (l *WaitList) Find(of Claim) *Waiter {
	for w := l.last; w != nil; {
		if w = w.next; w.claim == of {
			return w
		}
		if w == l.last {
			break
		}
	}
	return nil
}

// Turn gives those with one claim another.
func (l *WaitList) Turn(from, to Claim) {
	for w := l.Find(from); w != nil; w = l.Find(from) {
		w.claim = to
	}
}

// Claim says what a receiver's place in the queue is for.
type Claim uint8

const (
	ClaimReceive Claim = iota // the next message, whatever it is
	ClaimCall                 // the answer to a Call
	ClaimInDoubt              // likewise, but it may have been taken for an earlier Call's
	ClaimKept                 // nobody's any more: its Call has given up; there is one at most
)

// SegmentWaiter returns a waiter that is told when a segment has left.
func SegmentWaiter() *Waiter {
	w := &Waiter{ch: make(chan struct{}, 1)}
	w.next = w // in a list of its own
	return w
}

// Ch returns the channel that brings one value when the wait is over.
func (w *Waiter) Ch() chan struct{} { return w.ch }

// Msg returns the message that a receiver was handed, the question of a Call that has
// given up, or what is to be sent where nobody waits.
func (w *Waiter) Msg() wire.Message { return w.msg }

// Stream returns what GetStream has handed over, or nil.
func (w *Waiter) Stream() any { return w.stream }

// Err returns why the wait ended without success.
func (w *Waiter) Err() error { return w.err }

// Want returns how many messages must be confirmed.
func (w *Waiter) Want() uint64 { return w.want }

// Pool returns where the bytes are of a message that nobody waits for, or nil.
func (w *Waiter) Pool() *bufpool.Shared { return w.pool }

// Claim returns what a receiver's place in the queue is for.
func (w *Waiter) Claim() Claim { return w.claim }

// Last returns the last waiter, nil if there is none.
func (l *WaitList) Last() *Waiter { return l.last }
