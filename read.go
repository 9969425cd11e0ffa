package parley

import (
	"errors"
	"io"
	"os"
	"time"

	"github.com/parley-net/parley/internal/session"

	"github.com/parley-net/parley/wire"
)

// read is the reading goroutine: read what has arrived, run the machine over
// all of it, run the handlers, write once, and wait again without a buffer.
//
// It owns the reader's role until another goroutine takes it over (see
// EnsureReader), which can only happen while it runs a handler.
func (r reader) read() {
	c := r.c
	c.lock()
	r.counted(c.s.In(), func() {
		c.driver.equip(c.nc)
		offered := c.driver.event.Kind == wire.EventOffer // a loop has left it to us
		r.readOn((!offered || r.offered(c.driver.event)) && r.process())
	})
}

// readOn is read once the machine has seen what was there already; more is what
// process has returned. It is called with the lock held and releases it.
func (r reader) readOn(more bool) {
	c := r.c
	for ; more; more = r.process() {
		c.flushRest()
		if !c.s.Handling() { // else what another goroutine's handler sends depends on it
			c.late.stop() // it would cost more to let it run
		}
		c.s.EndDraining()
		c.settleUp()
		if c.s.Life().Err() != nil {
			break
		}
		if c.s.RefusesNew() && c.s.ReadFailed() == nil {
			c.park()
			continue
		}
		c.s.AwaitRest(!c.s.Assembly().Idle() || c.s.In().Len() > 0)
		c.s.WatchWaits()
		t, in, direct := c.driver.io, c.s.In(), c.s.Direct()
		*c.driver.event = wire.Event{} // it refers to buffers that others may get now
		if c.attach() {
			return
		}
		n, err := 0, c.s.ReadFailed()
		if err == nil {
			c.unlock()
			n, err = t.read(in, direct)
			c.lock()
		}
		c.s.AwaitRest(false)
		c.stats.Got(n)
		if !c.talked.Opened() {
			c.s.Note()
		}
		if direct != nil && n > 0 && !r.processDirect(direct[:n]) {
			break
		}
		if err != nil && !r.readFailed(err) {
			break
		}
	}
	if r.has() {
		c.s.ReaderIs(session.ReaderGone)
		c.s.FinishIfServed()
		r.discard()
		c.awaitReset()
	}
	c.goroutineDone()
}

// discard reads on behind the machine's end while the connection ends: a peer
// that could not write might not read either, and closing with unread input
// would be a reset.
func (r reader) discard() {
	c := r.c
	if c.s.Life().Err() != nil || c.s.Life().Ended() {
		return
	}
	if c.s.Life().Phase() < session.PhaseHalfClosed {
		c.nc.SetReadDeadline(time.Time{}) // see WakeReader
	}
	c.unlock()
	io.Copy(io.Discard, onlyReader{c.nc})
	c.lock()
	c.s.Life().PeerEnds()
	c.s.CheckDrained()
	if c.s.Life().Phase() >= session.PhaseHalfClosed {
		c.s.Abort(c.s.Life().Reason())
	}
}

// onlyReader hides every other method, so that io.Copy reads with a small
// buffer instead of splicing.
type onlyReader struct{ io.Reader }

// holdBack lets the program catch up: nothing is read until it has taken something,
// or somebody waits for the peer. It returns false when the goroutine has lost the
// reader's role.
func (r reader) holdBack() bool {
	c := r.c
	c.flushRest() // without the lock: look again
	c.settleUp()
	if !c.s.MustPark() {
		return true
	}
	return r.wait()
}

// shutdownRequested closes the connection of a peer that has asked the server
// to end, and ends the server unless that is refused.
func (r reader) shutdownRequested() bool {
	c := r.c
	granted := c.cfg.shutdown != nil
	if hook := c.cfg.asked; hook != nil {
		agreed := false // nor has a hook that panics
		r.runOnReader(func() error { agreed = hook(c) == nil; return nil })
		granted = granted && agreed
	}
	c.s.BeginClose(ErrPeerClosed)
	if granted {
		c.cfg.shutdown(c)
	}
	return false
}

// banner tells a line of the peer's greeting.
func (r reader) banner(line []byte) bool {
	c := r.c
	if c.cfg.logger != nil {
		c.cfg.logger.Debug("banner", "conn", c.id, "peer", c.peer(), "line", string(line[:min(len(line), maxBanner)]))
	}
	hook := c.cfg.hooks.OnBanner
	if hook == nil || c.s.Life().Ending() {
		return true
	}
	return r.runOnReader(func() error { hook(c, line); return nil })
}

