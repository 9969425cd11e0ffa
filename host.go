package parley

import (
	"runtime/debug"
	"time"

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
	c.cut(err)
}

// Unsent ends the connection if a plugin has counted the message already, as the peer's
// would wait for it.
func (h *host) Unsent(err error) { h.owner.unsent(err) }

// Traced calls the trace function.
func (h *host) Traced(what string, m wire.Message, p []byte) { h.owner.traceOut(what, p, m) }

// Heard likewise.
func (h *host) Heard(p []byte, ev *wire.Event) { h.owner.traceIn(p, ev) }
