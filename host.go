package parley

import (
	"fmt"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/parley-net/parley/internal/bufpool"
	"github.com/parley-net/parley/internal/poller"
	"github.com/parley-net/parley/internal/session"

	"github.com/parley-net/parley/wire"
)

// host is a connection as its Session knows it: the other way round than everything
// else.
type host activity

// Peer names the peer.
func (h *host) Peer() string { return h.owner.peer() }

// Now returns what time it is.
func (h *host) Now() time.Time { return time.Now() }

// Short reports whether the budget is nearly used up.
func (h *host) Short() bool { return h.owner.cfg.budget.tight() }

// Weighed tells the budget.
func (h *host) Weighed() { h.owner.holds() }

// Faulted ends the connection.
func (h *host) Faulted(err error, how session.Fault) {
	c := h.owner
	if c.cfg.logger != nil {
		c.cfg.logger.Error("broken machine", "conn", c.id, "peer", c.peer(), "error", err, "stack", string(debug.Stack()))
	}
	if how != session.FaultContract {
		c.cfg.faults.panics.Add(1)
	}
	if how == session.FaultGoexit {
		c.forsaken(err)
		return
	}
	c.s.Abort(err)
}

// Aborting counts why the connection ends.
func (h *host) Aborting(err error) {
	c := h.owner
	c.cfg.faults.ended(err, c.s.Life().Reason(), c.talked.Opened())
	c.over.Store(true) // before Done is closed: who has seen that asks for Err
}

// Aborted closes the socket.
func (h *host) Aborted() {
	c := h.owner
	for _, f := range c.s.Life().TakeAfters() {
		go (*f)()
	}
	hangUp(c.nc)
	h.stopTimers()
	c.holds()
	c.finishIfIdle()
}

// Closes carries out the end.
func (h *host) Closes() {
	c := h.owner
	if c.s.Life().Draining() {
		c.nc.SetReadDeadline(time.Time{}) // see WakeReader
	}
	c.goroutines++
	go c.counted(c.closeGracefully)
}

// EndsOurs ends our direction of the connection.
func (h *host) EndsOurs() {
	c := h.owner
	c.goroutines++
	go c.counted(func() {
		c.nc.(closeWriter).CloseWrite() // TLS may have to wait; who reads finds what is wrong with the connection
		c.lock()
		c.goroutineDone()
	})
}

// StaysOpen bounds how long a peer that has ended its stream can still be answered.
func (h *host) StaysOpen() {
	c := h.owner
	if limit := c.cfg.timeouts.HalfClose; limit > 0 && !c.s.Life().Ending() {
		h.until(limit, func() {
			c.lock()
			defer c.unlock()
			c.s.BeginClose(c.s.Life().WhyEnded(ErrPeerClosed))
		})
	}
}

// Unsent asks the kernel.
func (h *host) Unsent() int { return poller.Unsent(h.owner.nc) }

// Share has the budget count p once.
func (h *host) Share(p []byte) *bufpool.Shared { return h.owner.cfg.budget.share(p) }

// Flush writes what waits.
func (h *host) Flush() { h.owner.flush(flushNow) }

// PassLater passes the turn after d, if somebody waits then.
func (h *host) PassLater(d time.Duration) {
	c := h.owner
	if t := c.extra; t.turns == nil {
		t.asks(time.AfterFunc(d, func() {
			c.lock()
			defer c.unlock()
			if !c.s.Sending().Turns().Empty() && c.s.Life().Err() == nil {
				c.s.PassTurn()
				c.flush(flushNow) // what PassTurn itself has sent
			}
		}))
	} else {
		t.turns.Reset(d)
	}
}

// Unposted logs a message of Broadcast that could not be sent.
func (h *host) Unposted(err error) {
	if c := h.owner; c.cfg.logger != nil {
		c.cfg.logger.Warn("broadcast failed", "conn", c.id, "peer", c.peer(), "error", err)
	}
}

