package web

import (
	"context"
	"errors"
	"fmt"

	"github.com/parley-net/parley"
)

// Server is a parley.Server as a target: pages see what its clients say and what it
// answers. Nobody says anything to it here.
type Server struct {
	name  func() string
	srv   *parley.Server
	heard audience
}

// NewServer returns the target of a server, whose Trace becomes the target's: call it when
// that is set, before the server's first method. name is asked when the server listens.
func NewServer(name func() string, srv *parley.Server) *Server {
	s := &Server{name: name, srv: srv}
	trace := srv.Trace
	srv.Trace = func(t parley.Trace) {
		if trace != nil {
			trace(t)
		}
		if t.What == "message" && s.heard.some.Load() {
			s.tell(t)
		}
	}
	return s
}

// tell tells all who subscribe of a message. It never waits.
func (s *Server) tell(t parley.Trace) {
	m := Message{Message: t.Message.Clone(), At: t.Time, Dir: "c2s", Proto: t.Conn.Protocol().Name(),
		From: fmt.Sprint(t.Conn.ID()), Peer: t.Conn.RemoteAddr().String()}
	if t.Sent {
		m.Dir = "s2c"
	}
	s.heard.tell(m)
}

// Name is Target's.
func (s *Server) Name() string { return s.name() }

// Kind is Target's.
func (s *Server) Kind() string { return "server" }

// State counts its connections.
func (s *Server) State() string { return fmt.Sprintf("%d connections", s.srv.Stats().Open) }

var errOnlyWatched = errors.New("a server is only watched here: connect to it as its other clients do")

// Call is Target's.
func (s *Server) Call(context.Context, parley.Message) (parley.Message, error) {
	return parley.Message{}, errOnlyWatched
}

// Subscribe is Target's.
func (s *Server) Subscribe(o SubscribeOptions, take func(Message)) (Subscription, error) {
	refuse := func(context.Context, parley.Message) error { return errOnlyWatched }
	return s.heard.add(o, take, refuse), nil
}
