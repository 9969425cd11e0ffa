package parley

import (
	"github.com/parley-net/parley/internal/session"

	"github.com/parley-net/parley/wire"
)

// offered has the session decide about an announced message, and opens the stream that
// the program may have it as.
func (c *Conn) offered(gen int32, ev *wire.Event) bool {
	stream, ok := c.s.Offered(ev.N)
	switch {
	case !stream:
		return ok
	case c.runner != nil: // a stream takes time
		offer := *ev
		c.promote()
		c.decide(offer)
		return false
	default:
		return c.openStream(gen, ev)
	}
}

// processDirect runs the machine over bytes that lie where they belong.
func (c *Conn) processDirect(gen int32, p []byte) bool {
	in := c.s.ReadFrom(session.Placed(p))
	ok := c.process(gen)
	c.s.ReadFrom(in)
	return ok
}
