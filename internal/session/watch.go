package session

import (
	"fmt"
	"time"
)

// Watch is what is known of what must not take for ever: the handshake, a message that
// has begun, an answer the peer owes, idleness. The driver looks sixteen times per limit,
// so a limit is kept within seven percent and a message costs nothing.
type Watch struct {
	state    watchState
	tick     time.Duration
	progress Tracker
	arrived  uint64    // BytesIn when progress began to be watched
	idle     Tracker   // in the queue of a server: of the whole wait
	stall    Tracker   // of what moves either way
	silence  time.Time // since when the peer's kernel has answered nothing, or zero
	answer   Tracker   // of what the peer owes
	answers  uint64    // that the peer has given while answer is on
	behind   Tracker   // of an answer that may stand behind what a handler has not taken
}

type watchState uint8

const (
	watchOff       watchState = iota
	watchHandshake            // until EventOpen
	watchQueue                // likewise, where the server may be serving others first
	watchOpen                 // the trackers, at each tick
)

// queueNotice is after how long a silence the driver is told of the queue.
const queueNotice = time.Second

// begin begins the watch of an open connection.
func (w *Watch) begin(tick time.Duration) { *w = Watch{state: watchOpen, tick: tick} }

// answered counts an answer of the peer.
func (w *Watch) answered() { w.answers++ }

// ForgiveProgress does not count d as the peer's time.
func (w *Watch) ForgiveProgress(d time.Duration) { w.progress.Forgive(d) }

// Unwatch ends the watch.
func (w *Watch) Unwatch() { w.state = watchOff }

