package parley

import (
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

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
