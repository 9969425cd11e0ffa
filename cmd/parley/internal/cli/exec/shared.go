package exec

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/output"
	"github.com/parley-net/parley/cmd/parley/internal/due"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/cmd/parley/internal/program"
)

// sharedExecutor runs one program for all connections of a server. The lines it
// gets say which connection they are about, also when one opens or closes; a
// line it prints goes to the connection that it names, or to all. No connection
// can hold up the program or what it says to others.
type sharedExecutor struct {
	*executor
	srv     *parley.Server
	p       *program.Program
	answers program.Answers

	mu    sync.Mutex
	conns map[uint64]*parley.Conn
}

var sharers parley.Key[*sharer]

// sharer is a connection of a shared program.
type sharer struct {
	source *program.Source
	feed   feed
	due    due.Answers

	mu   sync.Mutex // so that the program is told in order
	gone bool       // the connection has ended
}

func (s *sharedExecutor) serve(e *endpoint.Endpoint, srv *parley.Server) error {
	if s.srv != nil {
		return fault.Usagef("--shared serves one URL: connections of several could not be told apart")
	}
	s.srv, s.conns = srv, make(map[uint64]*parley.Conn)
	srv.Handler = parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
		sh := sharers.Get(c)
		sh.due.Asked()
		if err := s.put(ctx, c, sh.source, m); err != nil {
			return err
		}
		if sh.feed.message() {
			s.ended(c, sh)
		}
		return nil
	})
	srv.Hooks.OnOpen = s.opened
	srv.Hooks.OnClose = func(c *parley.Conn, _ error) { s.closed(c) }
	s.p = s.program(append(slices.Clip(s.env), "PARLEY_URL="+e.String(), "PARLEY_PROTOCOL="+e.Protocol.Name()), s.a.Log, s.a.Log)
	s.p.Line = s.answer
	s.p.SkipLong = true // a client may have made it so long
	s.p.Ended = func() {
		ctx, cancel := app.Bounded(context.Background(), s.a.Limits.Drain, 10*time.Second)
		defer cancel()
		srv.Shutdown(ctx)
	}
	s.answers.Lost = func(n int, err error) { s.p.Unheard(n, err) }
	s.answers.Failed = func(m parley.Message, err error) { s.p.NotSent([]byte(m.String()), err) }
	s.answers.Cut = func(c *parley.Conn, err error) {
		s.a.Log.Warn("connection cut", "conn", c.ID(), "peer", c.RemoteAddr(), "reason", err)
	}
	return s.p.Start()
}

// end ends the program, when the server has ended.
func (s *sharedExecutor) end() error {
	defer s.says.Flush()
	if s.p == nil || s.p.Cmd.Process == nil {
		return nil // it was never started
	}
	select {
	case <-s.p.Over(): // by itself
		if err := s.p.Status(); err != nil {
			return fmt.Errorf("--exec: the program has ended: %w", err)
		}
	default:
		s.p.End()
	}
	return nil
}

// opened tells the program of a new connection, which waits until there is room
// for the line.
func (s *sharedExecutor) opened(ctx context.Context, c *parley.Conn) error {
	line, err := s.event(c, "open")
	if err != nil {
		return err
	}
	sh := &sharer{source: s.p.Input.NewSource()}
	sharers.Set(c, sh)
	s.mu.Lock()
	s.conns[c.ID()] = c
	s.mu.Unlock()
	if err = sh.source.Put(ctx, line, nil, s.a.Timeout); err != nil {
		s.forget(c)
		sharers.Set(c, nil)
		return err
	}
	go s.follow(c, sh, c.PeerClosed())
	return nil
}

// follow waits until the client has ended its stream.
func (s *sharedExecutor) follow(c *parley.Conn, sh *sharer, left <-chan struct{}) {
	<-left
	if sh.feed.end(c.Stats().MessagesIn) {
		s.ended(c, sh)
	}
}

// ended tells the program that it has all that a client had to say. The connection
// stays until the client has been answered, or the program wants it closed.
func (s *sharedExecutor) ended(c *parley.Conn, sh *sharer) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.gone {
		return
	}
	if line, err := s.event(c, "end"); err == nil {
		sh.source.PutAtOnce(line)
	}
	sh.due.End(c.Stats().MessagesIn, func() { s.answers.Close(c) })
}

// closed tells the program that a connection has ended.
func (s *sharedExecutor) closed(c *parley.Conn) {
	s.forget(c)
	sh := sharers.Get(c)
	if sh == nil {
		return // it was not told of it
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.gone = true
	if line, err := s.event(c, "close"); err == nil {
		sh.source.PutAtOnce(line)
	}
}

func (s *sharedExecutor) forget(c *parley.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c.ID())
}

// event is the line that tells the program that a connection opens or closes, or that
// its client says nothing more.
func (s *sharedExecutor) event(c *parley.Conn, what string) ([]byte, error) {
	now := time.Now()
	return output.Record{TS: &now, Conn: c.ID(), Dir: what, Proto: c.Protocol().Name()}.AppendLine(nil)
}

// answer sends a line of the program to the connection it names, or to all, or closes
// the connection.
func (s *sharedExecutor) answer(line []byte) {
	r, err := output.ParseRecord(line)
	var m parley.Message
	switch {
	case err != nil:
	case isClose(r):
		var c *parley.Conn
		if c, err = s.conn(r.Conn); err == nil {
			s.answers.Close(c)
		}
	default:
		if m, err = r.Message(); err == nil {
			err = s.send(r.Conn, m)
		}
	}
	if err != nil {
		s.p.NotSent(line, err)
	}
}

// isClose reports whether a record of the program asks for the end of a connection.
func isClose(r output.Record) bool {
	return r.Dir == "close" && r.Conn != 0 && r.Text == nil && r.B64 == nil && r.JSON == nil
}

// send sends m to one connection, or to all if id is 0.
func (s *sharedExecutor) send(id uint64, m parley.Message) error {
	if id == 0 {
		return s.answers.Broadcast(m, func(except ...*parley.Conn) error {
			_, err := s.srv.Broadcast(m, except...)
			return err
		})
	}
	c, err := s.conn(id)
	if err != nil {
		return err
	}
	s.answers.Send(c, m)
	if sh := sharers.Get(c); sh != nil {
		sh.due.Answered()
	}
	return nil
}

// conn returns the connection with a number.
func (s *sharedExecutor) conn(id uint64) (*parley.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c := s.conns[id]; c != nil {
		return c, nil
	}
	return nil, fmt.Errorf("there is no connection %d", id)
}
