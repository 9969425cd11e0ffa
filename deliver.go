package parley

import (
	"runtime/debug"

	"github.com/parley-net/parley/internal/session"

	"github.com/parley-net/parley/internal/bufpool"
)

// beginHandler counts a message that goes to the handler, for which the lock is released
// until endHandler.
func (r reader) beginHandler() {
	c := r.c
	c.stats.Message()
	c.talked.Heard()
	c.runs.begin(c.s.In().Len() > 0)
	if c.runs.defers() || c.cfg.traits.Confirms || c.s.Life().Watched() {
		c.armFlush() // neither answers nor confirmations should wait for a slow handler, nor it for the end
	}
	c.s.BeginHandler()
}

// deliver gives a message to whom it belongs: a waiting receiver, the
// handler, or the inbox. buf, from bufpool, holds its bytes; without it they are
// borrowed from the input.
func (r reader) deliver(m Message, buf []byte) bool {
	c := r.c
	if len(c.s.Transform()) > 0 && !c.s.Dropping() {
		plain, plainBuf, err := c.s.Untransformed(m)
		bufpool.Put(buf)
		if c.s.Life().Err() != nil {
			return false
		}
		if err != nil {
			return r.lost(err)
		}
		m, buf = plain, plainBuf
	}
	if c.s.ForHandler() {
		in := c.s.In()
		r.beginHandler()
		if c.weight.lend(int64(cap(buf))); c.weight.lent >= budgetStep {
			c.holds()
		}
		c.letGo()
		err := r.handle(in, m)
		c.lock()
		bufpool.Put(buf)
		return r.endHandler(in, err)
	}
	c.s.Deliver(m, buf)
	return true
}

// lost tells the program that one message was lost.
func (r reader) lost(err error) bool {
	c := r.c
	c.more().counts(session.SeldomLost)
	if c.cfg.logger != nil {
		c.cfg.logger.Warn("message lost", "conn", c.id, "peer", c.peer(), "error", err)
	}
	hook := c.cfg.hooks.OnMessageError
	switch {
	case c.s.Life().Ending(): // like everything that arrives now
	case c.s.NextIsLate():
		c.s.Late(Message{}, err)
	case c.cfg.handler == nil, !c.s.Ready().Empty(), c.s.Handling() && hook != nil:
		c.s.Enqueue(session.Received{Err: err})
	case hook != nil:
		return r.runOnReader(func() error { hook(c, err); return nil })
	}
	return true
}

// runOnReader runs f, the program's code, on the reading goroutine without the lock.
// See endHandler for the rest.
func (r reader) runOnReader(f func() error) bool {
	c := r.c
	in := c.s.In()
	c.s.BeginHandler()
	if c.s.Life().Watched() {
		c.armFlush()
	}
	c.unlock()
	err := c.hook(f)
	c.lock()
	return r.endHandler(in, err)
}

// endHandler goes on after the program's code, which borrowed what lies in in. An
// error of it ends the connection. endHandler returns false if the reader's role
// was taken over meanwhile: then the goroutine has served the inbox until it was
// empty, and ends.
func (r reader) endHandler(in *session.Input, err error) bool {
	c, wanted := r.c, true
	if d, ok := err.(declined); ok { // OnOpen does not want what waits either
		err, wanted = d.error, false
	}
	c.runs.over()
	if c.weight.lent > 0 {
		c.weight.lend(0)
		c.holds()
	}
	if r.has() {
		c.s.EndHandler()
		c.s.ReaderIs(session.ReaderBusy)
		if err != nil && !c.s.Life().Ending() {
			c.cfg.faults.returned(err)
			c.s.BeginClose(err)
			return false
		}
		return c.s.Life().Err() == nil
	}
	in.Release()
	for wanted && r.servesOn(err) {
		next := c.s.Pop()
		if c.weight.lend(next.Held); c.weight.lent >= budgetStep {
			c.holds()
		}
		c.unlock()
		if next.Err != nil {
			err = c.hook(func() error { c.cfg.hooks.OnMessageError(c, next.Err); return nil })
		} else {
			err = r.handle(in, next.Msg)
		}
		c.lock()
	}
	c.weight.lend(0)
	c.holds()
	c.s.EndHandler()
	c.s.ReaderWake().All(nil) // a stream may wait for its turn
	if err != nil {
		if !c.s.Life().Ending() {
			c.cfg.faults.returned(err)
		}
		c.s.BeginClose(err)
	}
	c.s.FinishIfServed()
	c.s.WakeReader()
	return false
}

// servesOn reports whether a goroutine that has lost the reader's role gives the handler
// what waits in the inbox; err is that of the message before.
func (r reader) servesOn(err error) bool {
	c := r.c
	if c.cfg.handler == nil || c.s.Inbox().Len() == 0 || c.s.Unwanted() {
		return false
	}
	// Where the connection is ending anyhow an error may be the consequence: what the
	// peer had sent, and we have confirmed, is served all the same, unless the program
	// has crashed.
	ending := c.s.Life().Ended() || c.s.Life().Ending()
	return err == nil || ending && !isCrash(err)
}

// handle runs the handler on the reading goroutine, which borrows from in.
func (r reader) handle(in *session.Input, m Message) (err error) {
	c := r.c
	returned := false
	defer func() {
		if returned {
			return
		}
		if v := recover(); v != nil {
			err = c.failed(&fault{v, debug.Stack()}, false)
		} else {
			r.replaceReader(in)
		}
	}()
	err = c.cfg.serve(c.Context(), c, m)
	returned = true
	return err
}

// replaceReader is called, without the lock, by a goroutine of c that the handler has
// ended: another one goes on where it was. It takes the lock; see endedBy.
func (r reader) replaceReader(in *session.Input) {
	c := r.c
	c.lock()
	known := c.endedBy.machine()
	c.unlock()
	err := c.failed(&fault{value: session.ErrGoexit}, known)
	c.lock()
	if r.has() {
		if in.Kind() == session.InputLent { // by a loop that another goroutine runs from now on
			rest := in.Fork()
			in = &rest
			c.s.ReadFrom(in)
		}
		c.driver.leaveRunner()
		c.driver.forgetEvent() // and not io, which who writes needs, also before the other goroutine runs
	}
	c.unlock()
	go func() { // it counts as the one that ends
		r.counted(in, func() {
			c.lock()
			more := r.endHandler(in, err)
			c.driver.equip(c.nc)
			r.readOn(more && r.process())
		})
	}()
	c.lock()
	c.endedBy = endedByHandler
}
