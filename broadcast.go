package parley

import (
	"runtime"
	"slices"

	"github.com/parley-net/parley/internal/session"
)

// flushGroup is how many connections one goroutine flushes after a Broadcast.
const flushGroup = 64

// Broadcast sends m to every open connection but those in except, without
// waiting for any: a peer whose output is full misses the message or is cut,
// as WhenSlow says. It returns how many took it. An error says that m can't
// be sent in this protocol at all.
func (s *Server) Broadcast(m Message, except ...*Conn) (int, error) {
	cs := s.all()
	switch {
	case len(except) > 16: // a room by its complement: a search for each would cost the product of both
		out := make(map[*Conn]struct{}, len(except))
		for _, c := range except {
			out[c] = struct{}{}
		}
		cs = slices.DeleteFunc(cs, func(c *Conn) bool { _, ok := out[c]; return ok })
	case len(except) > 0:
		cs = slices.DeleteFunc(cs, func(c *Conn) bool { return slices.Contains(except, c) })
	}
	return s.BroadcastTo(m, cs)
}

// BroadcastTo is Broadcast to the given connections: those in a room. Its cost is
// that of these, however many others the server has. Those that have ended are
// left out, as is nil; one that is given twice is sent m twice.
func (s *Server) BroadcastTo(m Message, conns []*Conn) (int, error) {
	n := 0
	own := session.NewBroadcast(m, len(conns))
	var group []*Conn
	returned := false
	defer func() {
		flushAll(group)
		if !returned { // the machine of one has ended this goroutine
			s.BroadcastTo(m, conns)
		}
	}()
	for len(conns) > 0 {
		c := conns[0]
		conns = conns[1:]
		if c == nil {
			continue
		}
		b := &own
		if c.cfg != s.cfg { // another server's: its machines may have another form
			alone := session.NewBroadcast(m, 1)
			b = &alone
		}
		flush, err := c.offer(b)
		if flush {
			if group = append(group, c); len(group) == flushGroup {
				flushAll(group)
				group = nil
			}
		}
		switch {
		case err == nil:
			n++
		case err == ErrSlowConsumer:
			s.mu.Lock()
			s.stats.Missed++
			s.mu.Unlock()
			if s.WhenSlow == SlowCut {
				c.lock()
				c.s.Abort(connError(&c.s, ErrSlowConsumer))
				c.unlock()
			}
		case isCallers(err):
			returned = true
			return n, err
		}
	}
	returned = true
	return n, nil
}

// offer sends b's message without waiting, and reports whether somebody has to
// flush. If its turn has not come yet, it queues with the other senders.
func (c *Conn) offer(b *session.Broadcast) (flush bool, err error) {
	c.lock()
	defer c.unlock()
	if !c.talked.Opened() && !c.s.Life().Ending() {
		return false, ErrClosed
	}
	posted, err := c.s.Post(b)
	return posted && c.expectAsyncFlush(), err
}

// flushAll has another goroutine flush connections that expectAsyncFlush has chosen. If other
// goroutines are ready to run they go first: when there is nothing else to do it writes at once,
// and the busier the machine is, the more messages leave with one write.
func flushAll(cs []*Conn) {
	if len(cs) == 0 {
		return
	}
	go func() {
		runtime.Gosched()
		defer func() { flushAll(cs) }() // the rest, if the machine of one has ended this goroutine
		for len(cs) > 0 {
			c := cs[0]
			cs = cs[1:]
			c.flushAsync()
		}
	}()
}
