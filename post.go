package parley

import (
	"bytes"

	"github.com/parley-net/parley/internal/bufpool"
	"github.com/parley-net/parley/wire"
)

// broadcast is a message on its way to many connections.
type broadcast struct {
	m    Message // its bytes are the caller's, until own has been called
	kept bool    // they are ours
	form []byte  // what the first machine has made of it, if the others can repeat that
}

// own returns the message with bytes of its own, which all connections share.
func (b *broadcast) own() Message {
	if !b.kept {
		b.m, b.kept = b.m.Clone(), true
	}
	return b.m
}

// offer sends b's message without waiting, and reports whether somebody has to
// flush. If its turn has not come yet, it queues with the other senders.
func (c *Conn) offer(b *broadcast) (flush bool, err error) {
	c.lock()
	defer c.unlock()
	if err := c.sendable(); err != nil {
		return false, err
	}
	if !c.opened {
		return false, ErrClosed
	}
	if c.turns.empty() && c.mayTurn() {
		err := c.post(b)
		c.passTurn()
		return c.flushesAside(), err
	}
	if c.out.pending()+c.posted+postCost(b.m) > c.cfg.limits.MaxOutput {
		return false, ErrSlowConsumer
	}
	c.sending.post(b.own())
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
			err = &notSentError{c.life.failure()}
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
	if buf == nil {
		m = b.own()
	}
	if sent.Body == wire.BodyHeld {
		c.sending.hold(&held{body: m.Bytes(), whole: buf})
		return nil
	}
	c.queueBody(m.Bytes(), buf, nil)
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
	if b.form == nil {
		c.owed()
		before := len(c.out.tail)
		sent, err := c.hand(b.m)
		if err == nil {
			b.form = bytes.Clone(c.out.tail[before:])
		}
		return sent, err
	}
	c.out.grow(len(b.form) + 64)
	c.owed()
	before := len(c.out.tail)
	out, sent, err := r.Repeat(c.out.tail, b.form, b.m)
	c.out.appended(out)
	c.took(before, b.m, sent, err)
	return sent, err
}
