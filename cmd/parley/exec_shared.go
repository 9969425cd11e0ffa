package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
)

// sharedExecutor runs one program for all connections of a server. The lines it
// gets say which connection they are about, also when one opens or closes; a
// line it prints goes to the connection that it names, or to all.
type sharedExecutor struct {
	*executor
	srv *parley.Server
	p   *program
}

func (s *sharedExecutor) serve(e *endpoint.Endpoint, srv *parley.Server) error {
	if s.srv != nil {
		return usagef("--shared serves one URL: connections of several could not be told apart")
	}
	s.srv = srv
	srv.Handler = parley.HandlerFunc(func(_ context.Context, c *parley.Conn, m parley.Message) error {
		line, err := s.lineOf(c, m)
		if err != nil {
			return err
		}
		return s.tell(line)
	})
	srv.Hooks.OnOpen = func(_ context.Context, c *parley.Conn) error { return s.event(c, "open") }
	srv.Hooks.OnClose = func(c *parley.Conn, _ error) { s.event(c, "close") }
	s.p = s.program(append(slices.Clip(s.env), "PARLEY_URL="+e.String(), "PARLEY_PROTOCOL="+e.Protocol.Name()), s.a.log)
	s.p.line = s.answer
	s.p.ended = func() {
		ctx, cancel := bounded(context.Background(), s.a.limits.drain, 10*time.Second)
		defer cancel()
		srv.Shutdown(ctx)
	}
	return s.p.start()
}

// end ends the program, when the server has ended.
func (s *sharedExecutor) end() error {
	if s.p == nil || s.p.cmd.Process == nil {
		return nil // it was never started
	}
	select {
	case <-s.p.over: // by itself
		if s.p.status != nil {
			return fmt.Errorf("--exec: the program has ended: %w", s.p.status)
		}
	default:
		s.p.end()
	}
	return nil
}

// event tells the program that a connection opens or closes.
func (s *sharedExecutor) event(c *parley.Conn, what string) error {
	now := time.Now()
	line, err := record{TS: &now, Conn: c.ID(), Dir: what, Proto: c.Protocol().Name()}.appendLine(nil)
	if err != nil {
		return err
	}
	return s.tell(line)
}

// tell writes a line. A program that does not take it may have got a part of
// it, so it is not asked again.
func (s *sharedExecutor) tell(line []byte) error {
	err := s.p.write(line, s.a.answerTimeout())
	if err != nil {
		killGroup(s.p.cmd)
	}
	return err
}

// answer sends a line of the program to the connection it names, or to all.
func (s *sharedExecutor) answer(line []byte) {
	r, err := parseRecord(line)
	if err != nil {
		s.p.notSent(line, err)
		return
	}
	m, err := r.message()
	switch {
	case err != nil:
	case r.Conn == 0:
		_, err = s.srv.Broadcast(m)
	default:
		conns := s.srv.Conns()
		i := slices.IndexFunc(conns, func(c *parley.Conn) bool { return c.ID() == r.Conn })
		if i < 0 {
			err = fmt.Errorf("there is no connection %d", r.Conn)
		} else {
			err = conns[i].Send(conns[i].Context(), m)
		}
	}
	if err != nil {
		s.p.notSent(line, err)
	}
}
