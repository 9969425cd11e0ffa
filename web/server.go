package web

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/bus/queue"
)

// Server is a parley.Server as a target: pages see what its clients say and what it
// answers. Nobody says anything to it here.
type Server struct {
	name func() string
	srv  *parley.Server

	watched atomic.Bool // somebody subscribes
	mu      sync.Mutex
	subs    map[*serverSubscription]struct{}
}

// NewServer returns the target of a server, whose Trace becomes the target's: call it when
// that is set, before the server's first method. name is asked when the server listens.
func NewServer(name func() string, srv *parley.Server) *Server {
	s := &Server{name: name, srv: srv, subs: make(map[*serverSubscription]struct{})}
	trace := srv.Trace
	srv.Trace = func(t parley.Trace) {
		if trace != nil {
			trace(t)
		}
		if t.What == "message" && s.watched.Load() {
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
	s.mu.Lock()
	defer s.mu.Unlock()
	for sub := range s.subs {
		sub.queue.Put(m)
	}
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
	sub := &serverSubscription{server: s}
	sub.queue = o.queue(take)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subs[sub] = struct{}{}
	s.watched.Store(true)
	return sub, nil
}

type serverSubscription struct {
	server *Server
	queue  *queue.Queue[Message]
}

// Send is Subscription's.
func (s *serverSubscription) Send(context.Context, parley.Message) error { return errOnlyWatched }

// Close is Subscription's.
func (s *serverSubscription) Close() {
	s.server.mu.Lock()
	delete(s.server.subs, s)
	s.server.watched.Store(len(s.server.subs) > 0)
	s.server.mu.Unlock()
	s.queue.Close()
}