// silent reports whether the peer's kernel, which has asked it again and heard of it
// last so long ago, or not asked it, has had no answer for span.
func (w *Watch) silent(now time.Time, asked bool, last, span time.Duration) bool {
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

// WatchHandshake bounds the wait for EventOpen. The handshake, with that of TLS before
// it, has begun at the given time.
func (s *Session) WatchHandshake(began time.Time) {
	w, r := &s.Watch, s.rules
	switch limit := r.Handshake; {
	case s.life.Err() != nil:
	case r.Queues:
		w.tick = queueNotice / 4
		if limit > 0 {
			w.tick = shortest(min(limit, queueNotice)) / 4
		}
		w.state, w.idle = watchQueue, TrackerSince(began)
		s.host.LookAfter(w.tick)
	case limit > 0:
		w.state = watchHandshake
		s.host.LookAfter(limit - s.host.Now().Sub(began))
	}
}

// WatchWaits begins the watch if somebody is about to wait for something that must not
// take for ever.
func (s *Session) WatchWaits() {
	if s.Watch.state != watchOff || !s.talked.Opened() || s.life.Err() != nil || !s.WorthWatching() {
		return
	}
	r := s.rules
	s.Watch.begin(shortest(r.Progress, r.Answer, r.Idle, r.Stall, 4*r.KeepAlive) / 16)
	s.host.LookAfter(s.Watch.tick)
	s.look(s.host.Now())
}

// WorthWatching reports whether there is something that must not take for ever.
func (s *Session) WorthWatching() bool {
	r := s.rules
	if r.Idle > 0 || r.Answer > 0 && s.Machine().Awaiting() > 0 {
		return true
	}
	waiting := s.out.Waiting()
	return s.partial && (r.Stall > 0 || r.Progress > 0 && !s.Patient().Progress) || waiting && (r.Stall > 0 || s.vital == VitalAlways)
}

// Patient returns which clocks count only in a shortage.
func (s *Session) Patient() Patience { return s.rules.Patience.With(s.vital, s.out.Waiting()) }

// Look compares the connection with what it was, when the driver was told to look. A
// limit that has been passed ends it.
func (s *Session) Look() {
	now := s.host.Now()
	switch w := &s.Watch; {
	case w.state == watchOff:
	case w.state == watchHandshake, w.state == watchQueue && !s.lookAtQueue(now):
		if s.life.Ending() { // the peer has not spoken the wire, nor taken our last words
			s.Abort(s.life.Reason())
			return
		}
		s.Overdue(LimitHandshake, fmt.Sprintf("the handshake of %s was not done within %v", s.rules.Name, s.rules.Handshake))
	case w.state == watchQueue, s.look(now):
		s.host.LookAfter(w.tick)
	default:
		w.state = watchOff
	}
}

// Taken returns a figure that grows with what the peer takes and confirms.
func (s *Session) Taken() int64 { return s.host.Taken() }

// Overdue ends the connection, as a limit has been passed; how says in what way.
func (s *Session) Overdue(l Limit, how string) { s.host.Overdue(l, how) }

// lookAtQueue tells of the queue, once, and reports whether the connection may go on
// waiting in it.
func (s *Session) lookAtQueue(now time.Time) bool {
	w, limit := &s.Watch, s.rules.Handshake
	silent := s.stats.BytesIn == 0
	if silent && w.idle.Mark() == 0 && now.Sub(w.idle.Since()) >= queueNotice {
		w.idle.Note(1)
		s.host.Queues()
	}
	if s.rules.Unbounded {
		return !w.answer.Stuck(now, !silent, 0, limit)
	}
	return limit < 0 || now.Sub(w.idle.Since()) < limit
}

// Forsake ends a connection whose handshake is not waited for any more, because of err.
// Where the server may be serving others the farewell is said all the same.
func (s *Session) Forsake(err error) {
	if !s.rules.Queues {
		s.Abort(err)
		return
	}
	s.Unwatch()
	s.BeginClose(err)
	s.life.Opens().All(err)
}

// look is Look for an open connection; it reports whether there is still something to
// watch.
func (s *Session) look(now time.Time) bool {
	w, r, patient := &s.Watch, s.rules, s.Patient()
	partial := (s.partial || s.host.Streaming()) && r.Progress > 0 && !patient.Progress
	if got, ok := s.progresses(now, partial); !ok {
		s.Overdue(LimitProgress, fmt.Sprintf("a message that had begun brought only %d bytes in %v", got, r.Progress))
		return false
	}
	awaiting := s.Machine().Awaiting()
	owing := awaiting > 0 && r.Answer > 0
	if owing && patient.Answer { // what waits for the peer's program may take its time
		owing = awaiting > s.Machine().AwaitingProgram()
	}
	if w.behind.Stuck(now, owing && s.reader == ReaderParked, s.stats.MessagesIn, r.Answer/8) { // the answer may be there, behind what a handler has not taken
		s.AnswerDue()
		s.readerWake.All(nil)
	}
	moved := w.answers
	if patient.Progress && s.partial {
		moved += s.stats.BytesIn // of what comes before the answer
	}
	if w.answer.Stuck(now, owing && s.canAnswer(patient), moved, r.Answer) {
		why := fmt.Sprintf("%d answers the peer owes by the rules of %s, the oldest for %v", awaiting, r.Name, r.Answer)
		if !s.Reads() {
			why += "; they may have come, but nothing is read while received messages wait for the program"
		} else {
			why += s.Stalled()
		}
		s.Overdue(LimitOther, why)
		return false
	}
	if w.idle.Stuck(now, r.Idle > 0, s.stats.BytesIn+s.stats.BytesOut, r.Idle) {
		s.Overdue(LimitOther, fmt.Sprintf("no traffic for %v", r.Idle))
		return false
	}
	stalling := (s.partial || s.out.Waiting()) && r.Stall > 0
	what := "output waits"
	if s.partial {
		what = "a message has begun"
	}
	if w.stall.Stuck(now, stalling, s.stats.BytesIn+uint64(s.host.Taken()), r.Stall) {
		s.Overdue(LimitOther, fmt.Sprintf("%s, and nothing has moved for %v (Timeouts.Stall)", what, r.Stall))
		return false
	}
	return s.lives(now) && (partial || awaiting > 0 && r.Answer > 0 || stalling || r.Idle > 0 || s.vital == VitalAlways && s.out.Waiting())
}

// Stalled says what it may mean that the peer does not answer, behind what is known.
func (s *Session) Stalled() string {
	if s.rules.Silence != "" && s.talked.Opened() && s.Machine().Awaiting() > 0 {
		return "; " + s.rules.Silence
	}
	return ""
}

// progresses reports whether a message that has begun brings enough bytes, and how many
// it has brought.
func (s *Session) progresses(now time.Time, on bool) (got uint64, ok bool) {
	w, limit := &s.Watch, s.rules.Progress
	if s.host.Streaming() && !s.partial {
		return 0, true // the program does not read its stream: the clock stands still
	}
	if !w.progress.On() || w.progress.Mark() != s.stats.MessagesIn {
		w.arrived = s.stats.BytesIn
	}
	if !w.progress.Stuck(now, on, s.stats.MessagesIn, limit) {
		return 0, true
	}
	got = s.stats.BytesIn - w.arrived
	w.progress.Restart(now)
	w.arrived = s.stats.BytesIn
	return got, float64(got) >= float64(s.rules.MinRate)*limit.Seconds()
}

// canAnswer reports whether an answer of the peer would reach us. It can't come in the
// middle of a message, whose progress is watched instead, and it is not read while the
// program is busy; if somebody waits for it all the same, that must end some day.
func (s *Session) canAnswer(patient Patience) bool {
	reading := s.Reads() || !s.sending.Confirms().Empty() || s.sending.Held() != nil
	if patient.Progress { // nobody else watches that message
		return reading && (!s.host.Streaming() || s.partial)
	}
	if s.partial && s.rules.Progress > 0 { // nor of one without a size, as serpy's
		return false
	}
	return reading && s.asm.Idle() && !s.host.Streaming()
}

// lives reports whether the peer's kernel answers while output waits for it; if not, the
// connection has ended.
func (s *Session) lives(now time.Time) bool {
	asked, heard := false, time.Duration(0)
	if s.vital == VitalAlways && s.out.Waiting() {
		asked, heard = s.host.Asked()
	}
	span := 5 * s.rules.KeepAlive // until keep-alive gives up
	if !s.silent(now, asked, heard, span) {
		return true
	}
	s.Overdue(LimitAlive, fmt.Sprintf("output waits, and the peer's system has answered nothing for %v (Timeouts.KeepAlive)", span))
	return false
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
