package parley

import (
	"runtime/debug"

	"github.com/parley-net/parley/internal/session"

	"github.com/parley-net/parley/wire"
)

// batch is one run of the machine over the input at hand, with the messages that
// have arrived together.
//
// What has to be asked before one of them goes to the handler, or an answer to the
// machine, has the same answer for all of them, as long as nobody else has had the
// lock meanwhile: Conn.runs says so, and Conn.lock ends it. What is sent in a
// batch waits for its last message, or for the timer of armFlush.
type batch struct {
	reader
	in      *session.Input // what the handler borrows from
	ev      *wire.Event
	err     error
	found   bool // by serve: what ev and err say, and nothing has happened since
	calling callee
}

// callee is somebody else's code that a batch calls, and that may panic.
type callee uint8

const (
	callingNobody       callee = iota
	callingHandler             // without the lock
	callingMachine             // by next
	callingMachineAgain        // by serve, behind the handler
)

// process runs the machine over the input at hand. It returns false when the
// goroutine has lost the reader's role or the connection has ended. It is
// called, and returns, with the lock held.
func (r reader) process() (more bool) {
	c := r.c
	b := batch{reader: r, ev: c.driver.event}
	defer b.caught(&more)
	for c.s.Life().Err() == nil && !c.s.Life().Violated() {
		if c.s.AfterDrainMark() { // a peer that never stops sending must not hold up the end
			c.s.EndDraining()
		}
		if (c.s.Inbox().Len() > 0 || c.cfg.stepwise || c.s.Life().Draining() || c.s.Handling()) && c.s.In().Kind() != session.InputPlaced && c.s.MustPark() {
			if !b.holdBack() {
				return false
			}
			continue
		}
		b.next()
		switch {
		case b.err != nil:
			c.s.Violated(b.err)
			return false
		case b.ev.Kind == wire.EventNone:
			return true
		case b.ev.Kind != wire.EventMessage || !c.s.Assembly().Idle() || !c.talked.Opened():
			if c.s.Machine().Told(b.ev) != nil || !b.event() {
				return false
			}
		case !b.event():
			return false
		}
	}
	return false
}

// caught goes on behind a handler, or ends the connection behind a machine, that has
// panicked or ended its goroutine.
func (b *batch) caught(more *bool) {
	if b.calling == callingNobody {
		return
	}
	c, r := b.c, recover()
	switch {
	case b.calling == callingMachine && r != nil:
		c.s.Violated(c.s.Machine().Panicked(r))
	case b.calling == callingMachineAgain && r != nil:
		c.runs.meet()
		c.s.Machine().Panicked(r)
		b.endHandler(b.in, nil)
	case b.calling != callingHandler:
		c.runs.meet()
		c.s.Machine().Deserted()
	case r != nil:
		err := c.failed(&fault{r, debug.Stack()}, false)
		c.lock()
		*more = b.endHandler(b.in, err)
	default:
		b.replaceReader(b.in)
	}
}

// next asks the machine what comes next, unless that is known.
func (b *batch) next() {
	if b.found {
		b.found = false
		return
	}
	b.in = b.c.s.In()
	var n int
	b.calling = callingMachine
	n, b.err = b.c.s.Receive(b.in.Bytes(), b.ev, true)
	b.calling = callingNobody
	b.in.Consume(n)
}

// event takes what the machine has found. It returns false when the goroutine has
// lost the reader's role or the connection ends.
func (b *batch) event() bool {
	c, ev := b.c, b.ev
	switch ev.Kind {
	case wire.EventMessage:
		if len(c.s.Transform()) > 0 || !c.s.ForHandler() {
			return b.deliver(ev.Message, nil)
		}
		return b.serve()
	case wire.EventOffer:
		return b.offered(ev)
	case wire.EventData:
		return c.s.Piece(ev.Data)
	case wire.EventEnd:
		m, buf := c.s.Whole(ev)
		return b.deliver(m, buf)
	case wire.EventLost:
		err := c.s.Lost(ev.Err)
		return err == nil || b.lost(err)
	case wire.EventOpen:
		return b.open()
	case wire.EventBanner:
		return b.banner(ev.Data)
	case wire.EventLeave:
		c.s.BeginClose(ErrPeerClosed)
		return false
	case wire.EventShutdown:
		return b.shutdownRequested()
	default:
		c.s.Control(ev)
		return true
	}
}

// serve gives the message in ev to the handler, and those that follow it as long as
// the batch is exclusive, except the last one: with that the output leaves. It
// returns what endHandler does.
func (b *batch) serve() (more bool) {
	c, in, ev := b.c, b.in, b.ev
	b.beginHandler()
	if c.s.FastPath() {
		c.runs.alone()
	}
	ctx := c.context()
	for {
		m := ev.Message // under the lock: another may take the reader's role, and the event
		b.calling = callingHandler
		c.letGo() // it is not at rest, nor will it be before endHandler
		err := c.cfg.serve(ctx, c, m)
		b.calling = callingNobody
		c.hold()
		if c.runs != batchAlone || err != nil {
			c.runs.meet()
			return b.endHandler(in, err)
		}
	next:
		b.calling = callingMachineAgain
		n, err := c.s.Receive(in.Bytes(), ev, true)
		b.calling = callingNobody
		in.Consume(n)
		switch {
		case ev.Kind == wire.EventMessage && err == nil:
			c.stats.Message()
			c.talked.Heard()
			if in.Len() == 0 {
				c.runs.last()
			}
		case ev.Kind == wire.EventConfirmed && err == nil && c.s.Machine().Told(ev) == nil:
			c.s.Control(ev)
			goto next
		default:
			c.runs.meet()
			b.found, b.err = true, err
			return b.endHandler(in, nil)
		}
	}
}

// offered has the session decide about an announced message, and opens the stream that
// the program may have it as.
func (r reader) offered(ev *wire.Event) bool {
	c := r.c
	stream, ok := c.s.Offered(ev.N)
	switch {
	case !stream:
		return ok
	case c.driver.onLoop(): // a stream takes time
		offer := *ev
		c.promote()
		c.driver.decide(offer)
		return false
	default:
		return r.openStream(ev)
	}
}

// processDirect runs the machine over bytes that lie where they belong.
func (r reader) processDirect(p []byte) bool {
	c := r.c
	in := c.s.ReadFrom(session.Placed(p))
	ok := r.process()
	c.s.ReadFrom(in)
	return ok
}
