package parley

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"time"
)

const (
	// acceptRetry is the longest pause after an error of accept, for instance
	// when the process is out of descriptors.
	acceptRetry = time.Second
	// maxRefusing is how many refused connections are told so at a time; the
	// others are just closed.
	maxRefusing = 256
)

// accept is the goroutine that accepts connections on l.
func (s *Server) accept(l net.Listener) {
	defer s.wg.Done()
	var pause time.Duration
	var logged time.Time
	next := s.acceptor(l)
	s.mu.Lock()
	from := s.opened[l]
	s.mu.Unlock()
	for {
		nc, err := next()
		switch {
		case err == nil:
			pause = 0
			s.wg.Add(1)
			if tc, ok := nc.(*net.TCPConn); ok && from == originInherited {
				tc.SetKeepAliveConfig(s.cfg.timeouts.keepAlive()) // else it is gone already
			}
			if s.TLSConfig != nil {
				go s.serveConn(nc, from != originGiven, nil)
			} else {
				s.serveConn(nc, from != originGiven, nil)
			}
		case s.isClosed():
			return
		case errors.Is(err, net.ErrClosed):
			if s.cfg.logger != nil {
				s.cfg.logger.Error("listener closed", "addr", l.Addr(), "error", err)
			}
			return
		case errors.Is(err, errRefused):
		default:
			pause = min(max(2*pause, 10*time.Millisecond), acceptRetry)
			if now := time.Now(); s.cfg.logger != nil && now.Sub(logged) > time.Minute {
				logged = now
				s.cfg.logger.Error("accept failed, trying again", "addr", l.Addr(), "error", err)
			}
			select {
			case <-time.After(pause):
			case <-s.closing:
			}
		}
	}
}

var errRefused = errors.New("refused")

// admit counts nc against the limit per address.
func (s *Server) admit(nc net.Conn) error {
	limit := or(s.MaxConnsPerAddr, 256)
	host := hostOf(nc)
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		nc.Close()
		return ErrServerClosed
	}
	over := limit > 0 && host.IsValid() && s.perAddr[host] >= limit
	if !over {
		s.perAddr[host]++
		s.starting[nc] = struct{}{}
	}
	s.mu.Unlock()
	if over {
		if s.slots != nil {
			<-s.slots
		}
		return s.refuse(nc, errors.New("too many connections from this address"))
	}
	return nil
}

// release gives back what a connection has occupied.
func (s *Server) release(nc net.Conn) {
	host := hostOf(nc)
	s.mu.Lock()
	if s.perAddr[host]--; s.perAddr[host] <= 0 {
		delete(s.perAddr, host)
	}
	s.mu.Unlock()
	if s.slots != nil {
		<-s.slots
	}
	s.wg.Done()
}

// refuse tells nc that there is no place for it, if the wire has a word for
// that, and closes it.
func (s *Server) refuse(nc net.Conn, why error) error {
	if lc, ok := nc.(*loopConn); ok {
		nc = lc.Plain() // as no loop will serve it
	}
	s.mu.Lock()
	s.stats.Refused++
	if nc == nil {
		s.mu.Unlock()
		return errRefused
	}
	s.starting[nc] = struct{}{} // until it is closed
	s.mu.Unlock()
	if s.cfg.logger != nil {
		s.cfg.logger.Warn("connection refused", "peer", nc.RemoteAddr(), "reason", why)
	}
	word := s.cfg.traits.Refusal
	if word == nil || s.TLSConfig != nil || s.refusing.Add(1) > maxRefusing {
		if word != nil && s.TLSConfig == nil {
			s.refusing.Add(-1)
		}
		nc.Close()
		s.forget(nc)
		return errRefused
	}
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		defer s.forget(nc)
		defer s.refusing.Add(-1)
		nc.SetDeadline(time.Now().Add(time.Second))
		nc.Write(word)
		if w, ok := nc.(interface{ CloseWrite() error }); ok && w.CloseWrite() == nil {
			io.Copy(io.Discard, onlyReader{nc}) // or the close would be a reset
		}
		nc.Close()
	}()
	return errRefused
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// hostOf returns the peer's IP address, which is not valid on a Unix socket.
func hostOf(nc net.Conn) netip.Addr {
	if lc, ok := nc.(*loopConn); ok {
		return lc.Host()
	}
	if a, ok := nc.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
