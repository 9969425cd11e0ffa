package session

import (
	"slices"

	"github.com/parley-net/parley/wire"
)

// inbound is what has arrived and is not consumed, and where in the peer's stream that
// is.
type inbound struct {
	in  *Input
	own Input // what in points to at first

	consumed     int64  // bytes of the peer that the machine has consumed
	messageStart int64  // of these, those before the last message
	seen         []byte // for the trace: the input as it has arrived
	first        []byte // until the handshake is done: how the peer's stream begins
	failed       error  // reading has failed, behind what in holds
}

// idle reports whether nothing has arrived that is not consumed.
func (r *inbound) idle() bool { return !r.in.Holds() }

// rested begins anew, when count bytes of the peer have been consumed.
func (r *inbound) rested(count int64) { r.in, r.consumed = &r.own, count }

// ReadFrom makes in what the machine consumes, and returns what was before.
func (r *inbound) ReadFrom(in *Input) (was *Input) {
	was, r.in = r.in, in
	return was
}

// Fork has the machine consume a copy of the input, and returns what it was before, from which the program's code may borrow.
func (r *inbound) Fork() (was *Input) {
	rest := r.in.Fork()
	return r.ReadFrom(&rest)
}

// MessageStarts notes that a message begins here.
func (r *inbound) MessageStarts() { r.messageStart = r.consumed }

// Consume counts n bytes that the machine has consumed.
func (r *inbound) Consume(n int) { r.consumed += int64(n) }

// ReadFails notes that reading has failed, behind what has arrived.
func (r *inbound) ReadFails(err error) { r.failed = err }

// ReadFailed says how reading has failed, behind what has arrived; nil: it has not.
func (r *inbound) ReadFailed() error { return r.failed }

// ForgetFirst forgets how the peer's stream begins.
func (r *inbound) ForgetFirst() { r.first = nil }

// Dropping reports whether what arrives is dropped, and must not be confirmed, as the
// connection is ending. What crosses a message that waits for the peer's consent must be, as
// the wire wants it so: that is delivered.
func (s *Session) Dropping() bool { return s.life.Ending() && s.sending.Held() == nil }

// Enqueue gives r to the first receiver, or to the inbox.
func (s *Session) Enqueue(r Received) {
	if !s.ready.Empty() {
		s.ready.Pop().Get(r.Msg, r.Err)
		return
	}
	s.inbox.Push(r)
}

// Pop takes the next message out of the inbox, which is not empty, and lets reading go on.
func (s *Session) Pop() Received {
	r := s.inbox.Pop()
	s.host.Freed(r.Held)
	s.readerWake.All(nil)
	s.FinishIfServed()
	return r
}

// Untransformed runs the plugins over a message that was received. If they can't read it,
// it counts as one all the same.
func (s *Session) Untransformed(m wire.Message) (plain wire.Message, buf []byte, err error) {
	plain, buf, err = s.host.Untransformed(m)
	if err != nil && s.life.Err() == nil {
		s.stats.Message()
		err = s.MessageError("a plugin can't read the message; both peers need the same plugins and keys", err)
	}
	return plain, buf, err
}

// Weighed returns m, whose bytes lie in buf or are its own, with what it weighs. What
// an object holds only its machine knows: the limits of package pickle, the most that
// any may, are 48 times its form up to 32 MiB, or else 4 times.
func (s *Session) Weighed(m wire.Message, buf []byte) Received {
	if m.Type() <= wire.TypeText {
		return Received{Msg: m, Held: int64(cap(buf))}
	}
	form := s.consumed - s.messageStart
	return Received{Msg: m, Len: int(form), Held: min(48*form, max(32<<20, 4*form))}
}

// ForHandler reports whether the next message goes straight to the handler.
func (s *Session) ForHandler() bool {
	return s.rules.Handles && !s.Handling() && !s.Dropping() && s.ready.Empty()
}

// NextIsLate reports whether the next message comes in the place of a Call that
// has given up.
func (s *Session) NextIsLate() bool {
	return !s.ready.Empty() && s.ready.First().Claim() == ClaimKept
}

// Awaited reports whether somebody waits for a message.
func (s *Session) Awaited() bool {
	return !s.ready.Empty() && (s.ready.First() != s.ready.Last() || !s.NextIsLate())
}

// Unread gives r to the first Receive, or to the inbox unless that is half full:
// a program that only calls never empties it.
func (s *Session) Unread(r Received) {
	switch l, to := s.rules, s.ready.Find(ClaimReceive); {
	case to != nil:
		s.ready.Remove(to)
		to.Signal(r.Err)
	case 2*s.inbox.Len() < l.MaxQueue && 2*(s.inbox.Bytes()+r.Msg.Len()) <= l.MaxInput:
		s.inbox.Push(r)
	}
}

