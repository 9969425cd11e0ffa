package serial

import (
	"context"
	"net"
	"sync"
)

// Listen opens a serial port for a Server, whose Serve takes what it returns.
// addr is as Parse reads it. Accept returns the port as a connection, once: when
// that has ended, after a protocol error for instance, it opens the port again,
// and so on until Close. A port that is gone (unplugged) is an error that the
// Server meets by trying again, until it is back.
func Listen(addr string) (net.Listener, error) {
	c, err := Parse(addr)
	if err != nil {
		return nil, err
	}
	return c.Listen()
}

// Listen is the function Listen for this port.
func (c Config) Listen() (net.Listener, error) {
	ctx, cancel := context.WithCancel(context.Background())
	nc, err := c.Open(ctx) // so that what is wrong with it is told at once
	if err != nil {
		cancel()
		return nil, err
	}
	return &listener{config: c, first: nc.(*conn), ctx: ctx, cancel: cancel}, nil
}

// listener hands out a port as one connection after the other.
type listener struct {
	config Config
	ctx    context.Context // ends with Close
	cancel context.CancelFunc

	accepting sync.Mutex
	mu        sync.Mutex
	first     *conn // opened by Listen, not yet handed out
	current   *conn // handed out last
}

// Accept waits until the port is free, and opens it.
func (l *listener) Accept() (net.Conn, error) {
	l.accepting.Lock()
	defer l.accepting.Unlock()
	l.mu.Lock()
	first, current := l.first, l.current
	if first != nil && l.ctx.Err() == nil {
		l.first, l.current = nil, first
		l.mu.Unlock()
		return first, nil
	}
	l.mu.Unlock()
	if current != nil {
		select {
		case <-current.gone:
		case <-l.ctx.Done():
		}
	}
	if l.ctx.Err() != nil {
		return nil, net.ErrClosed
	}
	nc, err := l.config.Open(l.ctx)
	if l.ctx.Err() != nil {
		if err == nil {
			nc.Close()
		}
		return nil, net.ErrClosed
	}
	if err != nil {
		return nil, err
	}
	l.mu.Lock()
	l.current = nc.(*conn)
	l.mu.Unlock()
	return nc, nil
}

// Close makes Accept return. The connection that it has returned goes on.
func (l *listener) Close() error {
	l.cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.first != nil {
		l.first.Close()
		l.first = nil
	}
	return nil
}

// Addr returns the port's name.
func (l *listener) Addr() net.Addr { return Addr(l.config.Name) }
