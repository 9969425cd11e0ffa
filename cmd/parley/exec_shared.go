package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/parley-net/parley"
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

func (s *sharedExecutor) serve(e *endpoint.Endpoint, srv *parley.Server) error {
	if s.srv != nil {
		return usagef("--shared serves one URL: connections of several could not be told apart")
	}
	s.srv, s.conns = srv, make(map[uint64]*parley.Conn)
	srv.Handler = parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
		line, err := s.lineOf(c, m)
		if err != nil {
			return err
		}
		return c.Value().(*program.Source).Put(ctx, line, s.a.timeout)
	})
	srv.Hooks.OnOpen = s.opened
	srv.Hooks.OnClose = func(c *parley.Conn, _ error) { s.closed(c) }
	s.p = s.program(append(slices.Clip(s.env), "PARLEY_URL="+e.String(), "PARLEY_PROTOCOL="+e.Protocol.Name()), s.a.log)
	s.p.Line = s.answer
	s.p.SkipLong = true // a client may have made it so long
	s.p.Ended = func() {
		ctx, cancel := bounded(context.Background(), s.a.limits.drain, 10*time.Second)
		defer cancel()
		srv.Shutdown(ctx)
	}
	s.answers.Lost = func(n int, err error) { s.p.Unheard(n, err) }
	s.answers.Failed = func(m parley.Message, err error) { s.p.NotSent([]byte(m.String()), err) }
	s.answers.Cut = func(c *parley.Conn, err error) {
		s.a.log.Warn("connection cut", "conn", c.ID(), "peer", c.RemoteAddr(), "reason", err)
	}
	return s.p.Start()
}

// end ends the program, when the server has ended.
func (s *sharedExecutor) end() error {
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
	source := s.p.Input.NewSource()
	c.SetValue(source)
	s.mu.Lock()
	s.conns[c.ID()] = c
	s.mu.Unlock()
	if err = source.Put(ctx, line, s.a.timeout); err != nil {
		s.forget(c)
		c.SetValue(nil)
	}
	return err
}

// closed tells the program that a connection has ended.
func (s *sharedExecutor) closed(c *parley.Conn) {
	s.forget(c)
	source, ok := c.Value().(*program.Source)
	if !ok {
		return // it was not told of it
	}
	if line, err := s.event(c, "close"); err == nil {
		source.PutAtOnce(line)
	}
}

func (s *sharedExecutor) forget(c *parley.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c.ID())
}

// event is the line that tells the program that a connection opens or closes.
func (s *sharedExecutor) event(c *parley.Conn, what string) ([]byte, error) {
	now := time.Now()
	return record{TS: &now, Conn: c.ID(), Dir: what, Proto: c.Protocol().Name()}.appendLine(nil)
}

// answer sends a line of the program to the connection it names, or to all.
func (s *sharedExecutor) answer(line []byte) {
	r, err := parseRecord(line)
	if err != nil {
		s.p.NotSent(line, err)
		return
	}
	m, err := r.message()
	if err == nil && r.Conn == 0 {
		err = s.answers.Broadcast(m, func(except ...*parley.Conn) error {
			_, err := s.srv.Broadcast(m, except...)
			return err
		})
	} else if err == nil {
		err = s.send(r.Conn, m)
	}
	if err != nil {
		s.p.NotSent(line, err)
	}
}

// send sends m to one connection.
func (s *sharedExecutor) send(id uint64, m parley.Message) error {
	s.mu.Lock()
	c := s.conns[id]
	s.mu.Unlock()
	if c == nil {
		return fmt.Errorf("there is no connection %d", id)
	}
	s.answers.Send(c, m)
	return nil
}
