package session

import (
	"fmt"

	"github.com/parley-net/parley/internal/bufpool"
	"github.com/parley-net/parley/wire"
)

const (
	// weighty is from which size on a buffer counts: see Host.Weighed.
	Weighty = 8 << 10
	// tightOutput is how much output may wait while memory is short.
	tightOutput = 64 << 10
)

// FastPath reports whether nothing goes on that must be asked about for each message.
// It is called between beginHandler and the handler.
func (s *Session) FastPath() bool {
	return !s.life.Draining() && !s.life.Ending() && !s.life.Reset() && s.out.Simple() &&
		s.sending.Turn() == TurnFree && s.sending.Turns().Empty() && s.sending.Ours() == DirectionOpen &&
		s.inbox.Len() == 0 && len(s.transform) == 0 && !s.rules.Traced && !s.rules.Stepwise && !s.rules.Traits.TakesTurns
}

// waitsForTurn reports whether somebody waits until the peer has had its turn.
func (s *Session) waitsForTurn() bool { return s.rules.Traits.TakesTurns && !s.sending.Turns().Empty() }

// Account counts a message that has just been handed to the machine, which made
// n bytes of it.
func (s *Session) Account(sent wire.Sent, n int) {
	s.stats.sentMessage()
	s.talked.Spoke()
	s.stats.Put(n)
	s.sending.Accepted(sent)
	if s.talk != nil {
		s.talk.spoken()
	}
	if cap(s.out.Tail()) > ReadSize {
		s.host.Weighed()
	}
}

// FormSize is how much room the wire form of n bytes may need in the output, more or less:
// a wire that announces sizes leaves a large payload out of it.
func (s *Session) FormSize(n int) int {
	if s.rules.Traits.Sized {
		n = min(n, 16<<10)
	}
	return n + n>>2 + 64
}

// Encode gives m to the machine; what that owes leaves first.
func (s *Session) Encode(m wire.Message) (wire.Sent, error) {
	s.out.Grow(s.FormSize(m.Len()))
	s.AppendControl()
	before := len(s.out.Tail())
	out, sent, err := s.Machine().Send(s.out.Tail(), m)
	s.out.Appended(out)
	s.RecordSent(before, m, sent, err)
	return sent, err
}

// Transformed runs the plugins over a message of the caller, who has the turn. The lock is
// released meanwhile. The result's bytes are buf, from bufpool.
func (s *Session) Transformed(m wire.Message) (out wire.Message, buf []byte, err error) {
	out, buf, err = s.host.Transformed(m)
	if err == nil && s.life.Failure() != nil {
		bufpool.Put(buf)
		buf, err = nil, NotSentHere(s.life.Failure())
	}
	return out, buf, err
}

// Head gives the machine the head of a message of size bytes that its sender writes.
func (s *Session) Head(size int64) (wire.Sent, error) {
	s.AppendControl()
	before := len(s.out.Tail())
	out, sent, err := s.Machine().SendHead(s.out.Tail(), size)
	if err != nil {
		return sent, err
	}
	s.out.Appended(out)
	s.Account(sent, len(out)-before)
	if s.rules.Traced {
		s.host.Traced("head of a stream", wire.Message{}, out[before:])
	}
	return sent, nil
}

// RecordSent accounts for what the machine has made of m: what stands behind before in
// the output, or an error.
func (s *Session) RecordSent(before int, m wire.Message, sent wire.Sent, err error) {
	if sent.Owes {
		s.out.ControlMayPend()
	}
	if err != nil {
		if len(s.transform) > 0 { // a plugin may have counted it already, and the peer's would wait for it
			s.Abort(fmt.Errorf("parley: a message was lost behind the plugins: %w", err))
		}
		return
	}
	s.Account(sent, len(s.out.Tail())-before)
	if s.rules.Traced {
		s.host.Traced("message", m, s.out.Tail()[before:])
	}
}

