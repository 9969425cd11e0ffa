package parley

import (
	"errors"

	"github.com/parley-net/parley/internal/session"

	"github.com/parley-net/parley/internal/bufpool"
)

// forHandler reports whether the next message goes straight to the handler.
func (c *Conn) forHandler() bool {
	return c.cfg.handler != nil && !c.handling && !c.dropping() && c.ready.Empty()
}

// dropping: the connection is ending, so what arrives is dropped, and must not be
// confirmed. What crosses a message that waits for the peer's consent must be, as
// the wire wants it so: that is delivered.
func (c *Conn) dropping() bool { return c.life.Ending() && c.sending.Held() == nil }

// handing counts a message that goes to the handler, for which the lock is released
// until handled.
func (c *Conn) handing() {
	c.stats.message()
	c.talked.Heard()
	c.runs.begin(c.in.Len() > 0)
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
		if c.life.Err() != nil {
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
	c.talked.Heard()
	if c.dropping() {
		c.out.Mute()
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
func (c *Conn) weighed(m Message, buf []byte) session.Received {
	if m.Type() <= TypeText {
		return session.Received{Msg: m, Held: int64(cap(buf))}
	}
	form := c.consumed - c.began
	return session.Received{Msg: m, Len: int(form), Held: min(48*form, max(32<<20, 4*form))}
}

// enqueue gives r to the first receiver, or to the inbox.
func (c *Conn) enqueue(r session.Received) {
	if !c.ready.Empty() {
		c.ready.Pop().Get(r.Msg, r.Err)
		return
	}
	c.inbox.Push(r)
}

// lost tells the program that one message was lost.
func (c *Conn) lost(gen int32, err error) bool {
	c.more().lost++
	if c.cfg.logger != nil {
		c.cfg.logger.Warn("message lost", "conn", c.id, "peer", c.peer(), "error", err)
	}
	hook := c.cfg.hooks.OnMessageError
	switch {
	case c.life.Ending(): // like everything that arrives now
	case c.nextIsLate():
		c.lateAnswer(Message{}, err)
	case c.cfg.handler == nil, !c.ready.Empty(), c.handling && hook != nil:
		c.enqueue(session.Received{Err: err})
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
func (c *Conn) handled(gen int32, in *session.Input, err error) bool {
	c.runs.over()
	if c.lent > 0 {
		c.lent = 0
		c.holds()
	}
	if gen == c.gen {
		c.handling = false
		c.reader = readerBusy
		if err != nil && !c.life.Ending() {
			c.cfg.faults.returned(err)
			c.end(err)
			return false
		}
		return c.life.Err() == nil
	}
	in.Release()
	// Where the connection is ending anyhow an error may be the consequence: what the
	// peer had sent, and we have confirmed, is served all the same.
	for (err == nil || c.life.Ended() || c.life.Ending()) && !c.closedHere() && c.inbox.Len() > 0 && c.cfg.handler != nil {
		r := c.pop()
		if c.lent = r.Held; c.lent >= budgetStep {
			c.holds()
		}
		c.unlock()
		if r.Err != nil {
			err = c.hook(func() error { c.cfg.hooks.OnMessageError(c, r.Err); return nil })
		} else {
			err = c.handle(gen, in, r.Msg)
		}
		c.lock()
	}
	c.lent = 0
	c.holds()
	c.handling = false
	c.room.All(nil) // a stream may wait for its turn
	if err != nil {
		if !c.life.Ending() {
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
	return errors.Is(c.life.Err(), ErrClosed) || errors.Is(c.life.Err(), ErrServerClosed)
}