// maxBanner is how much of a banner's line is logged.
const maxBanner = 256

// welcome runs ConnContext and OnOpen, without the lock.
func (c *Conn) welcome() error {
	if hook := c.cfg.hooks.ConnContext; hook != nil {
		ctx := hook(connContext{c}, c)
		if ctx == nil || ctx.Value(handlerOf{}) != c {
			return errors.New("parley: ConnContext must return the context it was given, or one that is made of it")
		}
		c.hold()
		c.more().enrich(ctx)
		c.letGo()
	}
	if hook := c.cfg.hooks.OnOpen; hook != nil {
		return hook(c.Context(), c)
	}
	return nil
}

// declined is an error of ConnContext or OnOpen: the program wants neither the
// connection nor what has come on it meanwhile.
type declined struct{ error }

// open runs the hooks of a connection that has opened.
func (r reader) open() bool {
	c := r.c
	if c.s.Life().Ending() {
		return true // too late
	}
	c.talked.Open()
	c.s.ForgetFirst()
	c.s.Life().Advance(session.PhaseOpen)
	if c.cfg.traits.TakesTurns {
		c.s.HeardTalk(false)
	}
	c.unwatch()
	if c.cfg.logger != nil {
		c.cfg.logger.Info("connection open", "conn", c.id, "peer", c.peer(), "protocol", c.cfg.protocol.Name())
	}
	still := true
	if h := c.cfg.hooks; h.OnOpen != nil || h.ConnContext != nil {
		still = r.runOnReader(func() error {
			if err := c.welcome(); err != nil {
				return declined{err}
			}
			return nil
		})
	}
	if !c.s.Life().Ending() {
		c.s.Life().Opens().All(nil) // Dial waits for this
		if c.cfg.opened != nil {
			c.cfg.opened(c)
		}
	}
	return still
}

// readFailed handles the end of the peer's stream, or of the connection. It
// returns true if reading goes on all the same.
func (r reader) readFailed(err error) bool {
	c := r.c
	switch {
	case c.s.Life().Err() != nil:
	case errors.Is(err, io.EOF):
		if !c.s.Life().Reset() && !r.lastMessage() {
			return false
		}
		c.s.PeerEnds()
		switch {
		case c.s.Life().Ending():
			c.s.Abort(c.s.Life().Reason())
		case c.talked.Opened(): // see FinishIfServed
		case c.s.Life().EofErr() != nil:
			c.s.Abort(c.s.Life().EofErr())
		default:
			c.s.Abort(&ProtocolError{Protocol: c.cfg.protocol.Name(), Peer: c.peer(), Offset: int64(c.stats.BytesIn), Rule: "closed before the handshake was done", Err: io.ErrUnexpectedEOF})
		}
	case errors.Is(err, os.ErrDeadlineExceeded) && c.s.Life().Draining() && c.s.Life().Phase() < session.PhaseHalfClosed: // see WakeReader
		c.nc.SetReadDeadline(time.Time{})
		return true
	case c.s.Life().Ending():
		c.s.Abort(c.s.Life().Reason())
	default:
		c.s.Abort(connError(&c.s, err))
	}
	return false
}

// lastMessage asks the machine what the end of the stream means, and delivers the
// message that it ends, like any other. It returns false when the goroutine has
// lost the reader's role, or the connection has ended: who has the role then
// meets the end of the stream again, and nothing is left.
func (r reader) lastMessage() bool {
	c := r.c
	for c.s.In().Len() > 0 && c.s.MustPark() {
		if !r.holdBack() {
			return false
		}
	}
	if c.s.Life().Err() != nil {
		return false
	}
	in, ev := c.s.In(), c.driver.event
	rest := in.Bytes()
	c.s.Life().EndsWith(c.s.Named(c.s.Machine().ReceiveEOF(rest, ev)))
	if ev.Owes || c.s.Life().EofErr() != nil {
		c.s.Out().ControlMayPend()
	}
	if c.s.Life().EofErr() != nil || ev.Kind != wire.EventMessage {
		if ev.Kind == wire.EventGranted {
			c.s.Granted()
		}
		return true
	}
	in.Consume(len(rest))
	c.s.MessageStarts()
	c.s.Consume(len(rest))
	c.s.Heard(rest, ev)
	if !r.deliver(ev.Message, nil) {
		return false
	}
	c.flushRest()
	return true
}
