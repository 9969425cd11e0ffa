package parley

import (
	"fmt"
	"net"
	"runtime/debug"

	"github.com/parley-net/parley/internal/session"

	"github.com/parley-net/parley/internal/bufpool"
	"github.com/parley-net/parley/wire"
)

// chain runs messages through the plugins of one connection. It knows no more of that
// than with whom it talks.
type chain struct {
	plugins []Plugin
	by      []wire.Transform
	nc      net.Conn
	broke   *brokenPlugin
}

// brokenPlugin is what a plugin has done instead of returning. It costs the connection:
// nobody knows what the next message would meet.
type brokenPlugin struct {
	error
	name  string
	stack []byte
}

// send runs the plugins over a message to be sent, in their order. The result's bytes
// are buf, from bufpool.
func (ch *chain) send(m Message) (_ Message, buf []byte, err error) {
	if m.Type() != TypeBytes && m.Type() != TypeText {
		return m, nil, fmt.Errorf("%w: plugins take bytes and text only, not %s", ErrNotRepresentable, m.Type())
	}
	p, owned := m.Bytes(), false
	for i := range ch.by {
		out, err := ch.step(i, wire.Transform.Send, p)
		if owned {
			bufpool.Put(p)
		}
		if err != nil {
			return m, nil, fmt.Errorf("parley: plugin %s: %w", ch.plugins[i].Name(), err)
		}
		p, owned = out, true
	}
	return m.AsBytes(p), p, nil
}

// receive runs the plugins over a received message, in reverse order. The result's bytes
// are buf, from bufpool.
func (ch *chain) receive(m Message) (_ Message, buf []byte, err error) {
	p, owned := m.Bytes(), false
	for i := len(ch.by) - 1; i >= 0; i-- {
		out, err := ch.step(i, wire.Transform.Receive, p)
		if owned {
			bufpool.Put(p)
		}
		if err != nil {
			return m, nil, fmt.Errorf("plugin %s: %w", ch.plugins[i].Name(), err)
		}
		p, owned = out, true
	}
	return m.AsBytes(p), p, nil
}

// step runs the given plugin over p. A panic of it is an error; if the plugin ends the
// goroutine its caller hears of that by broke only.
func (ch *chain) step(i int, do func(wire.Transform, []byte, []byte) ([]byte, error), p []byte) (out []byte, err error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		r, name := recover(), ch.plugins[i].Name()
		if r != nil {
			err = fmt.Errorf("parley: panic in plugin %s, serving %s: %v", name, peerOf(ch.nc), r)
		} else {
			err = fmt.Errorf("parley: in plugin %s, serving %s, %w", name, peerOf(ch.nc), session.ErrGoexit)
		}
		ch.broke = &brokenPlugin{err, name, debug.Stack()}
	}()
	out, err = do(ch.by[i], bufpool.Get(len(p)+256), p)
	returned = true
	return out, err
}

// Transformed runs the plugins over a message to be sent. It releases the lock while they
// work.
func (h *host) Transformed(m wire.Message) (_ wire.Message, buf []byte, err error) {
	c := h.owner
	ch := h.chain()
	c.unlock()
	defer func() {
		c.lock()
		h.broken(ch.broke)
	}()
	return ch.send(m)
}

// Untransformed runs the plugins over a message that was received.
func (h *host) Untransformed(m wire.Message) (_ wire.Message, buf []byte, err error) {
	ch := h.chain()
	defer func() { h.broken(ch.broke) }()
	return ch.receive(m)
}

// chain returns the connection's plugins.
func (h *host) chain() chain {
	return chain{plugins: h.owner.cfg.plugins, by: h.s.Transform(), nc: h.owner.nc}
}

// broken ends the connection of a plugin that has not returned, if b is not nil.
func (h *host) broken(b *brokenPlugin) {
	if b == nil {
		return
	}
	c := h.owner
	c.cfg.faults.panics.Add(1)
	if c.cfg.logger != nil {
		c.cfg.logger.Error("panic", "conn", c.id, "peer", c.peer(), "plugin", b.name, "panic", b.error, "stack", string(b.stack))
	}
	c.forsaken(b.error)
}
