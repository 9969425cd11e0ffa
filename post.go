package parley

import (
	"bytes"

	"github.com/parley-net/parley/internal/bufpool"
	"github.com/parley-net/parley/wire"
)

// broadcast is a message on its way to many connections.
type broadcast struct {
	m    Message // its bytes are the caller's, unless there is a body
	body *pool   // our own copy of them
	form *pool   // what the first machine has made of it, if the others can repeat that
}

// own returns the message with bytes of its own, which all connections share.
func (b *broadcast) own(budget *Budget) Message {
	if b.body == nil {
		b.m = b.m.Clone()
		b.body = &pool{b: b.m.Bytes(), budget: budget}
	}
	return b.m
}

// offer sends b's message without waiting, and reports whether somebody has to
// flush. If its turn has not come yet, it queues with the other senders.
func (c *Conn) offer(b *broadcast) (flush bool, err error) {
	c.lock()
	defer c.unlock()
	if !c.talked.opened() && !c.life.ending() {
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
	if c.turns.empty() && c.mayTurn() {
		err := c.post(b)
		c.passTurn()
		return true, err
	}
	if c.out.pending()+c.posted+postCost(b.m) > c.cfg.limits.MaxOutput || c.filled() {
		return false, ErrSlowConsumer
	}
	m := b.own(c.cfg.budget)
	c.join(b.body)
	c.sending.post(m, b.body)
	return false, nil
}

// post hands b's message to the machine when its turn has come.
func (c *Conn) post(b *broadcast) error {
	c.take()
	var (
		m    Message
		sent wire.Sent
		buf  []byte // of m, if plugins have made it
		err  error
	)
	if len(c.transform) > 0 {
		if m, buf, err = c.transformed(b.m); err == nil && c.life.failure() != nil {
			err = &notSentError{c.life.failure(), true}
		}
		if err == nil {
			sent, err = c.hand(m)
		}
	} else {
		sent, err = c.handForm(b)
	}
	if err != nil || sent.Body == wire.BodyNone {
		bufpool.Put(buf)
		c.give()
		return err
	}
	var body *pool
	if buf == nil {
		m = b.own(c.cfg.budget)
		body = b.body
	}
	if sent.Body == wire.BodyHeld {
		c.sending.hold(&held{body: m.Bytes(), whole: buf, pool: body})
		c.join(body)
		return nil
	}
	c.queueShared(segment{b: m.Bytes(), whole: buf, pool: body})
	c.bodySent()
	c.give()
	return nil
}

// handForm is hand, but what a machine has made of the message before serves
// the others.
func (c *Conn) handForm(b *broadcast) (wire.Sent, error) {
	r, ok := c.m.(wire.Repeater)
	if !ok {
		return c.hand(b.m)
	}
	c.out.grow(64)
	c.owed()
	before := len(c.out.tail)
	var (
		out, same []byte // same: on all connections
		sent      wire.Sent
		err       error
	)
	sharer, _ := r.(wire.Sharer)
	switch out = c.out.tail; {
	case b.form == nil:
		var form []byte
		if form, sent, err = c.machine().Send(bufpool.Get(c.formSize(b.m)), b.m); err == nil {
			b.form = &pool{b: bytes.Clone(form), budget: c.cfg.budget}
			same = b.form.b
		}
		bufpool.Put(form)
	case sharer != nil && len(b.form.b) >= shareSize:
		out, same, sent, err = c.machine().Share(sharer, out, b.form.b, b.m)
	default:
		c.out.grow(len(b.form.b) + 64)
		before = len(c.out.tail)
		out, sent, err = c.machine().Repeat(r, c.out.tail, b.form.b, b.m)
	}
	shared := err == nil && sharer != nil && len(same) >= shareSize
	if !shared {
		out = append(out, same...)
	}
	c.out.appended(out)
	c.took(before, b.m, sent, err)
	if shared {
		c.queueShared(segment{b: same, pool: b.form})
	}
	return sent, err
}

// shareSize is how large the form of a broadcast must be to be shared: less is copied.
const shareSize = 4 << 10

// join notes that c holds p with others.
func (c *Conn) join(p *pool) {
	if p != nil {
		c.out.join(p)
		c.holds()
	}
}
