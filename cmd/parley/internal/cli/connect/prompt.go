package connect

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
	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/output"
	"github.com/parley-net/parley/cmd/parley/internal/cli/talk"
	"github.com/parley-net/parley/cmd/parley/internal/cli/terminal"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/cmd/parley/internal/prompt"
)

// connectAt runs connect with a prompt.
func connectAt(ctx context.Context, a *app.App, keyboard, screen *os.File, e endpoint.Endpoint, o connectOptions, c *console) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	po := prompt.Options{Complete: c.complete, Interrupt: func() { cancel(fault.ErrInterrupted) }}
	if !o.noHistory {
		po.History = openHistory(a)
		c.recall = po.History
	}
	c.colour = terminal.HasColour(screen) && terminal.IsTerminal(a.Stdout)
	lipgloss.EnableLegacyWindowsANSI(screen)
	p, err := prompt.Open(keyboard, screen, po)
	if err != nil {
		return err
	}
	b := withPrompt(a, p)
	err = converse(ctx, b, p, e, o, c)
	p.Close()
	if po.History != nil && po.History.Err() != nil {
		a.Log.Warn("the history was not kept", "error", po.History.Err())
	}
	if cause := context.Cause(ctx); err != nil && cause == fault.ErrInterrupted {
		return cause
	}
	return err
}

// withPrompt returns an app that prints above the line of a prompt.
func withPrompt(a *app.App, p *prompt.Prompt) *app.App {
	b := *a
	above := terminal.VisibleTo(p)
	if terminal.IsTerminal(a.Stdout) {
		b.Stdout = above
	}
	b.Divert(above, 1) // why the connection has ended is told anyway
	b.Log = slog.New(queueTold{b.Log.Handler(), b.Stderr})
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
func converse(ctx context.Context, a *app.App, p *prompt.Prompt, e endpoint.Endpoint, o connectOptions, c *console) (err error) {
	c.tell = func(text string) { fmt.Fprintln(a.Loud, text) }
	o.Count = -1
	s := &talk.Sending{App: a, Options: o.Options, At: e}
	if s.Out, err = output.NewPrinter(a, o.Out); err != nil {
		return err
	}
	c.out = s.Out
	if c.colour {
		s.Out.Paint = p
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
		case n > 0 && err != nil && ctx.Err() == nil && fault.Code(err) == fault.Connect:
			c.tell(fault.Bare(err).Error() + "\nEnter tries again, Ctrl-D leaves")
		default:
			if err == talk.ErrLeave {
				err = nil
			}
			return err
		}
		select {
		case line, more := <-lines:
			if !more {
				if err = <-left; err == talk.ErrLeave {
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
func converseOnce(ctx context.Context, a *app.App, s *talk.Sending, o connectOptions, c *console, lines <-chan string, left <-chan error, first string) (err error) {
	e := s.At
	if s.Peer, s.Conn, err = talk.Reach(ctx, a, e, o.Options, talk.ReportState(a)); err != nil {
		return err
	}
	if s.Conn != nil {
		fmt.Fprintln(a.Stderr, "connected to "+e.String()+"; /help lists the commands")
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
		err = talk.ErrLeave
	}
	wasLeft := err == talk.ErrLeave
	err = talk.Leave(s.Peer, s.Conn, err)
	for range ended { // nothing is printed any longer
	}
	switch {
	case err != nil:
		return err
	case closed:
		return parley.ErrPeerClosed
	case wasLeft:
		return talk.ErrLeave
	}
	return nil
}

// readLines reads lines until Ctrl-D, which is talk.ErrLeave, or Ctrl-C.
func readLines(ctx context.Context, p *prompt.Prompt, lines chan<- string) error {
	for {
		line, err := p.ReadLine()
		switch err {
		case nil:
		case prompt.ErrInterrupted:
			return fault.ErrInterrupted
		default:
			return talk.ErrLeave
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
func enterLine(ctx context.Context, s *talk.Sending, c *console, line string) error {
	m, ok, err := c.read(line)
	switch {
	case err == talk.ErrLeave:
		return err
	case err != nil:
		c.tell(err.Error())
		return nil
	case !ok:
		return nil
	}
	if err := s.Send(ctx, m); err != nil && ctx.Err() == nil {
		c.tell("not sent: " + fault.Bare(err).Error())
	}
	return nil
}

// printArrivals prints what arrives until the connection or ctx ends.
func printArrivals(ctx context.Context, s *talk.Sending) error {
	for {
		m, err := s.Peer.Receive(ctx)
		switch {
		case errors.As(err, new(*parley.MessageError)):
			s.App.Complain(err)
		case err != nil:
			return err
		default:
			if err := s.Print(ctx, m); err != nil {
				return err
			}
		}
	}
}

// openHistory opens the history of connect, or returns nil.
func openHistory(a *app.App) *prompt.History {
	dir, err := prompt.StateDir()
	if err == nil {
		var h *prompt.History
		if h, err = prompt.OpenHistory(filepath.Join(dir, "parley", "connect-history")); h != nil {
			return h
		}
	}
	a.Log.Warn("there is no history", "error", err)
	return nil
}
