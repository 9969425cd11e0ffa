package parley

import (
	"fmt"
	"syscall"
	"time"

	"github.com/parley-net/parley/internal/session"

	"github.com/parley-net/parley/internal/poller"
	"github.com/parley-net/parley/wire"
)

// watch is a connection's one timer, with what it looks at. It runs only while
// there is something to watch: the handshake, a message that has begun, an answer
// the peer owes, idleness. It looks sixteen times per limit, so a limit is kept
// within seven percent and a message costs nothing.
type watch struct {
	alarm    alarm
	state    watchState
	tick     time.Duration
	progress session.Tracker
	idle     session.Tracker
	arrived  uint64 // BytesIn when progress began to be watched
	stall    session.Tracker
	silence  time.Time // since when the peer's kernel has answered nothing, or zero
}

type watchState uint8

const (
	watchOff       watchState = iota
	watchHandshake            // until EventOpen
	watchQueue                // likewise, where the server may be serving others first
	watchOpen                 // the trackers, at each tick
)

// silent reports whether the peer's kernel, which has asked it again and heard of it
// last so long ago, or not asked it, has had no answer for span.
func (w *watch) silent(now time.Time, asked bool, last, span time.Duration) bool {
	switch {
	case !asked:
		w.silence = time.Time{}
	case w.silence.IsZero() || last < now.Sub(w.silence):
		w.silence = now
	default:
		return now.Sub(w.silence) >= span
	}
	return false
}

// queue begins to watch a handshake in the queue of a server.
func (w *watch) queue(began time.Time, tick time.Duration) {
	w.state, w.tick = watchQueue, tick
	w.idle = session.TrackerSince(began) // the whole wait
}

// keep keeps the alarm of another watch, which was stopped.
func (w *watch) keep(a alarm) { w.alarm = a }

// off stops the watch. It returns false if its alarm has run off and waits for the
// lock.
func (w *watch) off() bool {
	w.state = watchOff
	return w.alarm.stop()
}

// arm has the watch look after d.
func (c *Conn) arm(d time.Duration) { c.watch.alarm.set(d, c.activity, (*activity).onWatch) }

func (a *activity) onWatch() {
	c := a.owner
	c.lock()
	defer c.unlock()
	w := &c.watch
	w.alarm.rang()
	switch {
	case w.state == watchOff:
	case w.state == watchHandshake:
		c.strange()
	case w.state == watchQueue:
		if !c.lookAtQueue(time.Now()) {
			c.strange()
			break
		}
		c.arm(w.tick)
	case c.look(time.Now()):
		c.arm(w.tick)
	default:
		w.state = watchOff
	}
}

// watchHandshake bounds the wait for EventOpen. The handshake, with that of TLS
// before it, has begun at the given time.
func (c *Conn) watchHandshake(began time.Time) {
	if c.cfg.queue.known && c.s.Life().Err() == nil {
		c.watchQueue(began)
		return
	}
	if limit := c.cfg.timeouts.Handshake; limit > 0 && c.s.Life().Err() == nil {
		c.watch.state = watchHandshake
		c.arm(limit - time.Since(began))
	}
}

// strange ends a connection whose handshake was not done in time.
func (c *Conn) strange() {
	if c.s.Life().Ending() { // the peer has not spoken the wire, nor taken our last words
		c.s.Cut(c.s.Life().Reason())
		return
	}
	c.forsake(&TimeoutError{Peer: c.peer(), Wait: fmt.Sprintf("the handshake of %s was not done within %v; %s", c.cfg.protocol.Name(), c.cfg.timeouts.Handshake, c.hint())})
}

// watchSome starts the watch if somebody is about to wait for something that must
// not take for ever.
func (c *Conn) watchSome() {
	if c.watch.state != watchOff || !c.talked.Opened() || c.s.Life().Err() != nil || !c.worthWatching() {
		return
	}
	t, w := &c.cfg.timeouts, &c.watch
	c.s.WatchAnswers()
	*w = watch{alarm: w.alarm, state: watchOpen, tick: shortest(t.Progress, t.Answer, t.Idle, t.Stall, 4*t.KeepAlive) / 16}
	c.arm(w.tick)
	c.look(time.Now())
}

