package session

import (
	"fmt"

	"github.com/parley-net/parley/wire"
)

// Offered decides about a message of size bytes that is announced: in memory, not at all,
// or, as stream tells, piece by piece if the driver lets the program have it so. ok is
// false if the connection ends for it.
func (s *Session) Offered(size int64) (stream, ok bool) {
	r := s.rules
	switch {
	case s.life.Ending():
		return false, s.Refuse(ErrClosed)
	case size <= r.MaxMessage:
		s.asm.Begin(size)
		s.Accept()
		return false, true
	case size > r.MaxStream:
		return false, s.Refuse(fmt.Errorf("%w: %d bytes announced, Limits.MaxStream is %d", wire.ErrTooLarge, size, r.MaxStream))
	case s.NextIsLate():
		return false, s.Refuse(s.TooLarge(size, "it came in the place of an answer whose Call had given up"))
	case len(s.transform) > 0:
		return false, s.Refuse(s.TooLarge(size, "raise it, as plugins need the whole message"))
	case r.Handles && !r.Streams:
		return false, s.Refuse(s.TooLarge(size, "raise it, or take such messages with a StreamHandler"))
	}
	return true, true
}

// Accept grants what is offered.
func (s *Session) Accept() {
	s.Machine().Accept()
	s.out.ControlMayPend()
}

// Refuse declines the message offered or being received. It returns false if the wire
// can only do that by ending the connection.
func (s *Session) Refuse(reason error) bool {
	s.host.Counts(SeldomRefused)
	s.asm.Drop()
	s.out.ControlMayPend()
	if err := s.Machine().Refuse(reason); err != nil {
		s.BeginClose(s.Named(err))
		return false
	}
	s.asm.Skip(s.MessageError("refused", reason))
	return true
}

// TooLarge returns why an announced message of size bytes is refused, with what to do.
func (s *Session) TooLarge(size int64, advice string) error {
	return fmt.Errorf("%w: %d bytes announced, Limits.MaxMessage is %d; %s", wire.ErrTooLarge, size, s.rules.MaxMessage, advice)
}

// Piece takes the next bytes of a message that is put together in memory, or skipped. It
// returns false if the connection ends for it.
func (s *Session) Piece(p []byte) bool {
	s.asm.Add(p)
	most := s.rules.MaxMessage
	return !s.asm.Over(most) || s.Refuse(fmt.Errorf("%w: more than %d bytes, which is Limits.MaxMessage", wire.ErrTooLarge, most))
}

// Whole returns the message that has come in pieces, whose last event is given, with the
// buffer from bufpool that holds its bytes.
func (s *Session) Whole(end *wire.Event) (m wire.Message, buf []byte) {
	buf = s.asm.Take()
	m = end.Message.WithBytes(buf)
	if s.rules.Traced {
		s.host.Heard(nil, &wire.Event{Kind: wire.EventMessage, Message: m})
	}
	return m, buf
}

// Lost returns why the message that comes in pieces is lost, as the machine says; nil if
// the program knows that already.
func (s *Session) Lost(err error) error { return s.Named(s.asm.Fail(err)) }

// Deliver gives a message that does not go straight to the handler to whom it belongs: a
// receiver or the inbox. buf, from bufpool, holds its bytes; without it they are
// borrowed.
func (s *Session) Deliver(m wire.Message, buf []byte) {
	s.stats.Message()
	s.talked.Heard()
	if s.Dropping() {
		s.out.StopControl()
		s.CheckDrained()
		return
	}
	if buf == nil {
		m = m.Clone()
	}
	if s.NextIsLate() {
		s.Late(m, nil)
	} else {
		s.Enqueue(s.Weighed(m, buf))
	}
}

// Late takes a message, or its loss, that has come in the place of a Call that has given
// up.
func (s *Session) Late(m wire.Message, lost error) {
	w := s.ready.Pop()
	s.host.Counts(SeldomLate)
	s.ready.Turn(ClaimCall, ClaimInDoubt)
	s.host.Late(w.Msg(), m, lost)
}

// GiveUp ends the wait of w, in l, as its caller gives up. It returns false if the
// conversation is out of step by that, which ends the connection: the second Call has got
// no answer in time.
func (s *Session) GiveUp(l *WaitList, w *Waiter) bool {
	switch {
	case w.claim == ClaimReceive || s.life.Ending():
		l.Remove(w)
	case w.claim == ClaimInDoubt || s.ready.Find(ClaimKept) != nil:
		l.Remove(w)
		reason := fmt.Errorf("%w: peer %s", ErrOutOfStep, s.host.Peer())
		s.BeginClose(reason)
		s.ready.All(reason)
		s.host.Astray()
		return false
	default:
		w.Keep()
	}
	return true
}

// Seldom is what happens seldom enough to be counted by the driver.
type Seldom uint8

const (
	SeldomLost    Seldom = iota // a message could not be delivered
	SeldomRefused               // one was not taken because of its size
	SeldomLate                  // one came in the place of an answer whose Call had given up
)
