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

// batchState says what whoever has the lock may do about the output, and what it need
// not ask.
type batchState uint8

const (
	batchNone  batchState = iota // what is sent leaves at once
	batchRuns                    // it leaves at the end of the batch
	batchLast                    // as batchNone, and nobody has called lock since plain was asked
	batchAlone                   // as batchRuns, and likewise
)

// begin begins a batch, in which more follows or not.
func (b *batchState) begin(more bool) {
	*b = batchNone
	if more {
		*b = batchRuns
	}
}

// alone says that nobody else touches the connection until meet.
func (b *batchState) alone() { *b += batchLast }

// last says that no more follows.
func (b *batchState) last() { *b = batchLast }

// over says that what is sent from now on leaves at once.
func (b *batchState) over() { *b = batchNone }

// meet says that somebody else may touch the connection.
func (b *batchState) meet() {
	if *b >= batchLast {
		*b -= batchLast
	}
}

// exclusive reports whether nobody else has touched the connection since alone.
func (b batchState) exclusive() bool { return b >= batchLast }

// defers reports whether what is sent leaves at the end of the batch.
func (b batchState) defers() bool { return b == batchRuns || b == batchAlone }

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
	b := batch{reader: r, ev: c.event}
	defer b.caught(&more)
	for c.s.Life().Err() == nil && !c.s.Life().Violated() {
		if c.s.TooLate() { // a peer that never stops sending must not hold up the end
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
		b.handled(b.in, nil)
	case b.calling != callingHandler:
		c.runs.meet()
		c.s.Machine().Deserted()
	case r != nil:
		err := c.failed(&fault{r, debug.Stack()}, false)
		c.lock()
		*more = b.handled(b.in, err)
	default:
		b.succeeded(b.in)
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
		c.s.End(ErrPeerClosed)
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
// returns what handled does.
func (b *batch) serve() (more bool) {
	c, in, ev := b.c, b.in, b.ev
	b.handing()
	if c.s.Plain() {
		c.runs.alone()
	}
	ctx := c.context()
	for {
		m := ev.Message // under the lock: another may take the reader's role, and the event
		b.calling = callingHandler
		c.letGo() // it is not at rest, nor will it be before handled
		err := c.cfg.serve(ctx, c, m)
		b.calling = callingNobody
		c.hold()
		if c.runs != batchAlone || err != nil {
			c.runs.meet()
			return b.handled(in, err)
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
			return b.handled(in, nil)
		}
	}
}
