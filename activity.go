package parley

import (
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
	asm     assembly // a message that arrives in pieces
	stream  *Stream  // being read by the program
	inbox   inbox    // messages that wait for Receive or for the handler
	ready   waitList // receivers; none waits while the inbox has something
	room    waitList // the reader, while the inbox is full or a stream is open
	holding int64    // what the budget knows of
	inHeld  int      // what in held when the reader last looked
	sharing int64    // likewise, of what others hold too
	lent    int64    // what the handler that runs borrows, besides in
	still   int      // events that the machine has told without consuming a byte
	watch   watch

	// Writing; see write.go.
	out       output
	late      alarm    // see armFlush
	drained   waitList // those who wait until the output is empty
	transform []wire.Transform
	sending

	life
	spare *waiter
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
	a.rested(int64(c.stats.BytesIn))
	if c.talked.opened() {
		a.life.phase = phaseOpen
	}
	a.out.gone, a.sent = c.stats.BytesOut, c.stats.Confirmed
	c.activity = a
}

// rest gives c's activity back, with what makes it cheaper to use again.
func (c *Conn) rest() {
	a := c.activity
	c.activity = nil
	q := a.inbox.q[:0]
	if cap(q) > 16 {
		q = nil
	}
	watch, late, spare, hint := a.watch.alarm, a.late, a.spare, a.out.hint
	*a = activity{} // at once: with the fields in it there would be a copy to move
	a.inbox.q, a.watch.alarm, a.late, a.spare, a.out.hint = q, watch, late, spare, hint
	c.cfg.activities.Put(a)
}

// resting reports whether nothing is under way on c, which is attached to its
// loop. The timers are stopped if nothing else is.
func (c *Conn) resting() bool {
	a := c.activity
	return c.goroutines == 0 && a.underWay == (underWay{}) && a.life.idle() &&
		a.reading.idle() && a.asm.idle() && a.stream == nil && a.inbox.len() == 0 && a.holding == 0 && a.sharing == 0 &&
		a.ready.empty() && a.room.empty() && a.drained.empty() && a.sending.idle() &&
		a.out.idle() && a.transform == nil &&
		a.consumed == int64(c.stats.BytesIn) && a.out.gone == c.stats.BytesOut && a.sent == c.stats.Confirmed &&
		!c.worthWatching() && c.watch.off() && c.late.stop()
}
