package parley

import (
	"fmt"

	"github.com/parley-net/parley/internal/session"

	"github.com/parley-net/parley/wire"
)

// offered decides about an announced message: in memory, as a stream, or not
// at all.
func (c *Conn) offered(gen int32, ev *wire.Event) bool {
	l := c.cfg.limits
	switch {
	case c.s.Life().Ending():
		return c.refuse(ErrClosed)
	case ev.N <= l.MaxMessage:
		c.s.Assembly().Begin(ev.N)
		c.s.Machine().Accept()
		c.s.Out().Owe()
		return true
	case ev.N > l.MaxStream:
		return c.refuse(fmt.Errorf("%w: %d bytes announced, Limits.MaxStream is %d", ErrTooLarge, ev.N, l.MaxStream))
	case c.s.NextIsLate():
		return c.refuse(c.s.TooLarge(ev.N, "it came in the place of an answer whose Call had given up"))
	case len(c.s.Transform()) > 0:
		return c.refuse(c.s.TooLarge(ev.N, "raise it, as plugins need the whole message"))
	case c.cfg.handler != nil && c.cfg.streams == nil:
		return c.refuse(c.s.TooLarge(ev.N, "raise it, or take such messages with a StreamHandler"))
	case c.runner != nil: // a stream takes time
		offer := *ev
		c.promote()
		c.decide(offer)
		return false
	default:
		return c.openStream(gen, ev)
	}
}

// piece takes what comes of a message that is put together in memory, or skipped.
func (c *Conn) piece(gen int32, ev *wire.Event) bool {
	switch ev.Kind {
	case wire.EventData:
		c.s.Assembly().Add(ev.Data)
		most := c.cfg.limits.MaxMessage
		return !c.s.Assembly().Over(most) || c.refuse(fmt.Errorf("%w: more than %d bytes, which is Limits.MaxMessage", ErrTooLarge, most))
	case wire.EventEnd:
		buf := c.s.Assembly().Take()
		m := ev.Message.WithBytes(buf)
		if c.cfg.trace != nil {
			c.traceMessage(m)
		}
		return c.deliver(gen, m, buf)
	default:
		err := c.s.Assembly().Fail(ev.Err)
		return err == nil || c.lost(gen, withPeer(err, c.peer()))
	}
}

// refuse declines the message offered or being received. It returns false if
// the wire can only do that by ending the connection.
func (c *Conn) refuse(reason error) bool {
	c.more().refuse()
	c.s.Assembly().Drop()
	c.s.Out().Owe()
	if err := c.s.Machine().Refuse(reason); err != nil {
		c.end(withPeer(err, c.peer()))
		return false
	}
	c.s.Assembly().Skip(c.s.MessageError("refused", reason))
	return true
}

// processDirect runs the machine over bytes that lie where they belong.
func (c *Conn) processDirect(gen int32, p []byte) bool {
	in := c.s.ReadFrom(session.Placed(p))
	ok := c.process(gen)
	c.s.ReadFrom(in)
	return ok
}
