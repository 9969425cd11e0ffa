package reliability

import (
	"errors"
	"strings"
	"time"

	"github.com/parley-net/parley"
)

// waitQuiet waits until everything has been sent and has arrived.
func (a *actor) waitQuiet() {
	done := a.doing("everything to arrive")
	defer done(nil)
	for _, e := range a.sim.ends {
		e.left.Wait()
	}
	for patience := time.Millisecond; a.conn.Err() == nil; patience *= 2 {
		time.Sleep(patience)
		if a.sim.quiet() {
			time.Sleep(a.sim.venue.settled)
			if a.sim.quiet() {
				return
			}
		}
	}
}

// quiet: everything has arrived, and nobody is about to answer. It looks twice for
// what has not arrived: a receiver that was waiting at the first look may have got
// the last message before the second, and not answered yet.
func (s *sim) quiet() bool {
	arrived := func() bool {
		return s.ends[dialing].sends.outstanding()+s.ends[accepting].sends.outstanding() == 0
	}
	return arrived() && s.busy.Load() == 0 && arrived()
}

// judge looks at the result.
func (s *sim) judge() {
	for _, e := range s.ends {
		for _, k := range e.kept {
			if s.kind.key(k.m) != k.key {
				s.problem("%s: a message changed after Receive had returned it: %v", e.name, k.m)
			}
		}
		// Whatever an end has sent before it closes arrives if the other one
		// goes on reading.
		all := s.plan.ending == endQuiet || s.plan.ending == endEarly && s.plan.closer == e.side || s.plan.ending == endShutdown && e.side == accepting
		if s.kind.traits().Lockstep && s.plan.ending == endEarly {
			all = e.side == dialing
		}
		if s.plan.cancel && s.plan.ending != endQuiet {
			all = false
		}
		if s.plan.cancel && e.conn != nil && (cancelled(s.ends[0].closed) || cancelled(s.ends[1].closed)) {
			all = false
		}
		s.problems = append(s.problems, e.sends.verdict(all, s.dropped(s.ends[1-e.side]))...)
		if e.conn != nil {
			s.checkStats(e)
		}
	}
}

// dropped returns how many messages e has received, and confirmed, but not given
// to its handler because it had closed the connection itself meanwhile, or had cut it behind its loss.
func (s *sim) dropped(e *end) int {
	if e.conn == nil || s.plan.pull[e.side] || !errors.Is(e.closed, parley.ErrClosed) && !e.unwanted.Load() {
		return 0
	}
	return e.conn.Stats().Waiting
}

// cancelled reports whether a connection was ended by a send that was given up.
func cancelled(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "cancelled in the middle") || !errors.Is(err, parley.ErrClosed) && !errors.Is(err, parley.ErrPeerClosed))
}

// checkStats compares the connection's counters with what has happened.
func (s *sim) checkStats(e *end) {
	st := e.conn.Stats()
	if st.Waiting != 0 && s.plan.pull[e.side] {
		s.problem("%s: %d messages wait in a connection that has ended and been received from", e.name, st.Waiting)
	}
	if st.Pending != 0 {
		s.problem("%s: %d bytes are pending on a connection that has ended", e.name, st.Pending)
	}
	if s.plan.ending == endQuiet && st.Lost+st.TooLarge != 0 {
		s.problem("%s: %d messages lost, %d refused", e.name, st.Lost, st.TooLarge)
	}
	if int(st.Confirmed) < e.sends.confirms {
		s.problem("%s: %d calls of Confirm succeeded with %d confirmations", e.name, e.sends.confirms, st.Confirmed)
	}
}
