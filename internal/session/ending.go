package session

import (
	"errors"

	"github.com/parley-net/parley/wire"
)

// IsDrained reports whether the output has left and the first n messages are confirmed.
func (s *Session) IsDrained(n uint64) bool {
	if s.life.Reset() {
		return true
	}
	if s.out.Pending() > 0 || s.sending.Turn() == TurnTaken { // a message is just being handed over
		return false
	}
	if s.life.Ended() || s.reader == ReaderGone {
		return true // a peer that is not heard any more neither grants nor confirms
	}
	if s.sending.Held() != nil || s.sending.BroadcastQueued() > 0 {
		return false
	}
	if s.Queueing() {
		return true // the answer to our first words comes when the server has come to us
	}
	// A peer whose messages we drop may be closing too, and waiting for us.
	return s.out.Control() == ControlStopped || s.stats.Confirmed >= n && s.Machine().Awaiting() == 0
}

// AfterDrainMark: what comes next has been read since draining began, so the peer can't
// expect that it is taken. A message that waits for the peer's consent is an
// exception: that may stand behind it.
func (s *Session) AfterDrainMark() bool {
	return s.life.Drains() && s.asm.Idle() && s.sending.Held() == nil && s.in.Len() > 0 && s.consumed >= s.life.Mark()
}

// RefusesNew: a draining connection takes no new messages while those it has received
// are being served, unless somebody waits for something of the peer.
func (s *Session) RefusesNew() bool {
	return s.life.Drains() && s.asm.Idle() && !s.Awaited() && s.sending.Confirms().Empty() && s.sending.Held() == nil && !s.waitsForTurn()
}

// EndDraining ends a draining connection when what it has received has been served. A
// message that has begun is waited for if we have accepted it. Reading goes on until the
// peer has closed.
func (s *Session) EndDraining() {
	if s.life.Drains() && s.asm.Idle() && !s.Handling() && !s.inbox.Missed() && (s.rules.Handles || !s.Answerable()) {
		s.BeginClose(ErrServerClosed)
	}
}

// BeginClose begins the end: what has been sent still leaves. The driver carries it out.
func (s *Session) BeginClose(reason error) {
	if s.life.Ending() {
		return
	}
	s.AppendControl() // for what has been delivered
	s.life.BeginClose(reason)
	s.sending.Refuse(NotSentHere(reason))
	s.readerWake.All(nil)
	s.host.Closes()
}

// Violated ends the connection because of what the peer has sent, and returns err with
// the peer's name.
func (s *Session) Violated(err error) error {
	err = s.Named(err)
	s.BeginClose(err)
	s.life.PeerIs(PeerViolated)
	return err
}

// WriteReset gives up the output, as the peer takes nothing more: why is the reason. Reading
// goes on: behind what the peer had sent the reader finds the end.
func (s *Session) WriteReset(why error) {
	s.life.Resets(why)
	s.out.StopControl()
	s.out.Drop(why)
	s.sending.Drop(&s.out, NotSentHere(why), NotSent(why))
}

// Abort ends the connection now: err is the reason, unless there is one already.
func (s *Session) Abort(err error) {
	if s.life.Closed() {
		return
	}
	s.host.Aborting(err)
	s.life.Close(err)
	s.out.Drop(err)
	s.sending.Drop(&s.out, NotSentHere(err), NotSent(err))
	s.sending.Confirms().All(err)
	s.drained.All(err)
	s.readerWake.All(err)
	s.ready.All(err)
	if s.reader == ReaderAttached {
		s.ReaderIs(ReaderGone)
	}
	s.host.Aborted()
}

// Cut is Abort by a program that wants nothing more of the connection, nor what its peer
// had said before it was lost, which has been served until now.
func (s *Session) Cut(err error) {
	s.life.Cut(err)
	s.Abort(err)
}

// Unwanted reports whether this program has ended the connection, so that it does not want
// what was received either. What a peer had sent when it left is served until then.
func (s *Session) Unwanted() bool {
	return s.life.WhyCut() != nil || errors.Is(s.life.Err(), ErrClosed) || errors.Is(s.life.Err(), ErrServerClosed)
}

// EndOurs ends our direction behind what has been sent.
func (s *Session) EndOurs() {
	s.sending.EndOurs()
	s.sending.Refuse(NotSentHere(errOursEnded))
}

// CheckDrained wakes those who wait for the output to be empty, and ends our direction
// behind it if that is wanted.
func (s *Session) CheckDrained() {
	if s.life.Err() == nil && s.sending.OursEnds(&s.out) {
		s.note("end of our stream")
		s.host.EndsOurs()
	}
	for d := &s.drained; !d.Empty() && s.IsDrained(d.First().Want()) && !d.Empty(); { // a machine that fails when asked has ended the connection
		d.Pop().Signal(nil)
	}
}

// FinishIfServed ends a connection whose peer has ended its stream, once all that was
// received has been served.
func (s *Session) FinishIfServed() {
	s.CheckDrained()
	if !s.life.Ended() || s.life.Err() != nil || s.reader != ReaderGone {
		return
	}
	why := s.life.WhyEnded(ErrPeerClosed)
	s.sending.Confirms().All(why) // none can come any more
	if s.rules.Traits.TakesTurns {
		s.PassTurn()
		defer s.host.Flush()
	}
	switch {
	case s.sending.Held() != nil:
		s.BeginClose(why)
	case s.Handling():
		if s.Awaited() {
			s.life.TellEnd()
		}
		s.ready.All(why) // nor a message; but the handler may still answer
		s.host.StaysOpen()
	case !s.rules.Handles && !s.life.Ending() && (s.inbox.Missed() || s.Answerable()):
		s.ready.All(why)   // a Call gets no answer any more
		s.host.StaysOpen() // Receive comes for it
	case s.life.Left() != nil && s.sending.Ours() == DirectionOpen && !s.life.Reset() && !s.life.Ending():
		s.ready.All(why)
		s.host.StaysOpen() // who has asked for PeerClosed may still answer
	default:
		s.BeginClose(why)
	}
}

// PeerEnds notes that the peer's stream has ended.
func (s *Session) PeerEnds() {
	s.life.PeerEnds()
	s.life.TellLeft()
	s.note("end of stream")
}

// PeerLeaves notes that the peer's stream ends behind what nobody reads now.
func (s *Session) PeerLeaves() {
	s.life.TellLeft()
	s.host.StaysOpen()
}

// note traces what comes with no bytes.
func (s *Session) note(what string) {
	if s.rules.Traced {
		s.host.Noted(what)
	}
}

// Farewell appends the machine's last words.
func (s *Session) Farewell() {
	s.AppendControl()
	before := len(s.out.Tail())
	s.out.Appended(s.Machine().Close(s.out.Tail()))
	if words := s.out.Tail()[before:]; len(words) > 0 {
		s.stats.Put(len(words))
		if s.rules.Traced {
			s.host.Traced("farewell", wire.Message{}, words)
		}
	}
}
