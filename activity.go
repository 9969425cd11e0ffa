package parley

import (
	"time"

	"github.com/parley-net/parley/internal/session"
)

// activity is what a connection needs only while something is under way: while
// bytes, messages or callers wait, or one of its goroutines runs. A connection
// that is attached to an event loop and at rest has none, and borrows one of its
// Server's when it is locked. Its zero value is that of a connection at rest.
type activity struct {
	owner  *Conn // for the timers; it does not change while one of them is armed
	s      session.Session
	driver driver
	weight weight
	stream *Stream     // being read by the program
	watch  alarm       // when to look at the limits
	late   alarm       // see armFlush
	bound  *time.Timer // ends a connection whose peer has ended its stream
	spare  spareWaiter
}

// until has f called after d, once: it ends a connection whose peer has ended its stream.
func (h *host) until(d time.Duration, f func()) {
	if h.bound == nil {
		h.bound = time.AfterFunc(d, f)
	}
}

// unwatch ends the watch. It returns false if its alarm has run off and waits for the
// lock.
func (a *activity) unwatch() bool {
	a.s.Unwatch()
	return a.watch.stop()
}

// stopTimers keeps them from calling back.
func (h *host) stopTimers() {
	(*activity)(h).unwatch()
	h.late.stop()
	if h.bound != nil {
		h.bound.Stop()
	}
}

// reads says which stream the program reads, nil: none.
func (a *activity) reads(s *Stream) { a.stream = s }

// resume gives c an activity.
func (c *Conn) resume() {
	a, ok := c.cfg.activities.Get().(*activity)
	if !ok {
		a = new(activity)
	}
	a.owner = c
	var turns *session.Talk
	if c.extra != nil {
		turns = c.extra.talk
	}
	a.s.Begin(c.m, (*host)(a), &c.cfg.rules, &c.stats, &c.talked, turns, c.vital)
	c.activity = a
}

// hibernate gives c's activity back, with what makes it cheaper to use again.
func (c *Conn) hibernate() {
	a := c.activity
	c.activity = nil
	spares, watch, late, spare := a.s.Spares(), a.watch, a.late, a.spare
	*a = activity{} // at once: with the fields in it there would be a copy to move
	a.watch, a.late, a.spare = watch, late, spare
	a.s.Reuse(spares)
	c.cfg.activities.Put(a)
}

// resting reports whether nothing is under way on c, which is attached to its
// loop. The timers are stopped if nothing else is.
func (c *Conn) resting() bool {
	a := c.activity
	return c.goroutines == 0 && a.s.Idle() && a.stream == nil && a.weight.idle() &&
		!a.s.WorthWatching() && a.unwatch() && c.late.stop()
}

// alarm is a timer of a connection. It is made when it is needed first and kept:
// what it calls takes the connection's lock, under which the rest is called.
type alarm struct {
	timer *time.Timer
	armed bool // it has been set, and what it calls has not had the lock
}

// set has f called with a after d, unless it is going to be called already.
func (al *alarm) set(d time.Duration, a *activity, f func(*activity)) {
	switch {
	case al.armed:
	case al.timer == nil:
		al.armed = true
		al.timer = time.AfterFunc(d, func() { f(a) })
	default:
		al.armed = true
		al.timer.Reset(d)
	}
}

// stop keeps f from being called. It returns false if that has been called and waits
// for the lock.
func (al *alarm) stop() bool {
	if al.armed && al.timer.Stop() {
		al.armed = false
	}
	return !al.armed
}

// rang is what f calls first.
func (al *alarm) rang() { al.armed = false }

// spareWaiter is a waiter that is kept for reuse, so that a client that waits for each
// answer does not allocate.
type spareWaiter struct{ w *session.Waiter }

// take returns a waiter.
func (s *spareWaiter) take() *session.Waiter {
	w := s.w
	s.w = nil
	return session.NewWaiter(w)
}

// keep keeps w for who waits next.
func (s *spareWaiter) keep(w *session.Waiter) { s.w = w }

// weight is what the budget knows of a connection.
type weight struct {
	holding int64 // what it alone holds
	sharing int64 // what it holds with others
	inHeld  int   // what in held when the reader last looked
	lent    int64 // what the handler that runs borrows, besides in
}

// idle reports whether the budget knows of nothing.
func (w *weight) idle() bool { return w.holding == 0 && w.sharing == 0 }

// keeps says what in holds.
func (w *weight) keeps(n int) { w.inHeld = n }

// lend says what the handler that runs borrows.
func (w *weight) lend(n int64) { w.lent = n }

// of weighs a connection that holds its session, and reports whether the budget need
// know: small changes don't matter.
func (w *weight) of(s *session.Session) bool {
	own, shared := s.Held()+int64(w.inHeld)+w.lent, s.Out().Pooled()
	if own < budgetStep {
		own = 0
	}
	known := own == w.holding && shared == w.sharing
	w.holding, w.sharing = own, shared
	return !known
}

// free takes n off what the connection holds.
func (w *weight) free(n int64) {
	if w.holding = max(0, w.holding-n); w.holding < budgetStep {
		w.holding = 0
	}
}

// drop says that nothing is read or handled any more, and that what waits for the program
// is the program's own.
func (w *weight) drop() { *w = weight{} }
