package parley

import (
	"time"

	"github.com/parley-net/parley/internal/session"
)

// ConnStats counts what a connection has done.
type ConnStats struct {
	Opened      time.Time // when the connection was made
	MessagesIn  uint64
	MessagesOut uint64
	BytesIn     uint64 // bytes of the wire
	BytesOut    uint64
	Confirmed   uint64 // messages the peer has confirmed
	Lost        uint64 // messages that could not be delivered
	Late        uint64 // messages that came in the place of an answer whose Call had given up
	TooLarge    uint64 // messages that were not taken because of their size
	Pending     int    // bytes that wait for the peer to take them
	Waiting     int    // messages that wait for Receive or a busy handler
}

// Stats returns the connection's counters.
func (c *Conn) Stats() ConnStats {
	c.lock()
	defer c.unlock()
	n, few := &c.stats, c.extra
	if few == nil {
		few = new(extra)
	}
	return ConnStats{
		Opened:     c.cfg.epoch.Add(c.made),
		MessagesIn: n.MessagesIn, MessagesOut: n.MessagesOut, BytesIn: n.BytesIn, BytesOut: n.BytesOut,
		Confirmed: n.Confirmed, Lost: few.seldom[session.SeldomLost], Late: few.seldom[session.SeldomLate], TooLarge: few.seldom[session.SeldomRefused],
		Pending: c.s.Out().Pending(), Waiting: c.s.Inbox().Len(),
	}
}

// ServerStats counts what a server has done.
type ServerStats struct {
	Open     int       // connections that are open now
	Accepted uint64    // connections ever accepted
	Refused  uint64    // connections turned away because of a limit
	Missed   uint64    // deliveries of Broadcast that a slow peer missed
	Stalls   uint64    // times a handler has blocked an event loop
	Faults   Faults    // what has gone wrong
	Total    ConnStats // the sum over all connections, past and present
}

func (s *ConnStats) add(o ConnStats) {
	s.MessagesIn += o.MessagesIn
	s.MessagesOut += o.MessagesOut
	s.BytesIn += o.BytesIn
	s.BytesOut += o.BytesOut
	s.Confirmed += o.Confirmed
	s.Lost += o.Lost
	s.Late += o.Late
	s.TooLarge += o.TooLarge
	s.Pending += o.Pending
	s.Waiting += o.Waiting
}
