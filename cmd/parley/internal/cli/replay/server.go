package replay

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/listen"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/recording"
)

// A player plays the server of a session.
type player interface {
	// play plays on one connection. An error says what does not match.
	play(ctx context.Context, c *parley.Conn) error
	// done reports whether all of the session has been played.
	done() bool
}

// playServer serves until the session has been played, something does not
// match, or ctx ends.
func playServer(ctx context.Context, a *app.App, e endpoint.Endpoint, s *session, p player, o replayOptions) error {
	srv, err := listen.NewServer(a, e)
	if err != nil {
		return err
	}
	srv.Pull = true
	srv.IgnoreShutdownRequest = true // the recording tells when the server ends
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var mu sync.Mutex
	var failed error
	played := func(c *parley.Conn, err error) {
		c.Close()
		mu.Lock()
		defer mu.Unlock()
		if err != nil && !errors.Is(err, context.Canceled) {
			if failed == nil {
				failed = err
			}
			if o.loop {
				a.Log.Error("a client does not follow the recording", "conn", c.ID(), "peer", c.RemoteAddr(), "error", err)
			}
		}
		if failed != nil && !o.loop || p.done() {
			cancel()
		}
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			c, err := srv.Accept(ctx)
			if err != nil {
				return
			}
			conns.Go(func() { played(c, p.play(ctx, c)) })
		}
	})
	err = listen.Serve(ctx, a, []listen.Listener{{At: e, Server: srv}}, listen.Company{})
	cancel()
	conns.Wait()
	if failed != nil {
		return failed
	}
	return err
}

// next waits for the next message of the client.
func (s *session) next(ctx context.Context, c *parley.Conn) (parley.Message, error) {
	if s.a.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.a.Timeout)
		defer cancel()
	}
	return c.Receive(ctx)
}

// inOrder plays the connections as they were recorded.
type inOrder struct {
	s    *session
	loop bool

	mu     sync.Mutex
	taken  int // connections that have been given to somebody
	ended  int
	turn   map[*step]chan struct{} // with together: closed when the step is to be done
	behind map[*step]*step         // and the step after it
}

func newInOrder(s *session, loop, together bool) *inOrder {
	p := &inOrder{s: s, loop: loop}
	if !together {
		return p
	}
	p.turn, p.behind = make(map[*step]chan struct{}), make(map[*step]*step)
	for i, st := range s.steps {
		p.turn[st] = make(chan struct{})
		if i == 0 {
			close(p.turn[st])
		} else {
			p.behind[s.steps[i-1]] = st
		}
	}
	return p
}

// take returns the recorded connection that a new one plays, and its steps.
func (p *inOrder) take() (int, []*step, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.taken == len(p.s.conns) {
		if !p.loop {
			return 0, nil, fmt.Errorf("%s: a client came that is not in the recording: it has %d connections", p.s.file, len(p.s.conns))
		}
		p.taken = 0
	}
	p.taken++
	return p.taken - 1, p.s.conns[p.taken-1], nil
}

func (p *inOrder) done() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return !p.loop && p.ended == len(p.s.conns)
}

// play plays the next recorded connection.
func (p *inOrder) play(ctx context.Context, c *parley.Conn) error {
	i, steps, err := p.take()
	if err != nil {
		return err
	}
	if err := p.s.greet(ctx, c, i); err != nil {
		return err
	}
	var early *parley.Message // of the next round
	for {
		again, err := p.round(ctx, c, steps, early)
		if err != nil {
			return err
		}
		if again == nil {
			break
		}
		early = again
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended++
	return nil
}

// round plays all steps once. With --loop it returns the message with which the
// client has begun again.
func (p *inOrder) round(ctx context.Context, c *parley.Conn, steps []*step, early *parley.Message) (*parley.Message, error) {
	receive := func() (parley.Message, error) {
		if m := early; m != nil {
			early = nil
			return *m, nil
		}
		return p.s.next(ctx, c)
	}
	var before *step
	gone := false    // the connection has ended
	closing := false // the recorded server has ended before its client
	for _, st := range steps {
		if err := p.await(ctx, st); err != nil {
			return nil, err
		}
		switch {
		case gone:
		case st.isMessage(recording.ToServer):
			m, err := receive()
			switch {
			case err == nil && !p.s.same(st, m, false):
				return nil, p.s.mismatch(st, m)
			case err != nil && !isLost(st, err):
				return nil, p.s.missing(st, err)
			}
		case st.isMessage(recording.ToClient):
			if err := p.s.pause(ctx, before, st); err != nil {
				return nil, err
			}
			if err := p.s.answer(ctx, c, st); err != nil {
				return nil, p.s.unsent(st, err)
			}
		case st.isEnd(recording.ToServer) && !st.more[recording.ToClient]:
			m, err := receive()
			switch {
			case err == nil && p.loop:
				return &m, nil
			case err == nil:
				return nil, st.Errorf("expected the client to leave\n  got: %s", p.s.shown(m))
			case ctx.Err() != nil || fault.IsTimeout(err):
				return nil, p.s.missingEnd(st, err)
			}
			gone = true
		case st.isEnd(recording.ToClient):
			closing = true
			if st.Event == recording.Reset && !st.more[recording.ToServer] {
				c.CloseNow()
			}
		}
		gone = gone || closing && !st.more[recording.ToServer]
		before = st
		p.passOn(st)
	}
	if gone {
		return nil, nil
	}
	m, err := receive()
	switch {
	case err == nil && p.loop && len(steps) > 0:
		return &m, nil
	case err == nil:
		return nil, p.s.surplus(before, m)
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	return nil, nil
}

// surplus says that the client goes on behind the last step of its connection.
func (s *session) surplus(last *step, m parley.Message) error {
	got := s.shown(m)
	if last == nil {
		return fmt.Errorf("%s: nothing is recorded of this connection\n  got: %s", s.file, got)
	}
	return last.Errorf("the recording of this connection ends here\n  got: %s", got)
}

// missingEnd says that the client has not left.
func (s *session) missingEnd(st *step, err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	return st.Errorf("expected the client to leave\n  got: %w", fault.Bare(err))
}

// await waits, with together, until all steps before st are done.
func (p *inOrder) await(ctx context.Context, st *step) error {
	turn := p.turn[st]
	if turn == nil {
		return nil
	}
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// passOn lets the step behind st be done.
func (p *inOrder) passOn(st *step) {
	if next := p.behind[st]; next != nil {
		close(p.turn[next])
	}
}
