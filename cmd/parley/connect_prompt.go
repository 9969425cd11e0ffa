package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"charm.land/lipgloss/v2"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/cmd/parley/internal/prompt"
)

// connectAt runs connect with a prompt.
func connectAt(ctx context.Context, a *app, keyboard, screen *os.File, e endpoint.Endpoint, o connectOptions, c *console) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	po := prompt.Options{Complete: c.complete, Interrupt: func() { cancel(errInterrupted) }}
	if !o.noHistory {
		po.History = openHistory(a)
		c.recall = po.History
	}
	c.colour = hasColour(screen) && isTerminal(a.stdout)
	lipgloss.EnableLegacyWindowsANSI(screen)
	p, err := prompt.Open(keyboard, screen, po)
	if err != nil {
		return err
	}
	b := withPrompt(a, p)
	err = converse(ctx, b, p, e, o, c)
	p.Close()
	if po.History != nil && po.History.Err() != nil {
		a.log.Warn("the history was not kept", "error", po.History.Err())
	}
	if cause := context.Cause(ctx); err != nil && cause == errInterrupted {
		return cause
	}
	return err
}

// withPrompt returns an app that prints above the line of a prompt.
func withPrompt(a *app, p *prompt.Prompt) *app {
	b := *a
	above := visibleTo(p)
	if isTerminal(a.stdout) {
		b.stdout = above
	}
	b.divert(above, 1) // why the connection has ended is told anyway
	b.log = slog.New(queueTold{b.log.Handler(), b.stderr})
	return &b
}

// queueTold tells of the queue of a server in words, and leaves the rest to a log.
type queueTold struct {
	slog.Handler
	w io.Writer
}

// Enabled lets warnings pass, which those of the queue are.
func (q queueTold) Enabled(ctx context.Context, l slog.Level) bool {
	return l == slog.LevelWarn || q.Handler.Enabled(ctx, l)
}

// Handle tells or logs one record.
func (q queueTold) Handle(ctx context.Context, r slog.Record) error {
	switch {
	case strings.HasSuffix(r.Message, "the queue of the server"):
		_, err := fmt.Fprintln(q.w, r.Message+"; Ctrl-C leaves it")
		return err
	case q.Handler.Enabled(ctx, r.Level):
		return q.Handler.Handle(ctx, r)
	}
	return nil
}

// WithAttrs keeps the handler's behaviour.
func (q queueTold) WithAttrs(attrs []slog.Attr) slog.Handler {
	return queueTold{q.Handler.WithAttrs(attrs), q.w}
}

// WithGroup keeps the handler's behaviour.
func (q queueTold) WithGroup(name string) slog.Handler {
	return queueTold{q.Handler.WithGroup(name), q.w}
}

// converse sends what is typed and prints what arrives, until one side ends.
// The app is that of withPrompt.
func converse(ctx context.Context, a *app, p *prompt.Prompt, e endpoint.Endpoint, o connectOptions, c *console) (err error) {
	c.tell = func(text string) { fmt.Fprintln(a.loud, text) }
	o.count = -1
	s := &sending{a: a, o: o.sendOptions, at: e}
	if s.out, err = newPrinter(a, o.out); err != nil {
		return err
	}
	c.out = s.out
	if c.colour {
		s.out.paint = p
	}
	lines := make(chan string, 16) // typed ahead
	left := make(chan error, 1)
	go func() {
		defer close(lines)
		left <- readLines(ctx, p, lines)
	}()
	again := ""
	for n := 0; ; n++ {
		err = converseOnce(ctx, a, s, o, c, lines, left, again)
		again = ""
		// The connection is gone, the person is not.
		switch {
		case errors.Is(err, parley.ErrPeerClosed):
			c.tell("the peer closed the connection: Enter connects again, Ctrl-D leaves")
		case n > 0 && err != nil && ctx.Err() == nil && exitCode(err) == exitConnect:
			c.tell(bare(err).Error() + "\nEnter tries again, Ctrl-D leaves")
		default:
			if err == errLeave {
				err = nil
			}
			return err
		}
		select {
		case line, more := <-lines:
			if !more {
				if err = <-left; err == errLeave {
					err = nil
				}
				return err
			}
			if line == "/quit" {
				return nil
			}
			again = line
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// converseOnce is one connection's part of it; first is a line that was typed for it
// already. It returns ErrPeerClosed when the peer has ended the connection.
func converseOnce(ctx context.Context, a *app, s *sending, o connectOptions, c *console, lines <-chan string, left <-chan error, first string) (err error) {
	e := s.at
	if s.peer, s.conn, err = reach(ctx, a, e, o.sendOptions, reportState(a)); err != nil {
		return err
	}
	if s.conn != nil {
		fmt.Fprintln(a.stderr, "connected to "+e.String()+"; /help lists the commands")
	}
	ended := make(chan error, 1)
	go func() {
		defer close(ended)
		ended <- printArrivals(ctx, s)
	}()
	if first != "" {
		err = enterLine(ctx, s, c, first)
	}
	for err == nil {
		select {
		case line, more := <-lines:
			if more {
				err = enterLine(ctx, s, c, line)
			} else {
				err = <-left
			}
		case err = <-ended:
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
	}
	closed := errors.Is(err, parley.ErrPeerClosed)
	if closed {
		err = errLeave
	}
	wasLeft := err == errLeave
	err = leave(s.peer, s.conn, err)
	for range ended { // nothing is printed any longer
	}
	switch {
	case err != nil:
		return err
	case closed:
		return parley.ErrPeerClosed
	case wasLeft:
		return errLeave
	}
	return nil
}

// readLines reads lines until Ctrl-D, which is errLeave, or Ctrl-C.
func readLines(ctx context.Context, p *prompt.Prompt, lines chan<- string) error {
	for {
		line, err := p.ReadLine()
		switch err {
		case nil:
		case prompt.ErrInterrupted:
			return errInterrupted
		default:
			return errLeave
		}
		select {
		case lines <- line:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// enterLine does what a line asks for. What is wrong with it is told; an error
// ends the conversation.
func enterLine(ctx context.Context, s *sending, c *console, line string) error {
	m, ok, err := c.read(line)
	switch {
	case err == errLeave:
		return err
	case err != nil:
		c.tell(err.Error())
		return nil
	case !ok:
		return nil
	}
	s.out.noteSent()
	if s.o.confirm {
		cctx, cancel := s.a.moving(ctx, s.conn)
		err = s.peer.Confirm(cctx, m)
		cancel()
	} else {
		err = s.peer.Send(ctx, m)
	}
	if err != nil && ctx.Err() == nil {
		c.tell("not sent: " + bare(err).Error())
	}
	return nil
}

// printArrivals prints what arrives until the connection or ctx ends.
func printArrivals(ctx context.Context, s *sending) error {
	for {
		m, err := s.peer.Receive(ctx)
		switch {
		case errors.As(err, new(*parley.MessageError)):
			fmt.Fprintf(s.a.loud, "%v\n", bare(err))
		case err != nil:
			return err
		default:
			if err := s.print(ctx, m); err != nil {
				return err
			}
		}
	}
}

// openHistory opens the history of connect, or returns nil.
func openHistory(a *app) *prompt.History {
	dir, err := prompt.StateDir()
	if err == nil {
		var h *prompt.History
		if h, err = prompt.OpenHistory(filepath.Join(dir, "parley", "connect-history")); h != nil {
			return h
		}
	}
	a.log.Warn("there is no history", "error", err)
	return nil
}
