package session

import (
	"bytes"

	"github.com/parley-net/parley/internal/bufpool"
	"github.com/parley-net/parley/wire"
)

// Broadcast is a message on its way to many connections.
type Broadcast struct {
	m    wire.Message    // its bytes are the caller's, unless there is a body
	body *bufpool.Shared // our own copy of them
	form *bufpool.Shared // what the first machine has made of it, if the others can repeat that
	to   int             // how many connections
}

// NewBroadcast returns m as one that so many connections are sent; its bytes stay the
// caller's.
func NewBroadcast(m wire.Message, to int) Broadcast { return Broadcast{m: m, to: to} }

// shareSize is how large the form of a broadcast must be to be shared: less is copied.
const shareSize = 4 << 10

// own returns b's message with bytes of its own, which all connections share.
func (s *Session) own(b *Broadcast) wire.Message {
	if b.body == nil {
		b.m = b.m.Clone()
		b.body = s.host.Share(b.m.Bytes())
	}
	return b.m
}

// Post hands b's message to the machine, or queues it if its turn has not come yet. It
// does not wait.
func (s *Session) Post(b *Broadcast) (posted bool, err error) {
	if err := s.Sendable(); err != nil {
		return false, err
	}
	if s.sending.Turns().Empty() && s.mayTurn() {
		err := s.post(b)
		s.PassTurn()
		return true, err
	}
	if s.out.Pending()+s.sending.BroadcastQueued()+PostCost(b.m) > s.rules.MaxOutput || s.Filled() {
		return false, ErrSlowConsumer
	}
	m := s.own(b)
	s.join(b.body)
	s.sending.Post(m, b.body)
	s.readerWake.All(nil) // likewise
	return false, nil
}

// post hands b's message to the machine when its turn has come.
func (s *Session) post(b *Broadcast) error {
	s.sending.Take()
	var (
		m    wire.Message
		sent wire.Sent
		buf  []byte // of m, if plugins have made it
		err  error
	)
	if len(s.transform) > 0 {
		if m, buf, err = s.Transformed(b.m); err == nil {
			sent, err = s.Encode(m)
		}
	} else {
		sent, err = s.encodeForm(b)
	}
	if err != nil || sent.Body == wire.BodyNone {
		bufpool.Put(buf)
		s.sending.Give()
		return err
	}
	var body *bufpool.Shared
	if buf == nil {
		m = s.own(b)
		body = b.body
	}
	if sent.Body == wire.BodyHeld {
		s.sending.Hold(&Held{Body: m.Bytes(), Whole: buf, Pool: body})
		s.readerWake.All(nil) // a parked reader reads on for the consent
		s.join(body)
		return nil
	}
	s.QueueShared(Segment{Bytes: m.Bytes(), Whole: buf, Pool: body})
	s.BodySent()
	s.sending.Give()
	return nil
}

// encodeForm is Encode, but what a machine has made of the message before serves the
// others.
func (s *Session) encodeForm(b *Broadcast) (wire.Sent, error) {
	r, _ := s.m.(wire.Repeater)
	if r == nil || b.to < 2 {
		return s.Encode(b.m)
	}
	s.out.Grow(controlSize)
	s.AppendControl()
	before := len(s.out.Tail())
	var (
		out, same []byte // same: on all connections
		sent      wire.Sent
		err       error
	)
	sharer, _ := r.(wire.Sharer)
	switch out = s.out.Tail(); {
	case b.form == nil:
		var form []byte
		if form, sent, err = s.Machine().Send(bufpool.Get(s.FormSize(b.m.Len())), b.m); err == nil {
			b.form = s.host.Share(bytes.Clone(form))
			same = b.form.Bytes()
		}
		bufpool.Put(form)
	case sharer != nil && len(b.form.Bytes()) >= shareSize:
		out, same, sent, err = s.Machine().Share(sharer, out, b.form.Bytes(), b.m)
	default:
		s.out.Grow(len(b.form.Bytes()) + controlSize)
		before = len(s.out.Tail())
		out, sent, err = s.Machine().Repeat(r, s.out.Tail(), b.form.Bytes(), b.m)
	}
	shared := err == nil && sharer != nil && len(same) >= shareSize
	if !shared {
		out = append(out, same...)
	}
	s.out.Appended(out)
	s.RecordSent(before, b.m, sent, err)
	if shared {
		s.QueueShared(Segment{Bytes: same, Pool: b.form})
	}
	return sent, err
}

// join notes that p is held, with others.
func (s *Session) join(p *bufpool.Shared) {
	if p != nil {
		s.out.Join(p)
		s.host.Weighed()
	}
}
