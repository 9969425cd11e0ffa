package parley

import (
	"context"
	"errors"
	"net"

	"github.com/parley-net/parley/internal/session"
)

// ServeConn serves one connection that the program has made itself: a serial
// line, a pipe, a tunnel, what a listener of its own has accepted. It belongs to
// the server like those it accepts (limits, hooks, Conns, Stats, Shutdown), also
// while Serve does not run; ServeConn owns it. With Server.TLSConfig the
// handshake comes first.
//
// It returns when the connection has ended, its handler has returned and
// OnClose has run, and says why: ErrPeerClosed, ErrServerClosed, the handler's
// error, a *ProtocolError. Where the server is full it waits for a place, or
// refuses the connection and returns ErrFull, as WhenFull says.
func (s *Server) ServeConn(nc net.Conn) error {
	c, err := s.takeConn(context.Background(), nc, nil)
	if err != nil {
		return err
	}
	<-c.Done()
	return c.Err()
}

// NewConn is ServeConn that returns when the handshake is done and OnOpen has
// agreed, as Dialer.NewConn does at the other end. If ctx ends first the connection
// ends too.
func (s *Server) NewConn(ctx context.Context, nc net.Conn) (*Conn, error) {
	var w *session.Waiter
	c, err := s.takeConn(ctx, nc, func(c *Conn) {
		w = c.newWaiter()
		c.s.Life().Opens().Push(w)
	})
	if err != nil {
		return nil, err
	}
	c.lock()
	defer c.unlock()
	if err := c.await(ctx, c.s.Life().Opens(), w); err != nil {
		c.s.Cut(err)
		return nil, err
	}
	return c, nil
}

// takeConn begins the conversation on nc, which is the server's from now on. begins,
// if it is not nil, is called with the lock held before anything is read.
func (s *Server) takeConn(ctx context.Context, nc net.Conn, begins func(*Conn)) (*Conn, error) {
	if err := s.init(); err != nil {
		nc.Close()
		return nil, err
	}
	if !s.expect() {
		nc.Close()
		return nil, ErrServerClosed
	}
	if err := s.place(ctx, nc); err != nil {
		s.wg.Done()
		return nil, err
	}
	return s.serveConn(nc, false, begins)
}

// expect counts a connection that comes, unless the server is closed.
func (s *Server) expect() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.wg.Add(1)
	return true
}

// place takes a slot for nc, which it closes if there is none.
func (s *Server) place(ctx context.Context, nc net.Conn) error {
	if s.slots != nil {
		s.newcomer()
		select {
		case s.slots <- struct{}{}:
		default:
			if s.WhenFull == FullRefuse {
				s.refuse(nc, errNoPlace)
				return errNoPlace
			}
			select {
			case s.slots <- struct{}{}:
			case <-s.closing:
				nc.Close()
				return ErrServerClosed
			case <-ctx.Done():
				nc.Close()
				return context.Cause(ctx)
			}
		}
	}
	err := s.admit(nc)
	if errors.Is(err, errRefused) {
		return errNoPlace
	}
	if err != nil && s.slots != nil {
		<-s.slots
	}
	return err
}
