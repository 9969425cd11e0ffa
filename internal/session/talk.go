package session

import "time"

// Talk keeps the turns on a wire whose peer may not survive that our message
// meets its own (Traits.TakesTurns): when we have spoken, we speak again when the
// peer has confirmed that and has answered, or has been silent for Timeouts.Turn.
// At the beginning it may be about to greet us, which is the same.
type Talk struct {
	turn   whoseTurn
	unread bool // what has arrived is not served yet
	since  time.Time
	heard  uint64 // BytesIn at that time
}

// whoseTurn it is to speak.
type whoseTurn uint8

const (
	turnTheirs      whoseTurn = iota // we have spoken, or the peer may begin
	turnTheirsBrief                  // likewise, and nothing of what we said stands behind the confirmation
	turnOurs
)

// spoken notes that a message of ours is about to leave.
func (t *Talk) spoken() { t.turn = turnTheirsBrief }

// Granted notes that the peer has confirmed a message whose payload leaves now.
func (t *Talk) Granted() { t.turn = turnTheirs }

// reads notes whether something that has arrived is not served yet.
func (t *Talk) reads(unread bool) { t.unread = unread }

// from notes when the peer's turn has begun, and what had come by then.
func (t *Talk) from(now time.Time, heard uint64) { t.since, t.heard = now, heard }

// ours notes that it is our turn.
func (t *Talk) ours() { t.turn = turnOurs }

// HeardTalk notes that the peer has confirmed something, after which it may be
// about to answer, or has answered.
func (s *Session) HeardTalk(answered bool) {
	if s.stats.Confirmed < s.sending.ExpectConfirms() { // it had not read what we have said
		return
	}
	if answered {
		s.talk.ours()
	}
	s.talk.from(s.host.Now(), s.stats.BytesIn)
}

// OurTurn reports whether a message may leave or, if it may when the peer has been
// silent for long enough, when to ask again. unsent: it has not yet got all that we have
// said. limit is how long a silence is enough, none if it is negative.
func (s *Session) OurTurn(now time.Time, unsent bool, limit time.Duration) (ours bool, again time.Duration) {
	t := s.talk
	if t.turn == turnTheirsBrief {
		limit *= 2 // nothing of ours acknowledges the confirmation, for which the answer may wait
	}
	switch {
	case t.turn == turnOurs, s.life.Ended():
		return true, 0
	case s.stats.Confirmed < s.sending.ExpectConfirms(), limit < 0:
		return false, 0
	case t.heard != s.stats.BytesIn, unsent:
		t.from(now, s.stats.BytesIn)
		return false, limit
	case now.Sub(t.since) < limit:
		return false, limit - now.Sub(t.since)
	default:
		t.ours()
		return true, 0
	}
}

// Unread is what has arrived is not served yet.
func (t *Talk) Unread() bool { return t.unread }
