package parley

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"time"

	"github.com/parley-net/parley/internal/bufpool"
	"github.com/parley-net/parley/wire"
)

// read is the reading goroutine: read what has arrived, run the machine over
// all of it, run the handlers, write once, and wait again without a buffer.
//
// It owns the reader's role until another goroutine takes it over (see
// ensureReader), which can only happen while it runs a handler.
func (c *Conn) read() {
	c.mu.Lock()
	gen := c.gen
	if c.event == nil { // else there is an offer to be decided about
		c.event = new(wire.Event)
	}
	if c.io == nil {
		c.io = newTransport(c.nc)
	}
	for c.resume(gen) && c.process(gen) {
		c.flush()
		c.endDraining()
		c.holds()
		if c.err != nil {
			break
		}
		if c.deaf() {
			c.park()
			continue
		}
		c.partial = c.asm.active || c.in.len() > 0
		c.watchSome()
		t, in, direct := c.io, c.in, c.direct()
		*c.event = wire.Event{} // it refers to buffers that others may get now
		if c.lc != nil && c.attach() {
			return
		}
		c.mu.Unlock()
		n, err := t.read(in, direct)
		c.mu.Lock()
		c.partial = false
		c.stats.BytesIn += uint64(n)
		if direct != nil && n > 0 && !c.processDirect(gen, direct[:n]) {
			break
		}
		if err != nil && !c.readFailed(err) {
			break
		}
	}
	if gen == c.gen {
		c.reader = readerGone
		c.ended()
		c.discard()
	}
	c.exit()
}

// discard reads on behind the machine's end while the connection ends: a peer
// that could not write might not read either, and closing with unread input
// would be a reset.
func (c *Conn) discard() {
	if c.err != nil || c.eof {
		return
	}
	if !c.fin {
		c.nc.SetReadDeadline(time.Time{}) // see nudge
	}
	c.mu.Unlock()
	io.Copy(io.Discard, onlyReader{c.nc})
	c.mu.Lock()
	c.eof = true
	c.checkDrained()
	if c.fin {
		c.cut(c.reason)
	}
}

// onlyReader hides every other method, so that io.Copy reads with a small
// buffer instead of splicing.
type onlyReader struct{ io.Reader }

// process runs the machine over the input at hand. It returns false when the
// goroutine has lost the reader's role or the connection has ended. It is
// called, and returns, with the lock held.
func (c *Conn) process(gen int32) (more bool) {
	var lent *input // what a running handler has borrowed from
	defer func() {
		if lent != nil { // it has panicked
			err := c.panicked(recover())
			c.mu.Lock()
			more = c.handled(gen, lent, err)
		}
	}()
	ev := c.event
	for c.err == nil && !c.broken {
		if c.tooLate() { // a peer that never stops sending must not hold up the end
			c.endDraining()
		}
		if (c.inbox.len() > 0 || c.cfg.stepwise || c.draining) && !c.in.placed && c.mustPark() {
			c.flush() // without the lock: look again
			c.holds()
			if c.mustPark() {
				if c.runner != nil {
					c.promote()
					return false
				}
				c.park()
			}
			continue
		}
		p := c.in.bytes()
		n, err := c.receive(p, ev)
		c.in.r += n
		if err != nil {
			c.violated(err)
			return false
		}
		switch ev.Kind {
		case wire.EventNone:
			return true
		case wire.EventMessage:
			if len(c.transform) > 0 || !c.forHandler() {
				if !c.deliver(gen, ev.Message, nil) {
					return false
				}
				continue
			}
			m := ev.Message // under the lock: another may take the reader's role, and the event
			lent = c.handing()
			err := c.cfg.handler.ServeMessage(connContext{c}, c, m)
			in := lent
			lent = nil
			c.mu.Lock()
			if !c.handled(gen, in, err) {
				return false
			}
		case wire.EventOffer:
			if !c.offered(gen, ev) {
				return false
			}
		case wire.EventData:
			c.asm.add(ev.Data)
			if most := c.cfg.limits.MaxMessage; c.asm.over(most) && !c.refuse(fmt.Errorf("%w: more than %d bytes, which is Limits.MaxMessage", ErrTooLarge, most)) {
				return false
			}
		case wire.EventEnd:
			buf := c.asm.take()
			m := ev.Message.WithBytes(buf)
			if c.cfg.trace != nil {
				c.traceMessage(m)
			}
			if !c.deliver(gen, m, buf) {
				return false
			}
		case wire.EventLost:
			err, told := ev.Err, c.asm.told
			if c.asm.lost != nil {
				err = c.asm.lost
			}
			c.asm.drop()
			if !told && !c.lost(gen, withPeer(err, c.peer())) {
				return false
			}
		case wire.EventOpen:
			if !c.open(gen) {
				return false
			}
		case wire.EventLeave:
			c.end(ErrPeerClosed)
			return false
		case wire.EventShutdown:
			return c.shutdownRequested(gen)
		default:
			c.control(ev)
		}
	}
	return false
}

