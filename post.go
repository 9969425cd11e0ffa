package parley

import (
	"bytes"

	"github.com/parley-net/parley/internal/session"

	"github.com/parley-net/parley/internal/bufpool"
	"github.com/parley-net/parley/wire"
)

// broadcast is a message on its way to many connections.
type broadcast struct {
	m    Message         // its bytes are the caller's, unless there is a body
	body *bufpool.Shared // our own copy of them
	form *bufpool.Shared // what the first machine has made of it, if the others can repeat that
	many bool            // there are others
}

// own returns the message with bytes of its own, which all connections share.
func (b *broadcast) own(budget *Budget) Message {
	if b.body == nil {
		b.m = b.m.Clone()
		b.body = budget.share(b.m.Bytes())
	}
	return b.m
}

// offer sends b's message without waiting, and reports whether somebody has to
// flush. If its turn has not come yet, it queues with the other senders.
func (c *Conn) offer(b *broadcast) (flush bool, err error) {
	c.lock()
	defer c.unlock()
	if !c.talked.Opened() && !c.s.Life().Ending() {
		return false, ErrClosed
	}
	posted, err := c.tryPost(b)
	return posted && c.flushesAside(), err
}

// tryPost hands b's message to the machine, or queues it if its turn has not come
// yet. It does not wait.
func (c *Conn) tryPost(b *broadcast) (posted bool, err error) {
	if err := c.sendable(); err != nil {
		return false, err
	}
	if c.s.Sending().Turns().Empty() && c.mayTurn() {
		err := c.post(b)
		c.passTurn()
		return true, err
	}
	if c.s.Out().Pending()+c.s.Sending().Posted()+session.PostCost(b.m) > c.cfg.limits.MaxOutput || c.s.Filled() {
		return false, ErrSlowConsumer
	}
	m := b.own(c.cfg.budget)
	c.s.Out().Join(b.body)
	c.holds()
	c.s.Sending().Post(m, b.body)
	c.s.Room().All(nil) // likewise
	return false, nil
}

// post hands b's message to the machine when its turn has come.
func (c *Conn) post(b *broadcast) error {
	c.s.Sending().Take()
	var (
		m    Message
		sent wire.Sent
		buf  []byte // of m, if plugins have made it
		err  error
	)
	if len(c.s.Transform()) > 0 {
		if m, buf, err = c.transformed(b.m); err == nil && c.s.Life().Failure() != nil {
			err = &notSentError{c.s.Life().Failure(), true}
		}
		if err == nil {
			sent, err = c.s.Hand(m)
		}
	} else {
		sent, err = c.handForm(b)
	}
	if err != nil || sent.Body == wire.BodyNone {
		bufpool.Put(buf)
		c.s.Sending().Give()
		return err
	}
	var body *bufpool.Shared
	if buf == nil {
		m = b.own(c.cfg.budget)
		body = b.body
	}
	if sent.Body == wire.BodyHeld {
		c.s.Sending().Hold(&session.Held{Body: m.Bytes(), Whole: buf, Pool: body})
		c.s.Room().All(nil) // a parked reader reads on for the consent
		c.s.Out().Join(body)
		c.holds()
		return nil
	}
	c.s.QueueShared(session.Segment{Bytes: m.Bytes(), Whole: buf, Pool: body})
	c.s.BodySent()
	c.s.Sending().Give()
	return nil
}

// handForm is hand, but what a machine has made of the message before serves
// the others.
func (c *Conn) handForm(b *broadcast) (wire.Sent, error) {
	r := c.s.Repeater()
	if r == nil || !b.many {
		return c.s.Hand(b.m)
	}
	c.s.Out().Grow(64)
	c.s.Owed()
	before := len(c.s.Out().Tail())
	var (
		out, same []byte // same: on all connections
		sent      wire.Sent
		err       error
	)
	sharer, _ := r.(wire.Sharer)
	switch out = c.s.Out().Tail(); {
	case b.form == nil:
		var form []byte
		if form, sent, err = c.s.Machine().Send(bufpool.Get(c.s.FormSize(b.m.Len())), b.m); err == nil {
			b.form = c.cfg.budget.share(bytes.Clone(form))
			same = b.form.Bytes()
		}
		bufpool.Put(form)
	case sharer != nil && len(b.form.Bytes()) >= shareSize:
		out, same, sent, err = c.s.Machine().Share(sharer, out, b.form.Bytes(), b.m)
	default:
		c.s.Out().Grow(len(b.form.Bytes()) + 64)
		before = len(c.s.Out().Tail())
		out, sent, err = c.s.Machine().Repeat(r, c.s.Out().Tail(), b.form.Bytes(), b.m)
	}
	shared := err == nil && sharer != nil && len(same) >= shareSize
	if !shared {
		out = append(out, same...)
	}
	c.s.Out().Appended(out)
	c.s.Took(before, b.m, sent, err)
	if shared {
		c.s.QueueShared(session.Segment{Bytes: same, Pool: b.form})
	}
	return sent, err
}

// shareSize is how large the form of a broadcast must be to be shared: less is copied.
const shareSize = 4 << 10
