package parley

// waiter is one goroutine that waits for a connection. It is signalled at
// most once per enlistment.
type waiter struct {
	ch     chan struct{} // capacity 1; nil: nobody waits, msg is to be sent
	msg    Message       // for a receiver: the message handed over
	stream *Stream       // likewise, if it is to be streamed
	err    error         // why the wait ended without success
	want   uint64        // for Confirm: the message that must be confirmed
	pool   *pool         // of a message that nobody waits for: where its bytes are, or nil
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

// find returns the first waiter with that claim, or nil.
func (l *waitList) find(of claim) *waiter {
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

// turn gives those with one claim another.
func (l *waitList) turn(from, to claim) {
	for w := l.find(from); w != nil; w = l.find(from) {
		w.claim = to
	}
}

// claim says what a receiver's place in the queue is for.
type claim uint8

const (
	claimReceive claim = iota // the next message, whatever it is
	claimCall                 // the answer to a Call
	claimInDoubt              // likewise, but it may have been taken for an earlier Call's
	claimKept                 // nobody's any more: its Call has given up; there is one at most
)

// segmentWaiter returns a waiter that is told when a segment has left.
func segmentWaiter() *waiter {
	w := &waiter{ch: make(chan struct{}, 1)}
	w.next = w // in a list of its own
	return w
}
