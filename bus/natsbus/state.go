package natsbus

import (
	"cmp"
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parley-net/parley/bus"
)

// linkEvery is how often it is looked whether a link to others has come or gone. A call
// looks for itself.
const linkEvery = 50 * time.Millisecond

// state is whether the bus is there.
type state struct {
	mu      sync.Mutex
	up      bool
	closed  bool
	since   time.Time
	err     error
	refused error // why a server does not let us in, as it ends the connection behind saying so
	changed chan struct{}
	// present ends when the bus goes, so that nobody waits for an answer that can't come.
	present context.Context
	gone    context.CancelCauseFunc
}

func (s *state) begin() {
	s.up, s.since, s.changed = true, time.Now(), make(chan struct{})
	s.present, s.gone = context.WithCancelCause(context.Background())
}

// set notes that the bus is there or not.
func (s *state) set(up bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.up == up {
		return
	}
	s.up, s.err, s.since = up, cmp.Or(s.refused, err), time.Now()
	if up {
		s.err, s.refused = nil, nil
		s.present, s.gone = context.WithCancelCause(context.Background())
	} else {
		s.gone(bus.ErrNoBus)
	}
	close(s.changed)
	s.changed = make(chan struct{})
}

// explain notes why a server does not let us in any more.
func (s *state) explain(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused = why
	if !s.up && !s.closed {
		s.err = why
	}
}

// close notes the end, and reports whether it is the first time.
func (s *state) close() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.closed, s.up, s.err, s.since = true, false, bus.ErrClosed, time.Now()
	s.gone(bus.ErrClosed)
	close(s.changed)
	s.changed = nil
	return true
}

// now returns the context of the present time that the bus is there, or why it is not.
func (s *state) now() (context.Context, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return nil, bus.ErrClosed
	case !s.up:
		return nil, bus.ErrNoBus
	}
	return s.present, nil
}

// Status tells whether the bus is there.
func (b *Bus) Status() bus.Status {
	server := b.where
	if at := b.at.Load(); at != nil && b.o.Server == nil {
		server = at.url
	}
	s := &b.state
	s.mu.Lock()
	defer s.mu.Unlock()
	return bus.Status{Up: s.up, Since: s.since, Err: s.err, Server: server, Changed: s.changed}
}

// Why the bus is away.
var (
	errNoServer = errors.New("the server is not there")
	errUnlinked = errors.New("the others can't be reached")
)

// look looks whether the bus is there.
func (b *Bus) look(nc *nats.Conn) {
	up, why := nc.IsConnected(), errNoServer
	if up && b.o.Linked != nil {
		up, why = b.o.Linked(), errUnlinked
	}
	b.state.set(up, why)
}

// back is told that the server is there, for the first time or again.
func (b *Bus) back(nc *nats.Conn) {
	b.note(nc)
	b.look(nc)
}

func (b *Bus) disconnected(_ *nats.Conn, err error) {
	if err == nil {
		err = errors.New("the connection was closed")
	}
	b.state.set(false, err)
}

// notBack is told why a server that was lost does not have us again.
func (b *Bus) notBack(_ *nats.Conn, err error) {
	if errors.As(err, new(*net.OpError)) {
		return // it is not there
	}
	if b.o.Creds != "" {
		if bad := checkCreds(b.o.Creds); bad != nil {
			err = bad
		}
	}
	if notLetIn(err) || errors.Is(err, bus.ErrRefused) {
		b.state.explain(err)
	}
}

// watchLink looks for the link as long as the bus is open.
func (b *Bus) watchLink() {
	tick := time.NewTicker(linkEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			b.look(b.nc)
		case <-b.done:
			return
		}
	}
}

// check returns why a call can't go on.
func (b *Bus) check(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if b.o.Linked != nil {
		b.look(b.nc)
	}
	_, err := b.state.now()
	return err
}

// checkHere is check for what is kept in this process, whether others can be reached or not.
func (b *Bus) checkHere() error {
	if _, err := b.state.now(); errors.Is(err, bus.ErrClosed) {
		return err
	}
	if !b.nc.IsConnected() {
		return bus.ErrNoBus
	}
	return nil
}

// openHere is open for what is kept in this process.
func (b *Bus) openHere(ctx context.Context, ask func(context.Context) error) error {
	if err := b.checkHere(); err != nil {
		return err
	}
	call, cancel := context.WithTimeout(ctx, openFor)
	defer cancel()
	return b.again(ctx, call, ask)
}

// during returns a context for one call: it ends with ctx, after most if ctx has no end,
// and when the bus goes.
func (b *Bus) during(ctx context.Context, most time.Duration) (context.Context, context.CancelFunc, error) {
	if err := b.check(ctx); err != nil {
		return nil, nil, err
	}
	present, err := b.state.now()
	if err != nil {
		return nil, nil, err
	}
	call, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(present, func() { cancel(context.Cause(present)) })
	bounded, end := call, func() {}
	if _, has := ctx.Deadline(); !has {
		bounded, end = context.WithTimeout(call, most)
	}
	return bounded, func() { end(); stop(); cancel(nil) }, nil
}

// open asks until somebody answers: ctx, or openFor, bounds it.
func (b *Bus) open(ctx context.Context, ask func(context.Context) error) error {
	call, cancel, err := b.during(ctx, openFor)
	if err != nil {
		return err
	}
	defer cancel()
	return b.again(ctx, call, ask)
}

// again asks until somebody answers or call ends.
func (b *Bus) again(ctx, call context.Context, ask func(context.Context) error) error {
	for {
		try, end := context.WithTimeout(call, tryFor)
		err := ask(try)
		end()
		// A server in this process that keeps nothing itself answers for the others in the
		// moment in which it has them, and does not know yet what they keep.
		early := b.o.Server != nil && errors.Is(err, jetstream.ErrJetStreamNotEnabled)
		if err == nil || !unanswered(err) && !early {
			return told(call, err)
		}
		select {
		case <-time.After(tryFor / 8):
		case <-call.Done():
			if cause := context.Cause(call); errors.Is(cause, bus.ErrNoBus) || errors.Is(cause, bus.ErrClosed) || ctx.Err() != nil {
				return cause
			}
			return errors.Join(bus.ErrNoBus, err)
		}
	}
}
