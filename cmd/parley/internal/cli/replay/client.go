package replay

import (
	"context"
	"errors"
	"os"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/diagnose"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/recording"
)

// playClient plays the clients of a session, in the order of the file.
func playClient(ctx context.Context, a *app.App, e endpoint.Endpoint, s *session) error {
	n := len(s.conns)
	p := &clientPlayer{a: a, e: e, s: s, conns: make([]*parley.Conn, n), left: make([]bool, n), leaves: make([]*step, n)}
	defer func() {
		for _, c := range p.conns {
			if c != nil {
				c.CloseNow()
			}
		}
	}()
	var before *step
	for _, st := range s.steps {
		if err := p.play(ctx, before, st); err != nil {
			return err
		}
		before = st
	}
	for i, c := range p.conns {
		if c == nil || p.left[i] {
			continue
		}
		if err := c.Close(); err != nil {
			return diagnose.Explain(c, err)
		}
	}
	return nil
}

// clientPlayer is the state of the clients.
type clientPlayer struct {
	a      *app.App
	e      endpoint.Endpoint
	s      *session
	conns  []*parley.Conn
	left   []bool  // who has left, or was left
	leaves []*step // who is to leave, and how
}

// play plays one step.
func (p *clientPlayer) play(ctx context.Context, before, st *step) error {
	c := p.conns[st.conn]
	if c == nil {
		var err error
		if c, err = p.dial(ctx); err != nil {
			return err
		}
		p.conns[st.conn] = c
	}
	switch {
	case p.left[st.conn]:
		return nil
	case st.isMessage(recording.ToServer):
		return p.say(ctx, c, before, st)
	case st.isMessage(recording.ToClient):
		if err := p.hear(ctx, c, st); err != nil {
			return err
		}
	case st.isEnd(recording.ToServer):
		if p.leaves[st.conn] == nil {
			p.leaves[st.conn] = st
		}
	case st.isEnd(recording.ToClient) && !st.more[recording.ToServer]:
		p.left[st.conn] = true
		return p.expectEnd(ctx, c, st)
	}
	// The client stays for what the server said after its farewell.
	if leave := p.leaves[st.conn]; leave != nil && !st.more[recording.ToClient] {
		p.left[st.conn] = true
		return p.leave(ctx, c, before, leave)
	}
	return nil
}

// leave ends a connection as the recorded client did.
func (p *clientPlayer) leave(ctx context.Context, c *parley.Conn, before, st *step) error {
	if err := p.s.pause(ctx, before, st); err != nil {
		return err
	}
	switch st.Event {
	case recording.Reset:
		return c.CloseNow()
	case recording.Shutdown:
		if err := c.Send(ctx, parley.Text("shutdown")); err != nil {
			return st.Errorf("the shutdown was not sent: %w", inOurWords(diagnose.Explain(c, err)))
		}
	}
	return diagnose.Explain(c, c.Close())
}

func (p *clientPlayer) dial(ctx context.Context) (*parley.Conn, error) {
	d, err := p.a.Dialer(p.e)
	if err != nil {
		return nil, err
	}
	return p.a.Dial(ctx, p.e, d)
}

// say sends a message.
func (p *clientPlayer) say(ctx context.Context, c *parley.Conn, before, st *step) error {
	if err := p.s.pause(ctx, before, st); err != nil {
		return err
	}
	if err := c.Send(ctx, st.send); err != nil {
		return p.s.unsent(st, diagnose.Explain(c, err))
	}
	return nil
}

// hear receives a message, which must be the recorded one.
func (p *clientPlayer) hear(ctx context.Context, c *parley.Conn, st *step) error {
	m, err := p.receive(ctx, c)
	switch {
	case err != nil && isLost(st, err):
		return nil
	case err != nil:
		return p.s.missing(st, diagnose.Explain(c, err))
	case !p.s.same(st, m, p.s.protocol.Name() == "oneline"):
		return p.s.mismatch(st, m)
	}
	return nil
}

// expectEnd waits for the server to close.
func (p *clientPlayer) expectEnd(ctx context.Context, c *parley.Conn, st *step) error {
	m, err := p.receive(ctx, c)
	switch {
	case err == nil:
		return st.Errorf("expected the server to end the connection\n  got: %s", p.s.shown(m))
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return st.Errorf("expected the server to end the connection\n  got: nothing for %v: %w", p.a.AnswerTimeout(), os.ErrDeadlineExceeded)
	}
	return ctx.Err()
}

// receive waits for the next message.
func (p *clientPlayer) receive(ctx context.Context, c *parley.Conn) (parley.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, p.a.AnswerTimeout())
	defer cancel()
	return c.Receive(ctx)
}
