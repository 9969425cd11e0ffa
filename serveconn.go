package parley

import (
	"errors"
	"net"
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
	if err := s.init(); err != nil {
		nc.Close()
		return err
	}
	if !s.expect() {
		nc.Close()
		return ErrServerClosed
	}
	if err := s.place(nc); err != nil {
		s.wg.Done()
		return err
	}
	c, err := s.serveConn(nc)
	if err != nil {
		return err
	}
	<-c.Done()
	return c.Err()
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
func (s *Server) place(nc net.Conn) error {
	if s.slots != nil {
		select {
		case s.slots <- struct{}{}:
		default:
			if s.WhenFull == FullRefuse {
				s.refuse(nc, ErrFull)
				return ErrFull
			}
			select {
			case s.slots <- struct{}{}:
			case <-s.closing:
				nc.Close()
				return ErrServerClosed
			}
		}
	}
	err := s.admit(nc)
	if errors.Is(err, errRefused) {
		return ErrFull
	}
	if err != nil && s.slots != nil {
		<-s.slots
	}
	return err
}
