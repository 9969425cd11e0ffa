package parley

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/parley-net/parley/internal/handshake"
	"github.com/parley-net/parley/internal/poller"
	"github.com/parley-net/parley/internal/session"
)

// serveConn begins the conversation on nc, which a listener of ours has accepted, or
// not. The caller has taken a slot. See takeConn for begins.
func (s *Server) serveConn(nc net.Conn, ours bool, begins func(*Conn)) (*Conn, error) {
	id := s.lastID.Add(1)
	began := time.Now()
	if s.TLSConfig != nil {
		var t *tls.Conn
		ctx, cancel := boundedBy(s.cfg.timeouts.Handshake)
		var err error
		if at := aside(func() { t, err = handshake.Server(ctx, nc, s.TLSConfig) }); at != nil { // a callback of TLSConfig
			s.faults.panics.Add(1)
			err = fmt.Errorf("panic: %v", at.value)
		}
		cancel()
		if err != nil {
			s.faults.tls.Add(1)
			if s.cfg.logger != nil {
				s.cfg.logger.Warn("TLS handshake failed", "peer", nc.RemoteAddr(), "error", err)
			}
			nc.Close()
			s.forget(nc)
			s.release(nc)
			return nil, fmt.Errorf("parley: TLS with %v: %w", nc.RemoteAddr(), err)
		}
		s.forget(nc)
		nc = t
	}
	accepted := nc
	var lc *loopConn
	if s.looped() {
		if lc = poller.Adopt[*Conn](nc); lc != nil {
			nc = lc
		}
	}
	c, err := newConn(s.cfg, nc, id, ours)
	if err != nil {
		if s.cfg.logger != nil {
			s.cfg.logger.Error("connection failed", "peer", nc.RemoteAddr(), "error", err)
		}
		s.forget(accepted)
		nc.Close()
		s.release(nc)
		return nil, err
	}
	c.lock()
	if begins != nil {
		begins(c)
	}
	s.mu.Lock()
	delete(s.starting, accepted)
	err = ErrServerClosed
	if !s.closed {
		err = s.begin(c, lc, began)
	}
	if err == nil {
		if c.index = int32(len(s.conns)); len(s.conns) == cap(s.conns) {
			s.conns = slices.Grow(s.conns, len(s.conns)+1) // append takes smaller steps and leaves more behind
		}
		s.conns = append(s.conns, c)
		s.stats.Accepted++
	}
	s.mu.Unlock()
	c.unlock()
	if err != nil {
		hangUp(nc)
		s.release(nc)
		return nil, err
	}
	return c, nil
}

// looped reports whether event loops serve bare sockets.
func (s *Server) looped() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.loops != nil && s.TLSConfig == nil
}

// begin lets c be read: by a loop, or by a goroutine, also if there is an OnOpen,
// which may take its time. It is called with both locks held.
func (s *Server) begin(c *Conn, lc *loopConn, began time.Time) error {
	if lc != nil {
		if h := c.cfg.hooks; h.OnOpen == nil && h.ConnContext == nil {
			c.s.ReaderIs(session.ReaderAttached)
		}
		if err := s.loops[c.id%uint64(len(s.loops))].Add(lc, c); err != nil { // can't be, but for a lack of memory
			return err
		}
	}
	c.s.WatchHandshake(began)
	if c.s.Reader() != session.ReaderAttached {
		c.start()
	}
	return nil
}

func (s *Server) forget(nc net.Conn) {
	s.mu.Lock()
	delete(s.starting, nc)
	s.mu.Unlock()
}

// connClosed is called when a connection has ended for good.
func (s *Server) connClosed(c *Conn) {
	st := c.Stats()
	st.Pending, st.Waiting = 0, 0 // given up
	s.mu.Lock()
	last := s.conns[len(s.conns)-1]
	s.conns[c.index], last.index = last, c.index
	s.conns[len(s.conns)-1] = nil
	s.conns = s.conns[:len(s.conns)-1]
	s.stats.Total.add(st)
	s.mu.Unlock()
	s.release(c.nc)
}

// connOpened puts a connection into Accept's queue, which gets nothing more
// when the server has closed: nobody might come for it.
func (s *Server) connOpened(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		c.s.BeginClose(ErrServerClosed)
		return
	}
	select {
	case s.accepted <- c:
	default:
		c.s.BeginClose(fmt.Errorf("%w: %d connections wait for Accept", ErrFull, cap(s.accepted)))
	}
}

// Accept returns the next connection that has opened, on a server with Pull.
// It returns ErrServerClosed after Shutdown or Close. Serve must be running.
func (s *Server) Accept(ctx context.Context) (*Conn, error) {
	if err := s.init(); err != nil {
		return nil, err
	}
	select {
	case c := <-s.accepted:
		return c, nil
	case <-s.closing:
		select { // what has come before is still to be served
		case c := <-s.accepted:
			return c, nil
		default:
			return nil, ErrServerClosed
		}
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// Conns returns the connections that are open, in the order in which they
// were accepted.
func (s *Server) Conns() []*Conn {
	cs := slices.DeleteFunc(s.all(), func(c *Conn) bool {
		c.lock()
		defer c.unlock()
		return !c.talked.Opened() || c.s.Life().Err() != nil
	})
	slices.SortFunc(cs, func(a, b *Conn) int { return int(a.id) - int(b.id) })
	return cs
}

// all returns the connections that have not ended.
func (s *Server) all() []*Conn {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.conns)
}

// Stats returns the server's counters.
func (s *Server) Stats() ServerStats {
	s.mu.Lock()
	st := s.stats
	cs := slices.Clone(s.conns)
	s.mu.Unlock()
	st.Open, st.Faults = len(cs), s.faults.sum()
	for _, c := range cs {
		st.Total.add(c.Stats())
	}
	return st
}

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
		w = c.spare.take()
		c.s.Life().Opens().Push(w)
	})
	if err != nil {
		return nil, err
	}
	c.lock()
	defer c.unlock()
	if err := c.await(ctx, c.s.Life().Opens(), w); err != nil {
		c.s.Abort(err)
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
	if err := s.takeSlot(ctx, nc); err != nil {
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

// takeSlot takes a slot for nc, which it closes if there is none.
func (s *Server) takeSlot(ctx context.Context, nc net.Conn) error {
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
