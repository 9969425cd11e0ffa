package parley

import (
	"fmt"
	"syscall"
	"time"

	"github.com/parley-net/parley/internal/poller"
	"github.com/parley-net/parley/internal/session"
)

// What must not take for ever the session watches (session/watch.go). This file looks at
// the clock when it is told to, and says why a connection has ended.

// LookAfter has the session look after d.
func (h *host) LookAfter(d time.Duration) { h.watch.set(d, (*activity)(h), (*activity).onWatch) }

func (a *activity) onWatch() {
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
	return int64(c.s.Out().Gone()+c.stats.Confirmed) - int64(poller.Unsent(c.nc))
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
		c.s.Cut(connError(&c.s, fmt.Errorf("%w: %s", ErrSlowConsumer, how)))
	case session.LimitAlive:
		c.cfg.faults.timeouts.Add(1)
		c.s.Cut(connError(&c.s, fmt.Errorf("%s: %w", how, syscall.ETIMEDOUT)))
	case session.LimitHandshake:
		c.s.Forsake(&TimeoutError{Peer: c.peer(), Wait: fmt.Sprintf("%s; %s", how, c.s.Hint())})
	default:
		c.s.Cut(&TimeoutError{Peer: c.peer(), Wait: how})
	}
}

// shortageOf is a shortage of what connections hold, for relief: how they fare, and
// how they end.
func shortageOf(what string, missing func() int64, who func() []candidate[*Conn]) shortage[*Conn] {
	return shortage[*Conn]{what, missing, who,
		func(c *Conn) (p pace, b bounds) {
			c.hold()
			defer c.letGo()
			if c.activity == nil {
				return p, b // at rest
			}
			p.ended = c.s.Life().Closed()
			if p.ended || !c.talked.Opened() {
				return p, b
			}
			patient := c.s.Patient()
			p.arriving, p.messages, p.in = c.s.Partial() && patient.Progress, c.stats.MessagesIn, c.stats.BytesIn
			if p.waiting = c.s.Out().Waiting() && patient.Write; p.waiting {
				p.taken = c.s.Taken()
			}
			return p, bounds{c.cfg.timeouts.Write, c.cfg.timeouts.Progress, c.cfg.limits.MinRate}
		},
		func(c *Conn, l session.Limit, how string) {
			c.lock()
			defer c.unlock()
			c.s.Overdue(l, how)
		},
	}
}