// Direct returns where to read so that a large message's bytes need no copy,
// or nil. It never takes the message's last byte: so no message is complete,
// and no handler runs, while they are processed.
func (s *Session) Direct() []byte {
	if s.in.Len() > 0 {
		return nil
	}
	return s.asm.Space()
}

// MessageError says that the message that began last is lost.
func (s *Session) MessageError(rule string, err error) error {
	return &wire.MessageError{Protocol: s.rules.Name, Peer: s.host.Peer(), Offset: s.messageStart, Rule: rule, Err: err}
}

// Answerable reports whether a program that receives may still have to answer what it
// has just received, though the peer has closed its direction; its next Receive ends the
// connection.
func (s *Session) Answerable() bool {
	return s.rules.Role == wire.Accepting && s.sending.Ours() == DirectionOpen && s.stats.MessagesIn > 0 && !s.Awaited() && !s.life.EndTold()
}

// MustPark reports whether nothing more may be read: the inbox is full, or the server's budget nearly used up, and nobody
// has come for what is in it; or, where
// answers stay in the order of messages, the last one may not be answered yet,
// and the machine would answer what follows (a ping) before it; or a handler runs that
// waits for nothing, and the wire would confirm what the handler has not taken; or it
// came too late for a connection that is draining. If the connection is broken nothing
// can be answered, and what has arrived is all.
func (s *Session) MustPark() bool {
	slack, tight := 1, s.inbox.Len() > 0 && s.host.Short()
	if s.sending.Held() != nil || !s.sending.Confirms().Empty() || s.waitsForTurn() {
		slack, tight = InboxSlack, false
	}
	if s.sending.Held() != nil && s.rules.Traits.TakesTurns {
		slack *= 2 // it was sent in spite of a full inbox, as the driver does, and the peer's next message lets it go
	}
	ahead := s.rules.Stepwise && s.stats.MessagesIn > 0 || s.Handling() && (s.rules.Traits.Lockstep || s.confirmsAhead())
	return s.failed == nil && (ahead || tight || s.overrun(slack) || s.AfterDrainMark() && s.RefusesNew()) && !s.Awaited() && !s.life.Ending()
}

// confirmsAhead reports whether to read the next message would confirm it, or consent
// to it, while a handler runs, and nobody waits for what may stand behind it.
func (s *Session) confirmsAhead() bool {
	if s.handler == handlerOverdue && s.Machine().Awaiting() > 0 {
		return false
	}
	return s.rules.Traits.Confirms && s.asm.Idle() && s.sending.Turn() == TurnFree && s.sending.Turns().Empty() &&
		s.sending.Confirms().Empty() && s.drained.Empty() && !s.out.Awaited()
}

// Receive runs the machine over p, and accounts for what it has made of it. A caller
// that catches a panic of the machine itself says so.
func (s *Session) Receive(p []byte, ev *wire.Event, catches bool) (n int, err error) {
	switch {
	case s.Watch.answer.On() || s.rules.Traced:
		n, err = s.receiveWatched(p, ev)
	case catches:
		n, err = s.Machine().receive(p, ev)
	default:
		n, err = s.Machine().Receive(p, ev)
	}
	if ev.Owes || err != nil {
		s.out.ControlMayPend()
	}
	if s.talk != nil {
		s.talk.reads(len(p) > n)
	}
	if ev.Kind == wire.EventMessage || ev.Kind == wire.EventOffer {
		s.messageStart = s.consumed
		if s.talk != nil {
			s.HeardTalk(true)
		}
	}
	s.consumed += int64(n)
	return n, err
}

// Heard traces what the machine has found in p.
func (s *Session) Heard(p []byte, ev *wire.Event) {
	if s.rules.Traced {
		s.host.Heard(p, ev)
	}
}

// Offset returns how many bytes of the peer have arrived.
func (s *Session) Offset() int64 { return int64(s.stats.BytesIn) }

// Peer names the peer.
func (s *Session) Peer() string { return s.host.Peer() }

// receiveWatched notes if the peer has answered, and traces what the machine has
// found.
func (s *Session) receiveWatched(p []byte, ev *wire.Event) (n int, err error) {
	if s.rules.Traced && len(s.seen) != len(p) {
		s.seen = slices.Clone(p) // before the machine decodes it in place
	}
	owing := s.Machine().Awaiting()
	n, err = s.Machine().Receive(p, ev)
	if s.Machine().Awaiting() < owing {
		s.Watch.answered()
	}
	if s.rules.Traced {
		s.host.Heard(s.seen[:n], ev)
		s.seen = s.seen[n:]
	}
	return n, err
}

// Note keeps how the peer's stream begins. What has just been read is not consumed
// yet.
func (s *Session) Note() {
	if in := s.in.Bytes(); s.rules.Role == wire.Dialing && len(s.first) < wire.MaxFirst && s.consumed == 0 {
		s.first = append(s.first[:0], in[:min(len(in), wire.MaxFirst)]...)
	}
}

// In returns what has arrived and is not consumed.
func (i *inbound) In() *Input { return i.in }
