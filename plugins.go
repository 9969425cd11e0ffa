package parley

import (
	"fmt"
	"runtime/debug"

	"github.com/parley-net/parley/internal/session"

	"github.com/parley-net/parley/internal/bufpool"
	"github.com/parley-net/parley/wire"
)

// transformed runs the plugins over a message to be sent, in their order. It
// is called by the goroutine that has the turn, with the lock held, and
// releases it while the plugins work. The result's bytes are buf, from bufpool.
func (c *Conn) transformed(m Message) (_ Message, buf []byte, err error) {
	if m.Type() != TypeBytes && m.Type() != TypeText {
		return m, nil, fmt.Errorf("%w: plugins take bytes and text only, not %s", ErrNotRepresentable, m.Type())
	}
	var broke error // what a plugin did instead of returning
	c.unlock()
	defer func() {
		c.lock()
		if broke != nil {
			c.forsaken(broke)
		}
	}()
	p, owned := m.Bytes(), false
	for i := range c.s.Transform() {
		out, err := c.transformOne(i, wire.Transform.Send, p, &broke)
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

// transformOne runs the given plugin over p. A panic of it is an error, and fault,
// which costs the connection: nobody knows what the next message would meet. So is it
// if the plugin ends the goroutine, whose caller hears of that by fault only.
func (c *Conn) transformOne(i int, step func(wire.Transform, []byte, []byte) ([]byte, error), p []byte, fault *error) (out []byte, err error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		r, name := recover(), c.cfg.plugins[i].Name()
		if r != nil {
			*fault = fmt.Errorf("parley: panic in plugin %s, serving %s: %v", name, c.peer(), r)
		} else {
			*fault = fmt.Errorf("parley: in plugin %s, serving %s, %w", name, c.peer(), session.ErrGoexit)
		}
		err = *fault
		c.cfg.faults.panics.Add(1)
		if c.cfg.logger != nil {
			c.cfg.logger.Error("panic", "conn", c.id, "peer", c.peer(), "plugin", name, "panic", *fault, "stack", string(debug.Stack()))
		}
	}()
	out, err = step(c.s.Transform()[i], bufpool.Get(len(p)+256), p)
	returned = true
	return out, err
}

// untransform runs the plugins over a received message, in reverse order. The
// result's bytes are buf, from bufpool.
func (c *Conn) untransform(m Message) (_ Message, buf []byte, err error) {
	var broke error
	defer func() {
		if broke != nil {
			c.forsaken(broke)
		}
	}()
	p, owned := m.Bytes(), false
	for i := len(c.s.Transform()) - 1; i >= 0; i-- {
		out, err := c.transformOne(i, wire.Transform.Receive, p, &broke)
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
