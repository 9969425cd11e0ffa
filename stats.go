package parley

import (
	"context"
	"iter"
	"slices"
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

// ClientStats counts what a Client has done.
type ClientStats struct {
	Connected uint64    // connections ever made
	Failed    uint64    // attempts that made none
	Faults    Faults    // what has gone wrong
	Total     ConnStats // the sum over all connections, past and present
}

// Stats returns the client's counters.
func (c *Client) Stats() ClientStats {
	c.mu.Lock()
	st, live := c.stats, slices.Clone(c.current)
	c.mu.Unlock()
	st.Faults = c.Dialer.state().faults.sum()
	for _, conn := range live {
		st.Total.add(conn.Stats())
	}
	return st
}

// Done returns a channel that is closed when the client has ended: Close has
// closed the connection, or MaxAttempts attempts have failed. State says which.
func (c *Client) Done() <-chan struct{} {
	c.init()
	return c.ended
}

// Messages returns the messages that arrive on whatever connection there is,
// one after the other, until Close or the end of ctx. That a connection is lost
// ends nothing: the messages of the next one follow. Where the peer must be told
// again then (a login, a subscription), Dialer.Hooks.OnOpen is the place. A lost
// message is yielded as a *MessageError and the loop goes on, as with a
// *LateAnswerError; any other error is yielded last.
func (c *Client) Messages(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		for {
			m, err := c.Receive(ctx)
			switch {
			case err == ErrClientClosed: // Close, and not after failed attempts
				return
			case err != nil && !goesOn(err):
				yield(m, err)
				return
			}
			if !yield(m, err) {
				return
			}
		}
	}
}

func (c *Client) connected(conn *Conn) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.Connected++
	c.current = append(c.current, conn)
}

func (c *Client) failed() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.Failed++
}

// disconnected adds what conn has done to the sum, once it has ended.
func (c *Client) disconnected(conn *Conn) {
	if conn.Err() == nil { // it is leaving, and will be told of again
		return
	}
	st := conn.Stats()
	st.Pending, st.Waiting = 0, 0 // given up
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := slices.Index(c.current, conn); i >= 0 {
		c.current = slices.Delete(c.current, i, i+1)
		c.stats.Total.add(st)
	}
}