// BodySent tells the machine that the open body has been queued: what it owes
// since the body began may leave behind it.
func (s *Session) BodySent() {
	s.Machine().BodySent()
	s.out.ControlMayPend()
}

// AppendControl appends what the machine owes the peer: nothing more once a message has
// been dropped, as its confirmation could not be told from others.
func (s *Session) AppendControl() {
	if s.out.Control() == ControlPending {
		s.appendControl()
	}
}

func (s *Session) appendControl() {
	b := s.out.AppendControl(s.Machine())
	s.stats.Put(len(b))
	if s.rules.Traced && len(b) > 0 {
		s.host.Traced("answer", wire.Message{}, b)
	}
}

// QueueBody puts b behind all output; w is told when it has left. whole, if
// not nil, is given back to bufpool then.
func (s *Session) QueueBody(b, whole []byte, w *Waiter) {
	s.QueueShared(Segment{Bytes: b, Whole: whole, Done: w})
}

// QueueShared is queueBody for bytes that may be in a pool. Where the connection has ended,
// as it does when the machine fails while it is asked what it owes, nobody writes any more.
func (s *Session) QueueShared(seg Segment) {
	if err := s.life.Failure(); err != nil {
		seg.end(err)
		return
	}
	b := seg.Bytes
	s.out.Push(seg)
	if cap(seg.Whole) >= Weighty || seg.Pool != nil {
		s.host.Weighed()
	}
	s.stats.Put(len(b))
	if s.rules.Traced {
		s.host.Traced("body", wire.Message{}, b)
	}
}

// Next makes the next segment of the output current. It returns false when there is
// none.
func (s *Session) Next() bool {
	for !s.out.Next() {
		// Last, what the machine owes by now: the reader may have come to owe it
		// while we wrote.
		if s.AppendControl(); len(s.out.Tail()) == 0 {
			s.out.Release()
			return false
		}
	}
	return true
}

// Wrote notes that n bytes of the segment that is written have left.
func (s *Session) Wrote(n int) {
	s.out.AddWritten(n)
	if s.life.Err() == nil {
		s.out.Wrote(n)
	}
}

// Held returns how much memory the Session holds that is not shared, beside what has
// arrived and is not consumed.
func (s *Session) Held() int64 { return s.asm.Holds() + s.out.Held() + s.inbox.Held() }

// overfull is Filled for much output.
func (s *Session) overfull() bool {
	n := s.out.Pending()
	return n > s.rules.MaxOutput || n > tightOutput && s.host.Short()
}

// Filled: so much output waits for the peer that no more is taken.
func (s *Session) Filled() bool {
	return s.out.Pending() > s.crowded && s.overfull()
}

// EncodeExclusive is Encode for a message in a batch in which nothing is in the way. It leaves a
// panic of the machine to its caller, whom it tells in asking when that runs.
func (s *Session) EncodeExclusive(m *wire.Message, asking *bool) (wire.Sent, error) {
	s.out.Grow(s.FormSize(m.Len()) + controlSize)
	tail := s.out.Tail()
	before := len(tail)
	*asking = true
	if s.out.Control() == ControlPending {
		s.out.NoControl()
		owed := s.m.Output(tail)
		if len(owed) < before {
			*asking = false
			return wire.Sent{}, s.Machine().Broke("Output returns %d bytes for %d", len(owed), before)
		}
		tail = owed
		s.out.Appended(tail)
	}
	out, sent, err := s.m.Send(tail, *m)
	*asking = false
	s.moved() // see checked
	if err != nil || len(out) < len(tail) || sent.Body > wire.BodyHeld {
		_, _, err = s.Machine().checked("Send", tail, out, sent, err)
		s.stats.Put(len(tail) - before)
		return sent, err
	}
	s.out.Appended(out)
	if sent.Owes {
		s.out.ControlMayPend()
	}
	s.Account(sent, len(out)-before)
	return sent, nil
}