// worthWatching: there is something that must not take for ever.
func (c *Conn) worthWatching() bool {
	t := &c.cfg.timeouts
	if t.Idle > 0 || t.Answer > 0 && c.s.Machine().Awaiting() > 0 {
		return true
	}
	waiting := c.s.Out().Waiting()
	return c.s.Partial() && (t.Stall > 0 || t.Progress > 0 && !c.cfg.patient(c.vital, waiting).progress) || waiting && (t.Stall > 0 || c.vital == vitalAlways)
}

// look compares the connection with what it was, cuts it if a limit has been
// passed, and reports whether there is still something to watch.
func (c *Conn) look(now time.Time) bool {
	w, t, patient := &c.watch, &c.cfg.timeouts, c.cfg.patient(c.vital, c.s.Out().Waiting())
	partial := (c.s.Partial() || c.stream != nil) && t.Progress > 0 && !patient.progress
	if got, ok := c.progress(now, partial); !ok {
		c.tooSlow(fieldProgress, fmt.Sprintf("a message that had begun brought only %d bytes in %v", got, t.Progress))
		return false
	}
	awaiting := c.s.Machine().Awaiting()
	owing := awaiting > 0 && t.Answer > 0
	if owing && patient.answer { // what waits for the peer's program may take its time
		owing = awaiting > c.s.Machine().AwaitingProgram()
	}
	if owing && c.s.Reader() == session.ReaderParked { // the answer may be there, behind what a handler has not taken
		c.s.AnswerDue()
		c.s.Room().All(nil)
	}
	moved := c.s.Answers()
	if patient.progress && c.s.Partial() {
		moved += c.stats.BytesIn // of what comes before the answer
	}
	if c.s.Answer().Stuck(now, owing && c.canAnswer(patient), moved, t.Answer) {
		why := fmt.Sprintf("%d answers the peer owes by the rules of %s, the oldest for %v", awaiting, c.cfg.protocol.Name(), t.Answer)
		if c.s.Reader() != session.ReaderBusy && c.s.Reader() != session.ReaderAttached {
			why += "; they may have come, but nothing is read while received messages wait for the program"
		} else {
			why += c.stalled()
		}
		c.s.Cut(&TimeoutError{Peer: c.peer(), Wait: why})
		return false
	}
	if w.idle.Stuck(now, t.Idle > 0, c.stats.BytesIn+c.stats.BytesOut, t.Idle) {
		c.s.Cut(&TimeoutError{Peer: c.peer(), Wait: fmt.Sprintf("no traffic for %v", t.Idle)})
		return false
	}
	stalling := (c.s.Partial() || c.s.Out().Waiting()) && t.Stall > 0
	what := "output waits"
	if c.s.Partial() {
		what = "a message has begun"
	}
	if w.stall.Stuck(now, stalling, c.stats.BytesIn+uint64(c.taken()), t.Stall) {
		c.s.Cut(&TimeoutError{Peer: c.peer(), Wait: fmt.Sprintf("%s, and nothing has moved for %v (Timeouts.Stall)", what, t.Stall)})
		return false
	}
	return c.lives(now) && (partial || awaiting > 0 && t.Answer > 0 || stalling || t.Idle > 0 || c.vital == vitalAlways && c.s.Out().Waiting())
}

// stalled says what it may mean that the peer does not answer, behind what is known.
func (c *Conn) stalled() string {
	if hint := wire.ExplainSilence(c.cfg.protocol); hint != "" && c.talked.Opened() && c.s.Machine().Awaiting() > 0 {
		return "; " + hint
	}
	return ""
}

