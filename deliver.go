package parley

import (
	"errors"

	"github.com/parley-net/parley/internal/bufpool"
)

// forHandler reports whether the next message goes straight to the handler.
func (c *Conn) forHandler() bool {
	return c.cfg.handler != nil && !c.handling && !c.dropping() && c.ready.empty()
}

// dropping: the connection is ending, so what arrives is dropped, and must not be
// confirmed. What crosses a message that waits for the peer's consent must be, as
// the wire wants it so: that is delivered.
func (c *Conn) dropping() bool { return c.life.ending() && c.held == nil }

// handing counts a message that goes to the handler, for which the lock is released
// until handled.
func (c *Conn) handing() {
	c.stats.message()
	c.talked.heard()
	c.runs.begin(c.in.len() > 0)
	if c.runs.defers() || c.cfg.traits.Confirms {
		c.armFlush() // neither answers nor confirmations should wait for a slow handler
	}
	c.handling, c.reader = true, readerInHandler
}

// deliver gives a message to whom it belongs: a waiting receiver, the
// handler, or the inbox. buf, from bufpool, holds its bytes; without it they are
// borrowed from the input.
func (c *Conn) deliver(gen int32, m Message, buf []byte) bool {
	if len(c.transform) > 0 && !c.dropping() {
		plain, plainBuf, err := c.untransform(m)
		bufpool.Put(buf)
		if c.err != nil {
			return false
		}
		if err != nil {
			c.stats.message()
			return c.lost(gen, c.messageError("a plugin can't read the message; both peers need the same plugins and keys", err))
		}
		m, buf = plain, plainBuf
	}
	if c.forHandler() {
		in := c.in
		c.handing()
		if c.lent = int64(cap(buf)); c.lent >= budgetStep {
			c.holds()
		}
		c.letGo()
		err := c.handle(gen, in, m)
		c.lock()
		bufpool.Put(buf)
		return c.handled(gen, in, err)
	}
	c.stats.message()
	c.talked.heard()
	if c.dropping() {
		c.out.mute()
		c.checkDrained()
		return true
	}
	if buf == nil {
		m = m.Clone()
	}
	if c.nextIsLate() {
		c.lateAnswer(m, nil)
	} else {
		c.enqueue(c.weighed(m, buf))
	}
	return true
}

// weighed returns m, whose bytes lie in buf or are its own, with what it weighs. What
// an object holds only its machine knows: the limits of package pickle, the most that
// any may, are 48 times its form up to 32 MiB, or else 4 times.
func (c *Conn) weighed(m Message, buf []byte) received {
	if m.Type() <= TypeText {
		return received{msg: m, held: int64(cap(buf))}
	}
	form := c.consumed - c.began
	return received{msg: m, len: int(form), held: min(48*form, max(32<<20, 4*form))}
}

// enqueue gives r to the first receiver, or to the inbox.
func (c *Conn) enqueue(r received) {
	if !c.ready.empty() {
		w := c.ready.pop()
		w.msg = r.msg
		w.signal(r.err)
		return
	}
	c.inbox.push(r)
}

// lost tells the program that one message was lost.
func (c *Conn) lost(gen int32, err error) bool {
	c.more().lost++
	if c.cfg.logger != nil {
		c.cfg.logger.Warn("message lost", "conn", c.id, "peer", c.peer(), "error", err)
	}
	hook := c.cfg.hooks.OnMessageError
	switch {
	case c.life.ending(): // like everything that arrives now
	case c.nextIsLate():
		c.lateAnswer(Message{}, err)
	case c.cfg.handler == nil, !c.ready.empty(), c.handling && hook != nil:
		c.enqueue(received{err: err})
	case hook != nil:
		return c.call(gen, func() error { hook(c, err); return nil })
	}
	return true
}

// call runs f, the program's code, on the reading goroutine without the lock.
// See handled for the rest.
func (c *Conn) call(gen int32, f func() error) bool {
	in := c.in
	c.handling, c.reader = true, readerInHandler
	c.unlock()
	err := c.hook(f)
	c.lock()
	return c.handled(gen, in, err)
}

// handled goes on after the program's code, which borrowed what lies in in. An
// error of it ends the connection. handled returns false if the reader's role
// was taken over meanwhile: then the goroutine has served the inbox until it was
// empty, and ends.
func (c *Conn) handled(gen int32, in *input, err error) bool {
	c.runs.over()
	if c.lent > 0 {
		c.lent = 0
		c.holds()
	}
	if gen == c.gen {
		c.handling = false
		c.reader = readerBusy
		if err != nil && !c.life.ending() {
			c.cfg.faults.returned(err)
			c.end(err)
			return false
		}
		return c.err == nil
	}
	in.release()
	// Where the connection is ending anyhow an error may be the consequence: what the
	// peer had sent, and we have confirmed, is served all the same.
	for (err == nil || c.life.ended() || c.life.ending()) && !c.closedHere() && c.inbox.len() > 0 && c.cfg.handler != nil {
		r := c.pop()
		if c.lent = r.held; c.lent >= budgetStep {
			c.holds()
		}
		c.unlock()
		if r.err != nil {
			err = c.hook(func() error { c.cfg.hooks.OnMessageError(c, r.err); return nil })
		} else {
			err = c.handle(gen, in, r.msg)
		}
		c.lock()
	}
	c.lent = 0
	c.holds()
	c.handling = false
	c.room.all(nil) // a stream may wait for its turn
	if err != nil {
		if !c.life.ending() {
			c.cfg.faults.returned(err)
		}
		c.end(err)
	}
	c.ended()
	c.nudge()
	return false
}

// closedHere: this program has ended the connection, so it does not want what
// was received either. What a peer had sent when it left is served.
func (c *Conn) closedHere() bool {
	return errors.Is(c.err, ErrClosed) || errors.Is(c.err, ErrServerClosed)
}
