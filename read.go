package parley

import (
	"errors"
	"io"
	"slices"
	"time"

	"github.com/parley-net/parley/internal/session"

	"github.com/parley-net/parley/wire"
)

// read is the reading goroutine: read what has arrived, run the machine over
// all of it, run the handlers, write once, and wait again without a buffer.
//
// It owns the reader's role until another goroutine takes it over (see
// ensureReader), which can only happen while it runs a handler.
func (c *Conn) read() {
	c.lock()
	gen := c.gen
	c.counted(gen, c.in, func() {
		c.equip(c.nc)
		c.readOn(gen, c.resume(gen) && c.process(gen))
	})
}

// readOn is read once the machine has seen what was there already; more is what
// process has returned. It is called with the lock held and releases it.
func (c *Conn) readOn(gen int32, more bool) {
	for ; more; more = c.process(gen) {
		c.flushRest()
		if !c.handling { // else what another goroutine's handler sends depends on it
			c.late.stop() // it would cost more to let it run
		}
		c.endDraining()
		c.settleUp()
		if c.life.Err() != nil {
			break
		}
		if c.deaf() {
			c.park()
			continue
		}
		c.partial = !c.asm.Idle() || c.in.Len() > 0
		c.watchSome()
		t, in, direct := c.io, c.in, c.direct()
		*c.event = wire.Event{} // it refers to buffers that others may get now
		if c.attach() {
			return
		}
		c.unlock()
		n, err := t.read(in, direct)
		c.lock()
		c.partial = false
		c.stats.got(n)
		if !c.talked.Opened() {
			c.note()
		}
		if direct != nil && n > 0 && !c.processDirect(gen, direct[:n]) {
			break
		}
		if err != nil && !c.readFailed(gen, err) {
			break
		}
	}
	if gen == c.gen {
		c.reader = readerGone
		c.ended()
		c.discard()
		c.awaitReset()
	}
	c.exit()
}

// discard reads on behind the machine's end while the connection ends: a peer
// that could not write might not read either, and closing with unread input
// would be a reset.
func (c *Conn) discard() {
	if c.life.Err() != nil || c.life.Ended() {
		return
	}
	if c.life.Phase() < session.PhaseHalfClosed {
		c.nc.SetReadDeadline(time.Time{}) // see nudge
	}
	c.unlock()
	io.Copy(io.Discard, onlyReader{c.nc})
	c.lock()
	c.life.PeerEnds()
	c.checkDrained()
	if c.life.Phase() >= session.PhaseHalfClosed {
		c.cut(c.life.Reason())
	}
}

// onlyReader hides every other method, so that io.Copy reads with a small
// buffer instead of splicing.
type onlyReader struct{ io.Reader }

// holdBack lets the program catch up: nothing is read until it has taken something,
// or somebody waits for the peer. It returns false when the goroutine has lost the
// reader's role.
func (c *Conn) holdBack() bool {
	c.flushRest() // without the lock: look again
	c.settleUp()
	if !c.mustPark() {
		return true
	}
	if c.promoted() {
		return false
	}
	c.park()
	return true
}

// mustPark: the inbox is full, or the server's budget nearly used up, and nobody
// has come for what is in it; or, where
// answers stay in the order of messages, the last one may not be answered yet,
// and the machine would answer what follows (a ping) before it; or it came too
// late for a connection that is draining.
func (c *Conn) mustPark() bool {
	slack, tight := 1, c.inbox.Len() > 0 && c.cfg.budget.tight()
	if c.sending.Held() != nil || !c.sending.Confirms().Empty() || c.waitsForTurn() {
		slack, tight = session.InboxSlack, false
	}
	if c.sending.Held() != nil && c.cfg.traits.TakesTurns {
		slack *= 2 // it was sent in spite of a full inbox, see ourTurn, and the peer's next message lets it go
	}
	ahead := c.cfg.stepwise && c.stats.MessagesIn > 0
	return (ahead || tight || c.cfg.limits.overrun(&c.inbox, slack) || c.tooLate() && c.deaf()) && !c.awaited() && !c.life.Ending()
}

// receive runs the machine over p, and accounts for what it has made of it. A caller
// that catches a panic of the machine itself says so.
func (c *Conn) receive(p []byte, ev *wire.Event, catches bool) (n int, err error) {
	switch {
	case c.watch.answer.On() || c.cfg.trace != nil:
		n, err = c.receiveWatched(p, ev)
	case catches:
		n, err = c.machine().receive(p, ev)
	default:
		n, err = c.machine().Receive(p, ev)
	}
	if ev.Owes || err != nil {
		c.out.Owe()
	}
	if c.cfg.traits.TakesTurns {
		c.extra.talk.unread = len(p) > n
	}
	if ev.Kind == wire.EventMessage || ev.Kind == wire.EventOffer {
		c.began = c.consumed
		if c.cfg.traits.TakesTurns {
			c.heardTalk(true)
		}
	}
	c.consumed += int64(n)
	return n, err
}

// receiveWatched notes if the peer has answered, and traces what the machine has
// found.
func (c *Conn) receiveWatched(p []byte, ev *wire.Event) (n int, err error) {
	if c.cfg.trace != nil && len(c.seen) != len(p) {
		c.seen = slices.Clone(p) // before the machine decodes it in place
	}
	owing := c.machine().Awaiting()
	n, err = c.machine().Receive(p, ev)
	if c.machine().Awaiting() < owing {
		c.watch.answers++
	}
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
		c.stats.confirm(ev.N)
		if c.cfg.traits.TakesTurns {
			c.heardTalk(false)
		}
		c.sending.Confirmed(c.stats.Confirmed)
		c.checkDrained()
	case wire.EventGranted:
		if c.cfg.traits.TakesTurns {
			c.extra.talk.granted()
		}
		c.granted()
	}
}

// violated ends the connection because of what the peer has sent.
func (c *Conn) violated(err error) error {
	err = withPeer(err, c.peer())
	c.end(err)
	c.life.PeerIs(session.PeerViolated)
	return err
}

// shutdownRequested closes the connection of a peer that has asked the server
// to end, and ends the server unless that is refused.
func (c *Conn) shutdownRequested(gen int32) bool {
	granted := c.cfg.shutdown != nil
	if hook := c.cfg.asked; hook != nil {
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

// banner tells a line of the peer's greeting.
func (c *Conn) banner(gen int32, line []byte) bool {
	if c.cfg.logger != nil {
		c.cfg.logger.Debug("banner", "conn", c.id, "peer", c.peer(), "line", string(line[:min(len(line), maxBanner)]))
	}
	hook := c.cfg.hooks.OnBanner
	if hook == nil || c.life.Ending() {
		return true
	}
	return c.call(gen, func() error { hook(c, line); return nil })
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

// open runs the hooks of a connection that has opened.
func (c *Conn) open(gen int32) bool {
	if c.life.Ending() {
		return true // too late
	}
	c.talked.Open()
	c.first = nil
	c.life.Advance(session.PhaseOpen)
	if c.cfg.traits.TakesTurns {
		c.heardTalk(false)
	}
	c.watch.off()
	if c.cfg.logger != nil {
		c.cfg.logger.Info("connection open", "conn", c.id, "peer", c.peer(), "protocol", c.cfg.protocol.Name())
	}
	still := true
	if h := c.cfg.hooks; h.OnOpen != nil || h.ConnContext != nil {
		still = c.call(gen, c.welcome)
	}
	if !c.life.Ending() {
		c.life.Opens().All(nil) // Dial waits for this
		if c.cfg.opened != nil {
			c.cfg.opened(c)
		}
	}
	return still
}
