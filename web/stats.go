package web

import "sync/atomic"

// Stats counts what a door has done.
type Stats struct {
	Open     int    // sockets, and readers of events, that are open now
	Opened   uint64 // that ever were
	Refused  uint64 // requests and sockets that were refused
	Sent     uint64 // messages that subscriptions were sent
	Received uint64 // frames of pages
	Missed   uint64 // messages that subscriptions were told they missed
	Calls    uint64
}

// counters is what Stats is made of.
type counters struct {
	opened, refused, sent, received, missed, calls atomic.Uint64
}

// Stats returns the door's counters.
func (d *Door) Stats() Stats {
	d.mu.Lock()
	open := len(d.sockets)
	d.mu.Unlock()
	c := &d.counted
	return Stats{Open: open, Opened: c.opened.Load(), Refused: c.refused.Load(), Sent: c.sent.Load(), Received: c.received.Load(), Missed: c.missed.Load(), Calls: c.calls.Load()}
}
