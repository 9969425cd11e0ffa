package session

import (
	"github.com/parley-net/parley/wire"
)

// Sendable says why nothing can be sent any more; nil while that is possible.
func (s *Session) Sendable() error {
	if err := s.life.Failure(); err != nil {
		return NotSentHere(err)
	}
	if s.life.Ending() {
		return NotSentHere(s.life.Reason())
	}
	if s.sending.Ours() != DirectionOpen {
		return NotSentHere(errOursEnded)
	}
	return nil
}

// Free reports whether a message can be sent, and the output is not full.
func (s *Session) Free() bool {
	return !s.life.Ending() && !s.life.Reset() && s.sending.Ours() == DirectionOpen && !s.Filled()
}

// UnsentSince returns err, why the connection can't send any more, as that of a
// message that begins behind the given number of bytes of output.
func (s *Session) UnsentSince(from uint64, err error) error {
	gone := s.out.Written()
	if s.out.Writer() == WriterBusy { // of what is being written nobody knows yet
		gone += uint64(len(s.out.Current().Bytes))
	}
	if err == nil || gone > from || s.life.Failure() == nil {
		return err
	}
	return NotSentHere(err)
}

// TakeTurn gives the turn to the caller, if it is free and nobody waits for it.
func (s *Session) TakeTurn() bool {
	if !s.mayTurn() || !s.sending.Turns().Empty() {
		return false
	}
	s.sending.Take()
	return true
}

// ReleaseTurn lets the next sender go on.
func (s *Session) ReleaseTurn() {
	s.sending.Give()
	s.PassTurn()
	s.CheckDrained()
}

// PassTurn gives the turn to who waits for it, if it is free. What Broadcast has sent
// goes to the machine.
func (s *Session) PassTurn() {
	for !s.sending.Turns().Empty() && s.mayTurn() {
		w := s.sending.PopTurn()
		if !w.Post() {
			s.sending.Take()
			w.Signal(nil)
			return
		}
		err := s.post(&Broadcast{m: w.Msg(), body: w.Pool()})
		s.out.Part(w.Pool())
		if err != nil {
			s.host.Unposted(err)
		}
	}
}

// mayTurn reports whether the next message may be handed to the machine. Where that
// depends on the time the driver is told when to pass the turn.
func (s *Session) mayTurn() bool {
	if s.sending.Turn() != TurnFree || s.Filled() {
		return false
	}
	if !s.rules.Traits.TakesTurns {
		return true
	}
	switch {
	case s.overrun(InboxSlack):
		return true // nothing more is read, and a peer that sends so much ahead is no original
	case s.life.Draining(), s.reader == ReaderInStream, s.reader == ReaderGone:
		// a message of the peer may have begun; the program decides when that goes on, if ever
	case !s.asm.Idle(), s.talk.Unread():
		return false // the reader passes the turn when it has read that
	}
	ours, again := s.OurTurn(s.host.Now(), s.host.Unsent() > 0, s.rules.Turn)
	if again > 0 {
		s.host.PassLater(again)
	}
	return ours
}

// Control takes an event that concerns what we have sent.
func (s *Session) Control(ev *wire.Event) {
	switch ev.Kind {
	case wire.EventConfirmed:
		s.stats.Confirm(ev.N)
		if s.talk != nil {
			s.HeardTalk(false)
		}
		s.sending.Confirmed(s.stats.Confirmed)
		s.CheckDrained()
	case wire.EventGranted:
		if s.talk != nil {
			s.talk.Granted()
		}
		s.Granted()
	}
}

// Granted sends the message that is held.
func (s *Session) Granted() {
	if s.sending.Held() == nil {
		return
	}
	s.AppendControl() // what is owed leaves before the body; if the machine fails it is still held
	h, stream := s.sending.Unhold()
	if h == nil {
		return
	}
	if stream {
		h.Sender.Signal(nil)
		return
	}
	s.QueueShared(Segment{Bytes: h.Body, Whole: h.Whole, Done: h.Sender, Pool: h.Pool})
	s.out.Part(h.Pool)
	s.BodySent()
	s.ReleaseTurn()
	s.host.Flush()
}
