package parley

import (
	"fmt"
	"runtime/debug"

	"github.com/parley-net/parley/internal/bufpool"
	"github.com/parley-net/parley/wire"
)

// transformed runs the plugins over a message to be sent, in their order. It
// is called by the goroutine that has the turn, with the lock held, and
// releases it while the plugins work. The result's bytes are buf, from bufpool.
func (c *Conn) transformed(m Message) (Message, []byte, error) {
	if m.Type() != TypeBytes && m.Type() != TypeText {
		return m, nil, fmt.Errorf("%w: plugins take bytes and text only, not %s", ErrNotRepresentable, m.Type())
	}
	broke := errGoexit // what a plugin did instead of returning
	c.unlock()
	defer func() {
		c.lock()
		if broke != nil {
			c.cut(broke)
		}
	}()
	p, owned := m.Bytes(), false
	for i := range c.transform {
		broke = errGoexit
		out, fault, err := c.transformOne(i, wire.Transform.Send, p)
		broke = fault
		if owned {
			bufpool.Put(p)
		}
		if err != nil {
			return m, nil, fmt.Errorf("parley: plugin %s: %w", c.cfg.plugins[i].Name(), err)
		}
		p, owned = out, true
	}
	broke = nil
	return m.AsBytes(p), p, nil
}

// transformOne runs the given plugin over p. A panic of it is an error, and fault,
// which costs the connection: nobody knows what the next message would meet.
func (c *Conn) transformOne(i int, step func(wire.Transform, []byte, []byte) ([]byte, error), p []byte) (out []byte, fault, err error) {
	defer func() {
		if r := recover(); r != nil {
			c.cfg.faults.panics.Add(1)
			fault = fmt.Errorf("parley: panic in plugin %s, serving %s: %v", c.cfg.plugins[i].Name(), c.peer(), r)
			err = fault
			if c.cfg.logger != nil {
				c.cfg.logger.Error("panic", "conn", c.id, "peer", c.peer(), "plugin", c.cfg.plugins[i].Name(), "panic", r, "stack", string(debug.Stack()))
			}
		}
	}()
	out, err = step(c.transform[i], bufpool.Get(len(p)+256), p)
	return out, nil, err
}

// untransform runs the plugins over a received message, in reverse order. The
// result's bytes are buf, from bufpool.
func (c *Conn) untransform(m Message) (_ Message, buf []byte, err error) {
	p, owned := m.Bytes(), false
	for i := len(c.transform) - 1; i >= 0; i-- {
		out, fault, err := c.transformOne(i, wire.Transform.Receive, p)
		if fault != nil {
			c.cut(fault)
		}
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
