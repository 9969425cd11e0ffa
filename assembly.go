package parley

import (
	"fmt"

	"github.com/parley-net/parley/internal/bufpool"
	"github.com/parley-net/parley/wire"
)

// assembly is a message that arrives in pieces and is put together in memory.
// Its buffer grows with the bytes that have arrived, never with the size that
// was announced.
type assembly struct {
	size   int64 // -1: unknown
	buf    []byte
	lost   error // refused, and why: the pieces are thrown away
	active bool
	told   bool // the program knows
}

func (a *assembly) add(p []byte) {
	if a.lost != nil {
		return
	}
	if n := len(a.buf); cap(a.buf)-n >= len(p) && len(p) > 0 && &a.buf[:n+1][n] == &p[0] {
		a.buf = a.buf[:n+len(p)] // read directly into place
		return
	}
	a.buf = append(bufpool.Grow(a.buf, len(p)), p...)
}

// over reports whether a message of unknown size has outgrown limit.
func (a *assembly) over(limit int64) bool {
	return a.lost == nil && a.size < 0 && int64(len(a.buf)) > limit
}

// take ends the assembly and returns the message's bytes.
func (a *assembly) take() []byte {
	b := a.buf
	*a = assembly{}
	return b
}

// drop ends the assembly and gives the buffer back.
func (a *assembly) drop() {
	bufpool.Put(a.buf)
	*a = assembly{}
}

// offered decides about an announced message: in memory, as a stream, or not
// at all.
func (c *Conn) offered(gen int32, ev *wire.Event) bool {
	l := c.cfg.limits
	switch {
	case c.life.ending():
		return c.refuse(ErrClosed)
	case ev.N <= l.MaxMessage:
		c.asm = assembly{active: true, size: ev.N}
		c.m.Accept()
		c.owes = true
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
		c.postponed = true
		c.promote()
		return false
	default:
		return c.openStream(gen, ev)
	}
}

func (c *Conn) tooLarge(size int64, advice string) error {
	return fmt.Errorf("%w: %d bytes announced, Limits.MaxMessage is %d; %s", ErrTooLarge, size, c.cfg.limits.MaxMessage, advice)
}

// refuse declines the message offered or being received. It returns false if
// the wire can only do that by ending the connection.
func (c *Conn) refuse(reason error) bool {
	c.more().refused++
	c.asm.drop()
	c.owes = true
	if err := c.m.Refuse(reason); err != nil {
		c.end(withPeer(err, c.peer()))
		return false
	}
	c.asm = assembly{active: true, lost: c.messageError("refused", reason)}
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
	a := &c.asm
	rest := a.size - int64(len(a.buf)) - 1
	if !a.active || a.lost != nil || rest < readSize || c.in.len() > 0 {
		return nil
	}
	a.buf = bufpool.Grow(a.buf, readSize)
	free := a.buf[len(a.buf):cap(a.buf)]
	return free[:min(int64(len(free)), rest)]
}

// processDirect runs the machine over bytes that lie where they belong.
func (c *Conn) processDirect(gen int32, p []byte) bool {
	in := c.in
	c.in = &input{b: p, placed: true}
	ok := c.process(gen)
	c.in = in
	return ok
}
