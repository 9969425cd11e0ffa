package parley

import (
	"time"

	"github.com/parley-net/parley/internal/session"

	"github.com/parley-net/parley/wire"
)

// activity is what a connection needs only while something is under way: while
// bytes, messages or callers wait, or one of its goroutines runs. A connection
// that is attached to an event loop and at rest has none, and borrows one of its
// Server's when it is locked. Its zero value is that of a connection at rest.
type activity struct {
	owner *Conn // for the timers; it does not change while one of them is armed

	// Reading.
	reading
	asm     session.Assembly // a message that arrives in pieces
	stream  *Stream          // being read by the program
	inbox   session.Inbox    // messages that wait for Receive or for the handler
	ready   session.WaitList // receivers; none waits while the inbox has something
	room    session.WaitList // the reader, while the inbox is full or a stream is open
	holding int64            // what the budget knows of
	inHeld  int              // what in held when the reader last looked
	sharing int64            // likewise, of what others hold too
	lent    int64            // what the handler that runs borrows, besides in
	still   int              // events that the machine has told without consuming a byte
	watch   watch

	// Writing; see write.go.
	out       session.Output
	late      alarm            // see armFlush
	drained   session.WaitList // those who wait until the output is empty
	transform []wire.Transform
	sending   session.Sending

	life  session.Life
	bound *time.Timer // ends a connection whose peer has ended its stream
	spare *session.Waiter
	underWay
}

// underWay is what is true of a connection that is not at rest.
type underWay struct {
	handling bool // a handler runs
	partial  bool // a message has begun and the reader waits for its rest
}

// wake gives c an activity.
func (c *Conn) wake() {
	a, ok := c.cfg.activities.Get().(*activity)
	if !ok {
		a = new(activity)
	}
	a.owner = c
	a.reading.rested(int64(c.stats.BytesIn))
	a.life.Rested(c.talked.Opened())
	a.out.Rested(c.stats.BytesOut, a.out.Hint())
	a.sending.Rested(c.stats.Confirmed)
	c.activity = a
}

// rest gives c's activity back, with what makes it cheaper to use again.
func (c *Conn) rest() {
	a := c.activity
	c.activity = nil
	space := a.inbox.Space()
	watch, late, spare, hint := a.watch.alarm, a.late, a.spare, a.out.Hint()
	*a = activity{} // at once: with the fields in it there would be a copy to move
	a.watch.alarm, a.late, a.spare = watch, late, spare
	a.inbox.Reuse(space)
	a.out.Rested(0, hint)
	c.cfg.activities.Put(a)
}

// resting reports whether nothing is under way on c, which is attached to its
// loop. The timers are stopped if nothing else is.
func (c *Conn) resting() bool {
	a := c.activity
	return c.goroutines == 0 && a.underWay == (underWay{}) && a.life.Idle() &&
		a.reading.idle() && a.asm.Idle() && a.stream == nil && a.inbox.Len() == 0 && a.holding == 0 && a.sharing == 0 &&
		a.ready.Empty() && a.room.Empty() && a.drained.Empty() && a.sending.Idle() &&
		a.out.Idle() && a.transform == nil &&
		a.consumed == int64(c.stats.BytesIn) && a.out.Gone() == c.stats.BytesOut && a.sending.Sent() == c.stats.Confirmed &&
		!c.worthWatching() && c.watch.off() && c.late.stop()
}
