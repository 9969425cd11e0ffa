package parley

import (
	"bytes"
	"slices"

	"github.com/parley-net/parley/internal/bufpool"
	"github.com/parley-net/parley/wire"
)

// flushGroup is how many connections one goroutine flushes after a Broadcast.
const flushGroup = 64

// Broadcast sends m to every open connection but those in except, without
// waiting for any: a peer whose output is full misses the message or is cut,
// as WhenSlow says. It returns how many took it. An error says that m can't
// be sent on this wire at all.
func (s *Server) Broadcast(m Message, except ...*Conn) (int, error) {
	n := 0
	b := broadcast{m: m}
	var group []*Conn
	defer func() { flushAll(group) }()
	for _, c := range s.all() {
		if slices.Contains(except, c) {
			continue
		}
		flush, err := c.offer(&b)
		if flush {
			if group = append(group, c); len(group) == flushGroup {
				flushAll(group)
				group = nil
			}
		}
		switch {
		case err == nil:
			n++
		case err == ErrSlowConsumer:
			s.mu.Lock()
			s.stats.Slow++
			s.mu.Unlock()
			if s.WhenSlow == SlowCut {
				c.lock()
				c.netFailed(ErrSlowConsumer)
				c.unlock()
			}
		case isCallers(err):
			return n, err
		}
	}
	return n, nil
}

// flushAll has another goroutine flush connections that flushesAside has chosen.
func flushAll(cs []*Conn) {
	if len(cs) == 0 {
		return
	}
	go func() {
		for _, c := range cs {
			c.flushNow()
		}
	}()
}

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
	c.posted += postCost(b.m)
	c.turns.push(&waiter{msg: b.own()})
	return false, nil
}

// postCost is what a message of Broadcast takes of Limits.MaxOutput while it
// queues.
func postCost(m Message) int { return m.Len() + 64 }

// post hands b's message to the machine when its turn has come.
func (c *Conn) post(b *broadcast) error {
	c.turn = true
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
		c.turn = false
		return err
	}
	if buf == nil {
		m = b.own()
	}
	if sent.Body == wire.BodyHeld {
		c.held = &held{body: m.Bytes(), whole: buf}
		return nil
	}
	c.queueBody(m.Bytes(), buf, nil)
	c.bodySent()
	c.turn = false
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