// mustPark: the inbox is full and nobody has come for what is in it; or, where
// answers stay in the order of messages, the last one may not be answered yet,
// and the machine would answer what follows (a ping) before it; or it came too
// late for a connection that is draining.
func (c *Conn) mustPark() bool {
	slack := 1
	if c.held != nil || !c.confirms.empty() {
		slack = inboxSlack
	}
	ahead := c.cfg.stepwise && c.stats.MessagesIn > 0
	return (ahead || c.inbox.full(c.cfg.limits, slack) || c.tooLate() && c.deaf()) && c.ready.empty() && !c.farewell && c.err == nil
}

// receive runs the machine over p, traces what it has found, and notes if the
// peer has answered.
func (c *Conn) receive(p []byte, ev *wire.Event) (n int, err error) {
	if c.cfg.trace != nil && len(c.seen) != len(p) {
		c.seen = slices.Clone(p) // before the machine decodes it in place
	}
	c.fed = true
	if c.watch != nil && c.watch.answer.on {
		owing := c.m.Awaiting()
		n, err = c.m.Receive(p, ev)
		if c.m.Awaiting() < owing {
			c.watch.answers++
		}
	} else {
		n, err = c.m.Receive(p, ev)
	}
	if ev.Kind == wire.EventMessage || ev.Kind == wire.EventOffer {
		c.began = c.consumed
	}
	c.consumed += int64(n)
	if c.cfg.trace != nil {
		c.traceIn(c.seen[:n], ev)
		c.seen = c.seen[n:]
	}
	return n, err
}

// control handles the events that concern what we have sent.
func (c *Conn) control(ev *wire.Event) {
	switch ev.Kind {
	case wire.EventConfirmed:
		c.stats.Confirmed += uint64(ev.N)
		for !c.confirms.empty() && c.confirms.first().want <= c.stats.Confirmed {
			c.confirms.pop().signal(nil)
		}
		c.checkDrained()
	case wire.EventGranted:
		c.granted()
	}
}

// violated ends the connection because of what the peer has sent.
func (c *Conn) violated(err error) error {
	err = withPeer(err, c.peer())
	c.broken = true
	c.end(err)
	return err
}

// shutdownRequested closes the connection of a peer that has asked the server
// to end, and ends the server unless that is refused.
func (c *Conn) shutdownRequested(gen int32) bool {
	granted := c.cfg.shutdown != nil
	if hook := c.cfg.hooks.OnShutdownRequest; hook != nil {
		agreed := false // nor has a hook that panics
		c.call(gen, func() error { agreed = hook(c) == nil; return nil })
		granted = granted && agreed
	}
	c.end(ErrPeerClosed)
	if granted {
		c.cfg.shutdown(c)
	}
	return false
}

// open runs OnOpen.
func (c *Conn) open(gen int32) bool {
	if c.farewell {
		return true // too late
	}
	c.opened = true
	c.unwatch()
	if c.cfg.logger != nil {
		c.cfg.logger.Info("connection open", "conn", c.id, "peer", c.peer(), "protocol", c.cfg.protocol.Name())
	}
	still := true
	if hook := c.cfg.hooks.OnOpen; hook != nil {
		still = c.call(gen, func() error { return hook(c.Context(), c) })
	}
	if c.err == nil && !c.farewell {
		c.opens.all(nil) // Dial waits for this
		if c.cfg.opened != nil {
			c.cfg.opened(c)
		}
	}
	return still
}

// forHandler reports whether the next message goes straight to the handler.
func (c *Conn) forHandler() bool {
	return c.cfg.handler != nil && !c.handling && !c.dropping() && c.ready.empty()
}

// dropping: the connection is ending, so what arrives is dropped, and must not be
// confirmed. What crosses a message that waits for the peer's consent must be, as
// the wire wants it so: that is delivered.
func (c *Conn) dropping() bool { return c.farewell && c.held == nil }

// handing counts a message that goes to the handler and releases the lock for
// it, until handled. It returns the input, from which the handler borrows.
func (c *Conn) handing() *input {
	c.stats.MessagesIn++
	c.unheard = false
	c.deferFlush = c.in.len() > 0
	if c.deferFlush || c.cfg.traits.Confirms {
		c.flushLate() // neither answers nor confirmations should wait for a slow handler
	}
	c.handling, c.reader = true, readerInHandler
	in := c.in
	c.mu.Unlock()
	return in
}

