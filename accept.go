package parley

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
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

// acceptor returns a function that returns the next connection of l, for which there
// is a slot: there are two ways to come to it.
func (s *Server) acceptor(l net.Listener) (next func() (net.Conn, error)) {
	if s.slots == nil || s.WhenFull == FullRefuse {
		return func() (net.Conn, error) { return s.acceptOrRefuse(l) }
	}
	p, ok := l.(patient)
	if !ok {
		p = &early{Listener: l}
	}
	return func() (net.Conn, error) { return s.acceptWhenFree(p) }
}

// acceptFrom is l.Accept: a listener of the program's that panics, or has no connection,
// is asked again, as after any error.
func acceptFrom(l net.Listener) (nc net.Conn, err error) {
	var none int
	defer foreign(&none, &err)
	if nc, err = l.Accept(); nc == nil && err == nil {
		err = fmt.Errorf("parley: %T has accepted nothing", l)
	}
	return nc, err
}

// acceptOrRefuse accepts a connection, and refuses it if there is no slot.
func (s *Server) acceptOrRefuse(l net.Listener) (net.Conn, error) {
	nc, err := acceptFrom(l)
	if err != nil {
		return nil, err
	}
	if s.slots != nil {
		s.newcomer()
		select {
		case s.slots <- struct{}{}:
		default:
			return nil, s.refuse(nc, errNoPlace)
		}
	}
	return nc, s.admit(nc)
}

// newcomer looks how many places a connection finds that wants one. A wire that
// serves so many at a time by itself is never short of them.
func (s *Server) newcomer() {
	if s.cfg.traits.Clients == 0 && scarce(cap(s.slots), len(s.slots)) > 0 {
		s.places.begin()
	}
}

// missing returns how many places must become free.
func (s *Server) missing() int64 {
	if s.isClosed() {
		return -1
	}
	return scarce(cap(s.slots), len(s.slots))
}

// occupants returns who has the places.
func (s *Server) occupants() (all []candidate[*Conn]) {
	for _, c := range s.all() {
		all = append(all, candidate[*Conn]{c, 1})
	}
	return all
}

// patient is a listener whose clients can be left waiting; see poller.Pollable.
type patient interface {
	net.Listener
	Wait() error // until there is a client
	SetDeadline(time.Time) error
}

// acceptWhenFree waits for a client, then for a slot, and accepts it then: a slot that
// is taken before would be withheld from the other listeners.
func (s *Server) acceptWhenFree(l patient) (net.Conn, error) {
	if err := l.Wait(); err != nil {
		return nil, err
	}
	s.newcomer()
	select {
	case s.slots <- struct{}{}:
	case <-s.closing:
		if e, ok := l.(*early); ok {
			e.next.Close()
		}
		return nil, ErrServerClosed
	}
	l.SetDeadline(time.Now().Add(100 * time.Millisecond)) // the client may have gone meanwhile
	nc, err := acceptFrom(l)
	l.SetDeadline(time.Time{})
	if err != nil {
		<-s.slots
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = errRefused
		}
		return nil, err
	}
	return nc, s.admit(nc)
}

// early makes any listener patient: its clients have to be accepted before they wait.
type early struct {
	net.Listener
	next net.Conn
}

// Wait accepts the next client.
func (e *early) Wait() (err error) {
	e.next, err = acceptFrom(e.Listener)
	return err
}

// Accept returns the client that has waited.
func (e *early) Accept() (net.Conn, error) { return e.next, nil }

// SetDeadline does nothing, as Accept does not wait.
func (*early) SetDeadline(time.Time) error { return nil }

// splitAddr turns an address as users write it into what package net takes:
// "host:port", "[::1]:port" and ":port" are TCP; "unix:/path", "unix:///path"
// and "/path" are Unix sockets.
func splitAddr(addr string) (network, address string, err error) {
	switch {
	case addr == "":
		return "", "", ErrNoAddress
	case strings.HasPrefix(addr, "unix:"):
		path := strings.TrimPrefix(strings.TrimPrefix(addr, "unix:"), "//")
		if path == "" { // Linux would choose a name that nobody is told
			return "", "", fmt.Errorf("parley: address %q has no path", addr)
		}
		return "unix", path, nil
	case strings.HasPrefix(addr, "/"):
		return "unix", addr, nil
	}
	addr = strings.TrimPrefix(addr, "tcp://")
	_, port, err := net.SplitHostPort(addr)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return "", "", fmt.Errorf("parley: address %q: want HOST:PORT, [IPv6]:PORT, or unix:/PATH: %w", addr, err)
	}
	return "tcp", addr, nil
}

func listen(ctx context.Context, addr string, timeouts Timeouts) (net.Listener, error) {
	network, address, err := splitAddr(addr)
	if err != nil {
		return nil, err
	}
	if host, _, _ := net.SplitHostPort(address); network == "tcp" {
		if ip, err := netip.ParseAddr(host); err == nil && ip.Is4() {
			network = "tcp4" // or 0.0.0.0 would be open to IPv6 too
		}
	}
	lc := net.ListenConfig{KeepAlive: timeouts.KeepAlive, KeepAliveConfig: timeouts.keepAlive()}
	l, err := lc.Listen(ctx, network, address)
	if err != nil {
		return nil, fmt.Errorf("parley: %w", err)
	}
	return l, nil
}
