package parley

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-net/parley/internal/session"

	"github.com/parley-net/parley/wire"
)

// Conn is one connection. All methods may be called concurrently, also from
// its own handler: whatever a handler waits for, the connection goes on
// reading meanwhile, messages queue in order, and nothing deadlocks.
//
// A connection with a Handler gives its messages to it; one without keeps them
// for Receive.
type Conn struct {
	cfg *config
	nc  net.Conn
	id  uint64

	mu sync.Mutex // guards all that follows, and the machine; see lock
	m  wire.Machine
	*activity
	extra      *extra        // nil: nothing of it
	made       time.Duration // since cfg.epoch
	stats      session.Counters
	gen        int32 // tells a goroutine that it has lost the reader's role
	goroutines int32
	endedBy    endedBy       // what has ended the goroutine that holds the lock
	vital      session.Vital // what the kernel tells about the peer; it does not change
	talked     session.Talked
	runs       batchState
	over       atomic.Bool // err is set, for who can't take the lock
	index      int32       // in Server.conns, whose lock guards this
}

// newConn makes a connection of an established nc. The caller starts it. On an
// error, which a protocol or a plugin has caused, nc stays the caller's. ours: parley
// has made it, and so the kernel tells whether the peer lives.
func newConn(cfg *config, nc net.Conn, id uint64, ours bool) (c *Conn, err error) {
	c = &Conn{cfg: cfg, nc: nc, id: id, made: time.Since(cfg.epoch)}
	var transform []wire.Transform
	if at := aside(func() {
		c.m = cfg.protocol.New(cfg.role, wire.Limits{MaxMessage: cfg.limits.MaxMessage})
		for _, p := range cfg.plugins {
			transform = append(transform, p.New(cfg.role, cfg.limits.MaxMessage))
		}
	}); at != nil {
		cfg.faults.panics.Add(1)
		return nil, fmt.Errorf("parley: panic in the New of %s or of a plugin: %v", cfg.protocol.Name(), at.value)
	}
	if ours {
		c.vital = cfg.tells(nc)
	}
	if cfg.traits.TakesTurns {
		c.more().takeTurns()
	}
	c.resume()
	c.s.ReaderIs(session.ReaderBusy)
	c.s.Out().ControlMayPend() // it may owe a greeting
	c.s.Transforms(transform)
	return c, nil
}

// ID is a number that no other connection of the same Server or Dialer has.
func (c *Conn) ID() uint64 { return c.id }

// String names the connection for people: its wire and the peer's address.
func (c *Conn) String() string { return c.cfg.protocol.Name() + " " + c.peer() }

// Protocol returns the connection's protocol.
func (c *Conn) Protocol() Protocol { return c.cfg.protocol }

// LocalAddr returns this end's address.
func (c *Conn) LocalAddr() net.Addr { return c.nc.LocalAddr() }

// RemoteAddr returns the peer's address.
func (c *Conn) RemoteAddr() net.Addr { return c.nc.RemoteAddr() }

// NetConn returns the network connection, for instance to look at the state
// of TLS. Reading, writing or closing it breaks the conversation. With
// Server.EventLoops it is no *net.TCPConn, but a syscall.Conn all the same.
func (c *Conn) NetConn() net.Conn { return c.nc }

// Context returns a context that ends when the connection does; context.Cause
// then says why, as Err does. It has the values that Hooks.ConnContext has given it.
func (c *Conn) Context() context.Context {
	c.hold()
	defer c.letGo()
	return c.context()
}

// context is Context for who has the lock.
func (c *Conn) context() context.Context {
	if c.extra != nil && c.extra.ctx != nil {
		return c.extra.ctx
	}
	return connContext{c}
}

// PeerClosed returns a channel that is closed as soon as the peer has ended its
// stream, or the connection has ended. The end of the stream may be a half-close, on
// every wire: the peer says nothing more, but may still read. Who asks for the
// channel, best in OnOpen, may answer later than its handler returns: the connection
// stays open until it is closed, or Timeouts.HalfClose has passed. A farewell of the
// wire (oneline's disconnect) is no half-close: it ends the connection.
func (c *Conn) PeerClosed() <-chan struct{} {
	c.lock()
	defer c.unlock()
	left := c.s.Life().WhenLeft()
	c.lookAhead()
	return left
}

// Done returns a channel that is closed when the connection has ended, its
// handler has returned and OnClose has run.
func (c *Conn) Done() <-chan struct{} {
	c.lock()
	defer c.unlock()
	return c.s.Life().WhenDone()
}

// ending returns a channel that is closed when err is set.
func (c *Conn) ending() <-chan struct{} {
	c.lock()
	defer c.unlock()
	return c.s.Life().WhenClosed()
}

// Err says why the connection ended; nil while it lives.
func (c *Conn) Err() error {
	c.lock()
	defer c.unlock()
	return c.s.Life().Err()
}

// Buffered returns how many received messages wait for Receive.
func (c *Conn) Buffered() int {
	c.lock()
	defer c.unlock()
	return c.s.Inbox().Len()
}

// peer is the peer's address for errors and logs.
func (c *Conn) peer() string { return peerOf(c.nc) }

// peerOf is the address of nc's peer.
func peerOf(nc net.Conn) string {
	if a := nc.RemoteAddr(); a != nil && a.String() != "" {
		return a.String()
	}
	return "unknown"
}

// hangUp closes nc at once. TLS would first say goodbye and wait until that has
// left; see linger for where it does.
func hangUp(nc net.Conn) {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	plainClose(nc)
}

// finishIfIdle ends the connection if none of its goroutines is left to do it: what
// was received may wait for the program long after the peer has gone. It is
// called with the lock held.
func (c *Conn) finishIfIdle() {
	if c.goroutines > 0 || c.s.Life().Err() == nil || c.s.Reader() != session.ReaderGone {
		return
	}
	c.goroutines++
	go func() {
		c.lock()
		c.goroutineDone()
	}()
}

// goroutineDone ends one of the connection's goroutines; the last one runs OnClose. It
// is called with the lock held and releases it.
func (c *Conn) goroutineDone() {
	c.goroutines--
	last := c.goroutines == 0 && c.s.Life().Err() != nil && c.s.Reader() == session.ReaderGone
	opened, err := c.talked.Opened(), c.s.Life().Err()
	if last {
		c.s.In().Release()
		c.s.Assembly().Drop()
		c.driver.forgetEvent()
		c.emptied()
	}
	c.unlock()
	if !last {
		return
	}
	if opened && c.cfg.hooks.OnClose != nil {
		c.hook(func() error { c.cfg.hooks.OnClose(c, err); return nil })
	}
	if c.cfg.logger != nil {
		c.cfg.logger.Log(context.Background(), endLevel(c.cfg.role, err), "connection closed", "conn", c.id, "peer", c.peer(), "reason", err)
	}
	c.lock()
	c.s.Life().Finish()
	c.unlock()
	if c.cfg.closed != nil {
		c.cfg.closed(c)
	}
}

// counted runs f on a goroutine that counts as c's and never has the reader's role, and
// does what is left to do if that is ended.
func (c *Conn) counted(f func()) {
	returned := false
	defer func() {
		switch {
		case returned:
		case c.endedBy == endedByHandler:
			c.unlock()
		case c.endedBy == endedByMachine:
			c.goroutineDone()
		}
	}()
	f()
	returned = true
}
