package parley

import (
	"fmt"

	"github.com/parley-net/parley/internal/bufpool"
)

// transformed runs the plugins over a message to be sent, in their order. It
// is called by the goroutine that has the turn, with the lock held, and
// releases it while the plugins work. The result's bytes are buf, from bufpool.
func (c *Conn) transformed(m Message) (Message, []byte, error) {
	if m.Type() != TypeBytes && m.Type() != TypeText {
		return m, nil, fmt.Errorf("%w: plugins take bytes and text only, not %s", ErrNotRepresentable, m.Type())
	}
	c.unlock()
	defer c.lock()
	p, owned := m.Bytes(), false
	for i, t := range c.transform {
		out, err := t.Send(bufpool.Get(len(p)+256), p)
		if owned {
			bufpool.Put(p)
		}
		if err != nil {
			return m, nil, fmt.Errorf("parley: plugin %s: %w", c.cfg.plugins[i].Name(), err)
		}
		p, owned = out, true
	}
	return m.AsBytes(p), p, nil
}

// untransform runs the plugins over a received message, in reverse order. The
// result's bytes are buf, from bufpool.
func (c *Conn) untransform(m Message) (_ Message, buf []byte, err error) {
	p, owned := m.Bytes(), false
	for i := len(c.transform) - 1; i >= 0; i-- {
		out, err := c.transform[i].Receive(bufpool.Get(len(p)+256), p)
		if owned {
			bufpool.Put(p)
		}
		if err != nil {
			return m, nil, fmt.Errorf("plugin %s: %w", c.cfg.plugins[i].Name(), err)
		}
		p, owned = out, true
	}
	return m.AsBytes(p), p, nil
}