// Counts counts what happens seldom.
func (h *host) Counts(what session.Seldom) { h.owner.more().counts(what) }

// Traced calls the trace function.
func (h *host) Traced(what string, m wire.Message, p []byte) {
	h.tell(Trace{Sent: true, What: what, Message: m, Bytes: p})
}

// Heard likewise.
func (h *host) Heard(p []byte, ev *wire.Event) {
	if len(p) == 0 && ev.Kind != wire.EventMessage && ev.Kind != wire.EventLost {
		return
	}
	t := Trace{What: ev.Kind.String(), Message: ev.Message, Bytes: p}
	if ev.Kind == wire.EventNone {
		t.What = "control"
	}
	h.tell(t)
}

// Noted likewise.
func (h *host) Noted(what string) { h.tell(Trace{What: what}) }

// tell calls the trace function.
func (h *host) tell(t Trace) {
	c := h.owner
	t.Time, t.Conn = time.Now(), c
	if at := aside(func() { c.cfg.trace(t) }); at != nil {
		c.cutAside(c.failed(at, false))
	}
}

// Succeeds has a new goroutine take the reader's role over.
func (h *host) Succeeds() {
	c := h.owner
	c.driver.leaveLoop()
	c.weight.lend(c.weight.lent + int64(c.s.In().Kept()))
	c.succeed()
}

// WakesReader promotes a connection that is attached to a loop, and ends the reader's wait for the
// peer else.
func (h *host) WakesReader() {
	c := h.owner
	if c.s.Reader() == session.ReaderAttached {
		c.promote()
		return
	}
	c.nc.SetReadDeadline(time.Now())
}

// What must not take for ever the session watches (session/watch.go). Here somebody looks at
// the clock when it is told to, and says why a connection has ended.

// LookAfter has the session look after d.
func (h *host) LookAfter(d time.Duration) { h.watch.set(d, (*activity)(h), onWatch) }

func onWatch(a *activity) {
	c := a.owner
	c.lock()
	defer c.unlock()
	a.watch.rang()
	a.s.Look()
}

// Streaming reports whether the program reads a stream.
func (h *host) Streaming() bool { return h.stream != nil }

// Taken asks the kernel.
func (h *host) Taken() int64 {
	c := h.owner
	if peer, ok := poller.VitalsOf(c.nc); ok {
		return int64(peer.Taken + c.stats.Confirmed)
	}
	return int64(c.s.Out().Written()+c.stats.Confirmed) - int64(poller.Unsent(c.nc))
}

// Asked asks the kernel.
func (h *host) Asked() (asked bool, heard time.Duration) {
	peer, _ := poller.VitalsOf(h.owner.nc)
	return peer.Asked, peer.Heard
}

// Queues logs that the server is busy.
func (h *host) Queues() {
	if c := h.owner; c.cfg.logger != nil {
		c.cfg.logger.Warn("waiting in the queue of the server", "conn", c.id, "peer", c.peer(), "hint", c.s.Hint())
	}
}

// Overdue ends the connection.
func (h *host) Overdue(l session.Limit, how string) {
	c := h.owner
	if fields := l.String(); fields != "" {
		how = fmt.Sprintf("%s (%s)", how, fields)
	}
	switch l {
	case session.LimitWrite:
		c.cfg.faults.timeouts.Add(1)
		c.s.Abort(connError(&c.s, fmt.Errorf("%w: %s", ErrSlowConsumer, how)))
	case session.LimitAlive:
		c.cfg.faults.timeouts.Add(1)
		c.s.Abort(connError(&c.s, fmt.Errorf("%s: %w", how, syscall.ETIMEDOUT)))
	case session.LimitHandshake:
		c.s.Forsake(&TimeoutError{Peer: c.peer(), Wait: fmt.Sprintf("%s; %s", how, c.s.Hint())})
	default:
		c.s.Abort(&TimeoutError{Peer: c.peer(), Wait: how})
	}
}
