package parley

import (
	"github.com/parley-net/parley/internal/bufpool"
	"github.com/parley-net/parley/wire"
)

// assembly is a message that arrives in pieces and is put together in memory.
// Its buffer grows with the bytes that have arrived, never with the size that
// was announced.
type assembly struct {
	active bool
	skip   bool  // refused: the pieces are thrown away
	size   int64 // -1: unknown
	buf    []byte
}

func (a *assembly) add(p []byte) {
	if a.skip {
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
	return !a.skip && a.size < 0 && int64(len(a.buf)) > limit
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
func (c *Conn) offered(gen int, ev *wire.Event) bool {
	l := c.cfg.limits
	switch {
	case c.farewell:
		return c.refuse(ErrClosed)
	case ev.N <= l.MaxMessage:
		c.asm = assembly{active: true, size: ev.N}
		c.m.Accept()
		return true
	case ev.N > l.MaxStream, len(c.transform) > 0,
		c.cfg.handler != nil && (c.cfg.streams == nil || c.handling):
		return c.refuse(ErrTooLarge)
	default:
		return c.openStream(gen, ev)
	}
}

// refuse declines the message offered or being received.
func (c *Conn) refuse(reason error) bool {
	c.stats.Refused++
	c.asm.drop()
	c.asm = assembly{active: true, skip: true}
	if err := c.m.Refuse(reason); err != nil {
		c.end(withPeer(err, c.peer()))
		return false
	}
	return true
}

// direct returns where to read so that a large message's bytes need no copy,
// or nil. It never takes the message's last byte: so no message is complete,
// and no handler runs, while they are processed.
func (c *Conn) direct() []byte {
	a := &c.asm
	rest := a.size - int64(len(a.buf)) - 1
	if !a.active || a.skip || rest < readSize || c.in.len() > 0 {
		return nil
	}
	a.buf = bufpool.Grow(a.buf, readSize)
	free := a.buf[len(a.buf):cap(a.buf)]
	return free[:min(int64(len(free)), rest)]
}

// processDirect runs the machine over bytes that lie where they belong.
func (c *Conn) processDirect(gen int, p []byte) bool {
	in := c.in
	c.in = &input{b: p}
	ok := c.process(gen)
	c.in = in
	return ok
}