// progress reports whether a message that has begun brings enough bytes, and
// how many it has brought.
func (c *Conn) progress(now time.Time, on bool) (got uint64, ok bool) {
	w, limit := &c.watch, c.cfg.timeouts.Progress
	if c.stream != nil && !c.s.Partial() {
		return 0, true // the program does not read its stream: the clock stands still
	}
	if !w.progress.On() || w.progress.Mark() != c.stats.MessagesIn {
		w.arrived = c.stats.BytesIn
	}
	if !w.progress.Stuck(now, on, c.stats.MessagesIn, limit) {
		return 0, true
	}
	got = c.stats.BytesIn - w.arrived
	w.progress.Restart(now)
	w.arrived = c.stats.BytesIn
	return got, float64(got) >= float64(c.cfg.limits.MinRate)*limit.Seconds()
}

// canAnswer reports whether an answer of the peer would reach us. It can't come
// in the middle of a message, whose progress is watched instead, and it is not
// read while the program is busy; if somebody waits for it all the same, that
// must end some day.
func (c *Conn) canAnswer(patient patience) bool {
	reading := c.s.Reader() == session.ReaderBusy || c.s.Reader() == session.ReaderAttached || !c.s.Sending().Confirms().Empty() || c.s.Sending().Held() != nil
	if patient.progress { // nobody else watches that message
		return reading && (c.stream == nil || c.s.Partial())
	}
	if c.s.Partial() && c.cfg.timeouts.Progress > 0 { // nor of one without a size, as serpy's
		return false
	}
	return reading && c.s.Assembly().Idle() && c.stream == nil
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

// shortageOf is a shortage of what connections hold, for relief: how they fare, and
// how they end.
func shortageOf(what string, missing func() int64, who func() []candidate[*Conn]) shortage[*Conn] {
	return shortage[*Conn]{what, missing, who,
		func(c *Conn) (p pace, b bounds) {
			c.hold()
			defer c.letGo()
			if c.activity == nil {
				return p, b // at rest
			}
			p.ended = c.s.Life().Closed()
			if p.ended || !c.talked.Opened() {
				return p, b
			}
			patient := c.cfg.patient(c.vital, c.s.Out().Waiting())
			p.arriving, p.messages, p.in = c.s.Partial() && patient.progress, c.stats.MessagesIn, c.stats.BytesIn
			if p.waiting = c.s.Out().Waiting() && patient.write; p.waiting {
				p.taken = c.taken()
			}
			return p, bounds{c.cfg.timeouts.Write, c.cfg.timeouts.Progress, c.cfg.limits.MinRate}
		},
		func(c *Conn, f field, how string) {
			c.lock()
			defer c.unlock()
			c.tooSlow(f, how)
		},
	}
}

// tooSlow ends a connection that is too slow; how says in what way.
func (c *Conn) tooSlow(f field, how string) {
	how = fmt.Sprintf("%s (%v)", how, f)
	if f == fieldWrite {
		c.cfg.faults.timeouts.Add(1)
		c.s.Cut(connError(&c.s, fmt.Errorf("%w: %s", ErrSlowConsumer, how)))
		return
	}
	c.s.Cut(&TimeoutError{Peer: c.peer(), Wait: how})
}

// lives reports whether the peer's kernel answers while output waits for it; if not,
// the connection has ended.
func (c *Conn) lives(now time.Time) bool {
	var peer poller.Vitals
	if c.vital == vitalAlways && c.s.Out().Waiting() {
		peer, _ = poller.VitalsOf(c.nc)
	}
	span := 5 * c.cfg.timeouts.KeepAlive // until keep-alive gives up
	if !c.watch.silent(now, peer.Asked, peer.Heard, span) {
		return true
	}
	c.cfg.faults.timeouts.Add(1)
	c.s.Cut(connError(&c.s, fmt.Errorf("output waits, and the peer's system has answered nothing for %v (Timeouts.KeepAlive): %w", span, syscall.ETIMEDOUT)))
	return false
}
