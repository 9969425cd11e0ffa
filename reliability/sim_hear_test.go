package reliability

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/parley-net/parley"
)

// slowReader brings its bytes piece by piece.
type slowReader struct {
	a *actor
	b []byte
}

func (r *slowReader) Read(p []byte) (int, error) {
	if len(r.b) == 0 {
		return 0, io.EOF
	}
	r.a.pause()
	n := copy(p, r.b[:1+r.a.rng.IntN(len(r.b))])
	r.b = r.b[n:]
	return n, nil
}

// listen receives messages until the connection has ended.
func (a *actor) listen() {
	a.sim.busy.Add(1)
	defer a.sim.busy.Add(-1)
	for {
		a.pause()
		got, alive := a.hear(false)
		if !alive {
			return
		}
		// Only in answer: what is said out of nothing could come when all is quiet.
		if got && (!a.sim.plan.small || a.sim.kind.traits().Lockstep) {
			a.react(false)
		}
	}
}

// hear receives one message, unless that takes too long. alive is false when the
// connection has ended.
func (a *actor) hear(briefly bool) (got, alive bool) {
	ctx := a.sim.ctx
	if briefly || a.rng.IntN(4) == 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Duration(a.rng.Int64N(int64(time.Millisecond))))
		defer cancel()
	}
	var err error
	if a.sim.plan.streams {
		err = a.hearStream(ctx)
	} else {
		var m parley.Message
		done := a.doing("Receive")
		a.sim.busy.Add(-1)
		m, err = a.conn.Receive(ctx)
		a.sim.busy.Add(1)
		done(err)
		if err == nil {
			a.hears.arrived(m)
			a.kept = append(a.kept, kept{m, a.sim.kind.key(m)})
		}
	}
	if errors.As(err, new(*parley.MessageError)) {
		a.sim.lost(a.name, err)
		return false, true
	}
	if errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil && a.sim.ctx.Err() == nil {
		return false, true
	}
	return err == nil, err == nil
}

func (a *actor) hearStream(ctx context.Context) error {
	done := a.doing("ReceiveStream")
	a.sim.busy.Add(-1)
	s, err := a.conn.ReceiveStream(ctx)
	a.sim.busy.Add(1)
	done(err)
	if err != nil {
		return err
	}
	if err := a.readStream(s); err != nil {
		a.cut() // as a program does that can't go on
		return err
	}
	return nil
}

// readStream reads a stream to its end, or the most of it.
func (a *actor) readStream(s *parley.Stream) error {
	b := make([]byte, 0, s.Size())
	for {
		if a.rng.IntN(8) == 0 {
			a.pause()
		}
		done := a.doing("reading a stream, %d of %d bytes", len(b), s.Size())
		n, err := s.Read(b[len(b):min(cap(b), len(b)+1+a.rng.IntN(1<<14))])
		done(err)
		b = b[:len(b)+n]
		if err == nil && len(b) == cap(b) {
			n, err = s.Read(make([]byte, 1))
			if n > 0 {
				a.sim.problem("a stream of %d bytes brought more", s.Size())
			}
		}
		if err == io.EOF {
			m := parley.Bytes(b)
			if s.Type() == parley.TypeText {
				m = parley.Text(string(b))
			}
			a.hears.arrived(m)
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// handler returns the program of an end that is pushed.
func (e *end) handler() parley.Handler {
	a := e.actor("handler", e.sim.plan.tasks[e.side])
	if e.sim.plan.calls {
		return callHandler{a}
	}
	h := &handler{a}
	if e.sim.plan.streams {
		return streamHandler{h}
	}
	return h
}

type handler struct{ *actor }

// ServeMessage checks the message at the beginning and at the end: its bytes
// are ours until we return.
func (h *handler) ServeMessage(_ context.Context, c *parley.Conn, m parley.Message) error {
	if c != h.conn {
		h.sim.problem("the handler got another connection")
	}
	h.sim.busy.Add(1)
	defer h.sim.busy.Add(-1)
	key := h.sim.kind.key(m)
	h.hears.arrived(m)
	h.react(true)
	if h.rng.IntN(3) == 0 {
		h.pause()
	}
	if h.sim.kind.key(m) != key {
		h.sim.problem("%s: a message changed while its handler ran", h.name)
	}
	if h.reacts%2 == 0 {
		return h.conn.Err() // as handlers do whose answer can't be sent any more
	}
	return nil
}

type streamHandler struct{ *handler }

func (h streamHandler) ServeStream(_ context.Context, _ *parley.Conn, s *parley.Stream) error {
	h.sim.busy.Add(1)
	defer h.sim.busy.Add(-1)
	if err := h.readStream(s); err != nil {
		h.mustHaveEnded(err)
		return err
	}
	h.react(true)
	return nil
}

// react does what programs do when they have received something.
func (a *actor) react(pushed bool) {
	// Behind a stream that nobody takes nothing is read, no answer either: a
	// program with streams that are not small must not wait in its receiver.
	if a.rng.IntN(3) > 0 || a.reacts == 0 || a.sim.plan.streams || a.sim.plan.quiet {
		return
	}
	a.reacts--
	if pushed && a.rng.IntN(4) == 0 && !a.sim.kind.traits().Lockstep {
		a.pause()
		a.hear(true) // what would have come next
		return
	}
	if !pushed { // the only receiver must not wait for an answer
		m := a.sim.kind.random(a.rng, a.sends.tag(a.task), min(a.size(), 20_000))
		e := a.sends.sending(a.task, m, "Send")
		done := a.doing("Send %d in answer, %d bytes", e.n, m.Len())
		err := a.conn.Send(a.sim.ctx, m)
		done(err)
		a.sends.sent(e, false, err)
		return
	}
	a.say(a.size())
}
