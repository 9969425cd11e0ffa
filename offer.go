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
	case c.life.Ending():
		return c.refuse(ErrClosed)
	case ev.N <= l.MaxMessage:
		c.asm.Begin(ev.N)
		c.machine().Accept()
		c.out.Owe()
		return true
	case ev.N > l.MaxStream:
		return c.refuse(fmt.Errorf("%w: %d bytes announced, Limits.MaxStream is %d", ErrTooLarge, ev.N, l.MaxStream))
	case c.nextIsLate():
		return c.refuse(c.tooLarge(ev.N, "it came in the place of an answer whose Call had given up"))
	case len(c.transform) > 0:
		return c.refuse(c.tooLarge(ev.N, "raise it, as plugins need the whole message"))
	case c.cfg.handler != nil && c.cfg.streams == nil:
		return c.refuse(c.tooLarge(ev.N, "raise it, or take such messages with a StreamHandler"))
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
		c.asm.Add(ev.Data)
		most := c.cfg.limits.MaxMessage
		return !c.asm.Over(most) || c.refuse(fmt.Errorf("%w: more than %d bytes, which is Limits.MaxMessage", ErrTooLarge, most))
	case wire.EventEnd:
		buf := c.asm.Take()
		m := ev.Message.WithBytes(buf)
		if c.cfg.trace != nil {
			c.traceMessage(m)
		}
		return c.deliver(gen, m, buf)
	default:
		err := c.asm.Fail(ev.Err)
		return err == nil || c.lost(gen, withPeer(err, c.peer()))
	}
}

func (c *Conn) tooLarge(size int64, advice string) error {
	return fmt.Errorf("%w: %d bytes announced, Limits.MaxMessage is %d; %s", ErrTooLarge, size, c.cfg.limits.MaxMessage, advice)
}

// refuse declines the message offered or being received. It returns false if
// the wire can only do that by ending the connection.
func (c *Conn) refuse(reason error) bool {
	c.more().refused++
	c.asm.Drop()
	c.out.Owe()
	if err := c.machine().Refuse(reason); err != nil {
		c.end(withPeer(err, c.peer()))
		return false
	}
	c.asm.Skip(c.messageError("refused", reason))
	return true
}

// messageError says that the message that began last is lost.
func (c *Conn) messageError(rule string, err error) error {
	return &MessageError{Protocol: c.cfg.protocol.Name(), Peer: c.peer(), Offset: c.began, Rule: rule, Err: err}
}

// direct returns where to read so that a large message's bytes need no copy,
// or nil. It never takes the message's last byte: so no message is complete,
// and no handler runs, while they are processed.
func (c *Conn) direct() []byte {
	if c.in.Len() > 0 {
		return nil
	}
	return c.asm.Room()
}

// processDirect runs the machine over bytes that lie where they belong.
func (c *Conn) processDirect(gen int32, p []byte) bool {
	in := c.readFrom(session.Placed(p))
	ok := c.process(gen)
	c.readFrom(in)
	return ok
}
