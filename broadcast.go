package parley

import (
	"slices"
)

// flushGroup is how many connections one goroutine flushes after a Broadcast.
const flushGroup = 64

// Broadcast sends m to every open connection but those in except, without
// waiting for any: a peer whose output is full misses the message or is cut,
// as WhenSlow says. It returns how many took it. An error says that m can't
// be sent on this wire at all.
func (s *Server) Broadcast(m Message, except ...*Conn) (int, error) {
	n := 0
	b := broadcast{m: m}
	var group []*Conn
	defer func() { flushAll(group) }()
	for _, c := range s.all() {
		if slices.Contains(except, c) {
			continue
		}
		flush, err := c.offer(&b)
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
			s.stats.Slow++
			s.mu.Unlock()
			if s.WhenSlow == SlowCut {
				c.lock()
				c.netFailed(ErrSlowConsumer)
				c.unlock()
			}
		case isCallers(err):
			return n, err
		}
	}
	return n, nil
}

// flushAll has another goroutine flush connections that flushesAside has chosen.
func flushAll(cs []*Conn) {
	if len(cs) == 0 {
		return
	}
	go func() {
		for _, c := range cs {
			c.flusher()
		}
	}()
}
