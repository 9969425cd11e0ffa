package parley

import (
	"github.com/parley-net/parley/internal/session"

	"github.com/parley-net/parley/wire"
)

// offered has the session decide about an announced message, and opens the stream that
// the program may have it as.
func (r reader) offered(ev *wire.Event) bool {
	c := r.c
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
		return r.openStream(ev)
	}
}

// processDirect runs the machine over bytes that lie where they belong.
func (r reader) processDirect(p []byte) bool {
	c := r.c
	in := c.s.ReadFrom(session.Placed(p))
	ok := r.process()
	c.s.ReadFrom(in)
	return ok
}
