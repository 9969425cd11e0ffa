package parley

import (
	"time"

	"github.com/parley-net/parley/internal/poller"
)

// talk keeps the turns on a wire whose peer may not survive that our message
// meets its own (Traits.TakesTurns): when we have spoken, we speak again when the
// peer has confirmed that and has answered, or has been silent for Timeouts.Turn.
// At the beginning it may be about to greet us, which is the same.
type talk struct {
	turn   whoseTurn
	unread bool // what has arrived is not served yet
	since  time.Time
	heard  uint64 // BytesIn at that time
	timer  *time.Timer
}

// whoseTurn it is to speak.
type whoseTurn uint8

const (
	turnTheirs      whoseTurn = iota // we have spoken, or the peer may begin
	turnTheirsBrief                  // likewise, and nothing of what we said stands behind the confirmation
	turnOurs
)

// spoken notes that a message of ours is about to leave.
func (t *talk) spoken() { t.turn = turnTheirsBrief }

// granted notes that the peer has confirmed a message whose payload leaves now.
func (t *talk) granted() { t.turn = turnTheirs }

// heardTalk notes that the peer has confirmed something, after which it may be
// about to answer, or has answered. It is called with the lock held.
func (c *Conn) heardTalk(answered bool) {
	t := c.extra.talk
	if c.stats.Confirmed < c.sending.Sent() { // it had not read what we have said
		return
	}
	if answered {
		t.turn = turnOurs
	}
	t.since, t.heard = time.Now(), c.stats.BytesIn
}

// ourTurn reports whether a message may leave or, if it may when the peer has been
// silent for long enough, when to ask again.
func (c *Conn) ourTurn() (ours bool, again time.Duration) {
	t, limit := c.extra.talk, c.cfg.timeouts.Turn
	if t.turn == turnTheirsBrief {
		limit *= 2 // nothing of ours acknowledges the confirmation, for which the answer may wait
	}
	switch now := time.Now(); {
	case t.turn == turnOurs:
		return true, 0
	case c.stats.Confirmed < c.sending.Sent(), limit < 0:
		return false, 0
	case t.heard != c.stats.BytesIn, poller.Unsent(c.nc) > 0: // it has not yet got all that we have said
		t.since, t.heard = now, c.stats.BytesIn
		return false, limit
	case now.Sub(t.since) < limit:
		return false, limit - now.Sub(t.since)
	default:
		t.turn = turnOurs
		return true, 0
	}
}