// deliver gives a message to whom it belongs: a waiting receiver, the
// handler, or the inbox. buf, from bufpool, holds its bytes; without it they are
// borrowed from the input.
func (c *Conn) deliver(gen int32, m Message, buf []byte) bool {
	if len(c.transform) > 0 && !c.dropping() {
		plain, plainBuf, err := c.untransform(m)
		bufpool.Put(buf)
		if err != nil {
			c.stats.MessagesIn++
			return c.lost(gen, c.messageError("a plugin can't read the message; both peers need the same plugins and keys", err))
		}
		m, buf = plain, plainBuf
	}
	if c.forHandler() {
		in := c.handing()
		err := c.handle(m)
		c.mu.Lock()
		bufpool.Put(buf)
		return c.handled(gen, in, err)
	}
	c.stats.MessagesIn++
	c.unheard = false
	if c.dropping() {
		c.mute = true
		c.checkDrained()
		return true
	}
	if buf == nil {
		m = m.Clone()
	}
	c.enqueue(received{msg: m})
	return true
}

// handle runs the handler.
func (c *Conn) handle(m Message) error {
	return c.guard(func() error { return c.cfg.handler.ServeMessage(connContext{c}, c, m) })
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
	c.stats.Lost++
	if c.cfg.logger != nil {
		c.cfg.logger.Warn("message lost", "conn", c.id, "peer", c.peer(), "error", err)
	}
	hook := c.cfg.hooks.OnMessageError
	switch {
	case c.farewell: // like everything that arrives now
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
	c.mu.Unlock()
	err := c.guard(f)
	c.mu.Lock()
	return c.handled(gen, in, err)
}

// handled goes on after the program's code, which borrowed what lies in in. An
// error of it ends the connection. handled returns false if the reader's role
// was taken over meanwhile: then the goroutine has served the inbox until it was
// empty, and ends.
func (c *Conn) handled(gen int32, in *input, err error) bool {
	c.deferFlush = false
	if gen == c.gen {
		c.handling = false
		c.reader = readerBusy
		if err != nil && !c.farewell {
			c.end(err)
			return false
		}
		return c.err == nil
	}
	in.release()
	// Where the connection is ending anyhow an error may be the consequence: what the
	// peer had sent, and we have confirmed, is served all the same.
	for (err == nil || c.eof || c.farewell || c.err != nil) && !c.closedHere() && c.inbox.len() > 0 && c.cfg.handler != nil {
		r := c.pop()
		c.mu.Unlock()
		if r.err != nil {
			err = c.guard(func() error { c.cfg.hooks.OnMessageError(c, r.err); return nil })
		} else {
			err = c.handle(r.msg)
		}
		c.mu.Lock()
	}
	c.handling = false
	c.room.all(nil) // a stream may wait for its turn
	if err != nil {
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

// guard runs f and makes an error of a panic, so that a bug in one handler
// costs one connection.
func (c *Conn) guard(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = c.panicked(r)
		}
	}()
	return f()
}

// panicked makes an error of what the program's code has panicked with.
func (c *Conn) panicked(r any) error {
	if c.cfg.logger != nil {
		c.cfg.logger.Error("panic", "conn", c.id, "peer", c.peer(), "panic", r, "stack", string(debug.Stack()))
	}
	return fmt.Errorf("parley: panic while serving %s: %v", c.peer(), r)
}

// ensureReader makes sure that somebody reads while the caller waits: if the
// reader's role belongs to a goroutine that is in a handler, a new goroutine
// takes it over; a parked one looks again whether it can go on. It is called
// with the lock held.
func (c *Conn) ensureReader() {
	c.room.all(nil)
	c.ended() // what is waited for may not come any more
	if c.reader != readerInHandler || c.stream != nil || c.err != nil {
		return
	}
	c.leaveLoop()
	rest := c.in.fork()
	c.in = &rest
	c.event = nil // the other one is in use
	c.gen++
	c.reader = readerBusy
	c.goroutines++
	go c.read()
}

// promote gives c, which is attached to a loop, a goroutine of its own that
// reads on. It is called with the lock held.
func (c *Conn) promote() {
	rest := c.in.fork()
	c.in.release()
	c.in = &rest
	c.runner = nil
	if ev := c.event; c.postponed {
		c.event = new(wire.Event)
		*c.event = *ev
	} else {
		c.event = nil
	}
	c.gen++
	c.reader = readerBusy
	c.goroutines++
	go c.read()
}

// resume goes on with an offer that a loop has left to this goroutine.
func (c *Conn) resume(gen int32) bool {
	if !c.postponed {
		return true
	}
	c.postponed = false
	return c.offered(gen, c.event)
}

// leaveLoop: the handler that a loop runs for c is going to wait, so the loop
// needs another goroutine. It is called with the lock held.
func (c *Conn) leaveLoop() {
	if r := c.runner; r != nil {
		c.runner = nil
		r.l.replace(r)
	}
}

// park blocks the reading goroutine until something has changed.
func (c *Conn) park() {
	w := &waiter{ch: make(chan struct{}, 1)}
	was := c.reader
	if was == readerBusy {
		c.reader = readerParked
	}
	c.room.push(w)
	c.mu.Unlock()
	<-w.ch
	c.mu.Lock()
	c.reader = was
}
