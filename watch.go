package parley

import (
	"fmt"
	"time"

	"github.com/parley-net/parley/wire"
)

// watch is a connection's one timer, with what it looks at. It runs only while
// there is something to watch: the handshake, a message that has begun, an answer
// the peer owes, idleness. It looks sixteen times per limit, so a limit is kept
// within seven percent and a message costs nothing.
type watch struct {
	timer    *time.Timer // made when it is needed first
	armed    bool        // it has been started and has not run
	on       bool        // there is something to watch
	tick     time.Duration
	progress tracker
	answer   tracker
	idle     tracker
	arrived  uint64 // BytesIn when progress began to be watched
	answers  uint64 // counted while answer is on
}

// tracker tells how long something has not moved.
type tracker struct {
	since time.Time
	mark  uint64
	on    bool
}

// stuck reports whether mark has not changed for limit. A condition that is
// off is never stuck.
func (t *tracker) stuck(now time.Time, on bool, mark uint64, limit time.Duration) bool {
	if !on || !t.on || mark != t.mark {
		*t = tracker{since: now, mark: mark, on: on}
		return false
	}
	return now.Sub(t.since) >= limit
}

// unwatch stops the watch. It returns false if its timer has run off and waits for
// the lock.
func (c *Conn) unwatch() bool {
	w := &c.watch
	w.on = false
	if w.armed && w.timer.Stop() {
		w.armed = false
	}
	return !w.armed
}

// arm has the watch look after d.
func (c *Conn) arm(d time.Duration) {
	switch w := &c.watch; {
	case w.armed: // it is about to look
	case w.timer == nil:
		w.armed = true
		w.timer = time.AfterFunc(d, c.activity.onWatch)
	default:
		w.armed = true
		w.timer.Reset(d)
	}
}

func (a *activity) onWatch() {
	c := a.owner
	c.lock()
	defer c.unlock()
	w := &c.watch
	w.armed = false
	switch {
	case !w.on:
	case !c.opened:
		c.strange()
	case c.look(time.Now()):
		c.arm(w.tick)
	default:
		w.on = false
	}
}

// watchHandshake bounds the wait for EventOpen. The handshake, with that of TLS
// before it, has begun at the given time.
func (c *Conn) watchHandshake(began time.Time) {
	if limit := c.cfg.timeouts.Handshake; limit > 0 && c.err == nil {
		c.watch.on = true
		c.arm(limit - time.Since(began))
	}
}

// strange ends a connection whose handshake was not done in time.
func (c *Conn) strange() {
	if c.life.ending() { // the peer has not spoken the wire, nor taken our last words
		c.cut(c.reason)
		return
	}
	hint := ""
	if m, ok := c.m.(wire.Hinter); ok {
		hint = m.Hint()
	}
	if hint == "" {
		hint = "is it a " + c.cfg.protocol.Name() + " peer?"
	}
	c.cut(&TimeoutError{Peer: c.peer(), Wait: fmt.Sprintf("the handshake of %s was not done within %v; %s", c.cfg.protocol.Name(), c.cfg.timeouts.Handshake, hint)})
}

// watchSome starts the watch if somebody is about to wait for something that must
// not take for ever.
func (c *Conn) watchSome() {
	if c.watch.on || !c.opened || c.err != nil || !c.worthWatching() {
		return
	}
	t, w := &c.cfg.timeouts, &c.watch
	*w = watch{timer: w.timer, armed: w.armed, on: true, tick: shortest(t.Progress, t.Answer, t.Idle) / 16}
	c.arm(w.tick)
	c.look(time.Now())
}

// worthWatching: there is something that must not take for ever.
func (c *Conn) worthWatching() bool {
	t := &c.cfg.timeouts
	return c.partial && t.Progress > 0 || t.Idle > 0 || t.Answer > 0 && c.m.Awaiting() > 0
}

// look compares the connection with what it was, cuts it if a limit has been
// passed, and reports whether there is still something to watch.
func (c *Conn) look(now time.Time) bool {
	w, t := &c.watch, &c.cfg.timeouts
	partial := (c.partial || c.stream != nil) && t.Progress > 0
	if got, ok := c.progress(now, partial); !ok {
		c.cut(&TimeoutError{Peer: c.peer(), Wait: fmt.Sprintf("a message that had begun brought only %d bytes in %v", got, t.Progress)})
		return false
	}
	awaiting := c.m.Awaiting()
	owing := awaiting > 0 && t.Answer > 0
	if w.answer.stuck(now, owing && c.canAnswer(), w.answers, t.Answer) {
		why := fmt.Sprintf("%d answers the peer owes by the rules of %s, the oldest for %v", awaiting, c.cfg.protocol.Name(), t.Answer)
		if c.reader != readerBusy && c.reader != readerAttached {
			why += "; they may have come, but nothing is read while received messages wait for the program"
		}
		c.cut(&TimeoutError{Peer: c.peer(), Wait: why})
		return false
	}
	if w.idle.stuck(now, t.Idle > 0, c.stats.BytesIn+c.stats.BytesOut, t.Idle) {
		c.cut(&TimeoutError{Peer: c.peer(), Wait: fmt.Sprintf("no traffic for %v", t.Idle)})
		return false
	}
	return partial || owing || t.Idle > 0
}

// progress reports whether a message that has begun brings enough bytes, and
// how many it has brought.
func (c *Conn) progress(now time.Time, on bool) (got uint64, ok bool) {
	w, limit := &c.watch, c.cfg.timeouts.Progress
	if c.stream != nil && !c.partial {
		return 0, true // the program does not read its stream: the clock stands still
	}
	if !w.progress.on || w.progress.mark != c.stats.MessagesIn {
		w.arrived = c.stats.BytesIn
	}
	if !w.progress.stuck(now, on, c.stats.MessagesIn, limit) {
		return 0, true
	}
	got = c.stats.BytesIn - w.arrived
	w.progress.since, w.arrived = now, c.stats.BytesIn
	return got, float64(got) >= float64(c.cfg.limits.MinRate)*limit.Seconds()
}

// canAnswer reports whether an answer of the peer would reach us. It can't come
// in the middle of a message, whose progress is watched instead, and it is not
// read while the program is busy; if somebody waits for it all the same, that
// must end some day.
func (c *Conn) canAnswer() bool {
	if c.partial && c.cfg.timeouts.Progress > 0 { // nor of one without a size, as serpy's
		return false
	}
	return !c.asm.active && c.stream == nil && (c.reader == readerBusy || c.reader == readerAttached || !c.confirms.empty() || c.held != nil)
}

// shortest returns the shortest of the positive durations, at least 16 ms.
func shortest(ds ...time.Duration) time.Duration {
	least := time.Duration(1<<63 - 1)
	for _, d := range ds {
		if d > 0 {
			least = min(least, d)
		}
	}
	return max(least, 16*time.Millisecond)
}
