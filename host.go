package parley

import (
	"runtime/debug"
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
	c.s.Cut(err)
}

// Cuts counts why the connection ends.
func (h *host) Cuts(err error) {
	c := h.owner
	c.cfg.faults.ended(err, c.s.Life().Reason(), c.talked.Opened())
	c.over.Store(true) // before Done is closed: who has seen that asks for Err
}

// Gone closes the socket.
func (h *host) Gone() {
	c := h.owner
	for _, f := range c.s.Life().TakeAfters() {
		go (*f)()
	}
	hangUp(c.nc)
	c.stopTimers()
	c.holds()
	c.settle()
}

// Leaves carries out the end.
func (h *host) Leaves() {
	c := h.owner
	if c.s.Life().Draining() {
		c.nc.SetReadDeadline(time.Time{}) // see nudge
	}
	c.goroutines++
	go c.counted(c.leave)
}

// EndsOurs ends our direction of the connection.
func (h *host) EndsOurs() {
	c := h.owner
	c.goroutines++
	go c.counted(func() {
		c.nc.(closeWriter).CloseWrite() // TLS may have to wait; who reads finds what is wrong with the connection
		c.lock()
		c.exit()
	})
}

// StaysOpen bounds how long a peer that has ended its stream can still be answered.
func (h *host) StaysOpen() {
	c := h.owner
	if limit := c.cfg.timeouts.HalfClose; limit > 0 && !c.s.Life().Ending() {
		c.until(limit, func() {
			c.lock()
			defer c.unlock()
			c.s.End(c.s.Life().WhyEnded(ErrPeerClosed))
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
