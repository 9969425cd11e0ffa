package session

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/parley-net/parley/internal/bufpool"
	"github.com/parley-net/parley/tinyproto"
	"github.com/parley-net/parley/wire"
)

// end is one of two sessions in one thread, with what its driver has.
type end struct {
	s      Session
	stats  Counters
	talked Talked
	peer   *end
	name   string

	closed   bool     // our direction is: behind the last byte the peer meets its end
	gone     bool     // the socket is closed
	got      []string // messages, in order
	sent     []string // those that should arrive
	noise    bool     // something has come that the peer did not send
	faulted  error
	observed func(*end)
}

func (e *end) Peer() string                        { return e.name }
func (e *end) Now() time.Time                      { return time.Time{} }
func (e *end) Short() bool                         { return false }
func (e *end) Weighed()                            {}
func (e *end) Unsent() int                         { return 0 }
func (e *end) Share(p []byte) *bufpool.Shared      { return bufpool.Share(p, nil) }
func (e *end) Flush()                              {}
func (e *end) PassLater(time.Duration)             {}
func (e *end) Unposted(err error)                  { e.faulted = err }
func (e *end) EndsOurs()                           { e.closed = true }
func (e *end) StaysOpen()                          {}
func (e *end) Closes()                             {} // see goOn
func (e *end) Aborting(error)                      {}
func (e *end) Aborted()                            { e.closed, e.gone = true, true }
func (e *end) Faulted(err error, _ Fault)          { e.faulted = err }
func (e *end) Counts(Seldom)                       {}
func (e *end) Late(_, _ wire.Message, _ error)     {}
func (e *end) LookAfter(time.Duration)             {}
func (e *end) Streaming() bool                     { return false }
func (e *end) Taken() int64                        { return 0 }
func (e *end) Asked() (bool, time.Duration)        { return false, 0 }
func (e *end) Overdue(_ Limit, how string)         { e.faulted = errors.New(how) }
func (e *end) Queues()                             {}
func (e *end) Succeeds()                           {}
func (e *end) WakesReader()                        {}
func (e *end) Astray()                             {}
func (e *end) Freed(int64)                         {}
func (e *end) Noted(string)                        {}
func (e *end) Traced(string, wire.Message, []byte) {}
func (e *end) Heard([]byte, *wire.Event)           {}
func (e *end) Transformed(m wire.Message) (wire.Message, []byte, error) {
	return m, nil, nil
}
func (e *end) Untransformed(m wire.Message) (wire.Message, []byte, error) {
	return m, nil, nil
}
func (e *end) life() *Life                              { return &e.s.life }
func (e *end) fail(format string, a ...any) (err error) { return fmt.Errorf(e.name+": "+format, a...) }

// two returns two ends that speak tinyproto with each other.
func two(observed func(*end)) (a, b *end) {
	a, b = &end{name: "dialling"}, &end{name: "accepting"}
	a.peer, b.peer = b, a
	for role, e := range map[wire.Role]*end{wire.Dialing: a, wire.Accepting: b} {
		p := tinyproto.Protocol{}
		rules := &Rules{Name: p.Name(), Role: role, Traits: p.Traits(), MaxMessage: 1 << 20, MaxStream: 1 << 20, MaxOutput: 1 << 20, MaxInput: 1 << 20, MaxQueue: 1000}
		e.observed = observed
		e.s.Begin(p.New(role, wire.Limits{MaxMessage: 1 << 20}), e, rules, &e.stats, &e.talked, nil, VitalNothing)
		e.s.out.ControlMayPend()
		e.observed(e)
	}
	return a, b
}

// hear runs the machine over what has arrived.
func (e *end) hear() error {
	var ev wire.Event
	for !e.life().Closed() && !e.life().Violated() {
		n, err := e.s.Receive(e.s.in.Bytes(), &ev, false)
		e.s.in.Consume(n)
		if err != nil {
			e.s.BeginClose(err)
			e.observed(e)
			e.s.Violated(err)
			e.s.ReaderIs(ReaderGone)
			e.observed(e)
			return nil
		}
		if err := e.s.Machine().Told(&ev); err != nil {
			return err
		}
		switch ev.Kind {
		case wire.EventNone:
			return nil
		case wire.EventOpen:
			if e.life().Ending() {
				break
			}
			e.talked.Open()
			e.life().Advance(PhaseOpen)
		case wire.EventMessage:
			if e.s.Dropping() {
				e.s.out.StopControl()
				break
			}
			e.got = append(e.got, ev.Message.Text())
		case wire.EventOffer:
			if stream, _ := e.s.Offered(ev.N); stream {
				return e.fail("%d bytes as a stream", ev.N)
			}
		case wire.EventData:
			e.s.Piece(ev.Data)
		case wire.EventEnd:
			m, _ := e.s.Whole(&ev)
			if !e.s.Dropping() {
				e.got = append(e.got, m.Text())
			}
		case wire.EventLost:
			e.s.Lost(ev.Err)
		case wire.EventConfirmed, wire.EventGranted:
			e.s.Control(&ev)
		case wire.EventLeave:
			e.s.BeginClose(errors.New("the peer leaves"))
		default:
			return e.fail("event %v", ev.Kind)
		}
		e.observed(e)
	}
	return nil
}

// write writes at most some bytes of what waits.
func (e *end) write(some int) {
	if !e.life().Writable() {
		return
	}
	e.s.AppendControl()
	if !e.s.Next() {
		return
	}
	b := e.s.out.current.Bytes
	b = b[:min(some, len(b))]
	if e.peer.gone {
		err := errors.New("reset")
		if e.life().Phase() == PhaseOpen { // what the peer had sent is still read
			e.s.WriteReset(err)
		} else {
			e.cut(err)
		}
		e.observed(e)
		return
	}
	if !e.peer.life().Ended() {
		copy(e.peer.s.in.Space(), b)
		e.peer.s.in.Added(len(b))
		e.peer.stats.Got(len(b))
	}
	e.s.out.AddWritten(len(b))
	e.s.out.Wrote(len(b))
}

// eof meets the end of the peer's stream, if it is there.
func (e *end) eof() error {
	if e.life().Closed() || !e.peer.closed && !e.peer.gone || e.s.in.Len() > 0 && !e.life().Violated() {
		return nil
	}
	if !e.life().Reset() && !e.life().Violated() {
		var ev wire.Event
		e.life().EndsWith(e.s.Machine().ReceiveEOF(nil, &ev))
	}
	e.s.PeerEnds()
	e.observed(e)
	return nil
}

// send sends a message if it may.
func (e *end) send(text string) error {
	if e.life().Phase() != PhaseOpen || e.s.Sendable() != nil || !e.s.TakeTurn() {
		return nil
	}
	sent, err := e.s.Encode(wire.Text(text))
	e.s.ReleaseTurn()
	if err != nil || sent.Body != wire.BodyNone {
		return e.fail("send: %v, body %v", err, sent.Body)
	}
	e.sent = append(e.sent, text)
	return nil
}

// goOn takes the next step of a polite end, if it is due.
func (e *end) goOn() {
	switch e.life().Phase() {
	case PhaseClosing:
		if e.s.IsDrained(e.s.sending.ExpectConfirms()) && e.life().Advance(PhaseFlushed) && e.life().Writable() {
			e.s.Farewell()
		}
	case PhaseFlushed:
		if e.s.out.Pending() == 0 || e.life().Reset() {
			e.life().Advance(PhaseHalfClosed)
			e.closed = true
		}
	case PhaseHalfClosed:
		if e.life().Ended() {
			e.cut(e.life().Reason())
		}
	case PhaseClosed:
		e.life().Finish()
	}
	e.observed(e)
}

// cut ends the connection at once.
func (e *end) cut(err error) {
	e.s.Abort(err)
	e.observed(e)
}

// step is one thing that can happen to an end.
func (e *end) step(r *rand.Rand, n int) error {
	switch k := r.IntN(100); {
	case k < 25:
		e.write(1 + r.IntN(40))
	case k < 50:
		return e.hear()
	case k < 65:
		return e.send(fmt.Sprint(e.name, n))
	case k < 75:
		return e.eof()
	case k < 92:
		e.goOn()
	case k < 96:
		e.s.BeginClose(errors.New("close"))
	case k < 98 && !e.life().Ended(): // noise on the line
		copy(e.s.in.Space(), "\xff\xff\xff\xff\xff\xff")
		e.s.in.Added(6)
		e.stats.Got(6)
		e.noise = true
	case k == 99 && r.IntN(4) == 0:
		e.cut(errors.New("cut"))
	}
	e.observed(e)
	return nil
}

// Two sessions that talk to each other in one thread, whatever happens to them in
// whatever order, come to each pair of phase and peer that the table of legal steps
// leads to, and to no other: the remaining ones are unreachable. Nothing is delivered
// twice, out of order or changed, and each conversation comes to its end.
func TestTwoSessions(t *testing.T) {
	legal := map[State]bool{{}: true}
	for _, step := range LegalSteps() {
		legal[step[1]] = true
	}
	reached := make(map[State]int)
	for seed := range uint64(1500) {
		a, b := two(func(e *end) { reached[e.life().State]++ })
		r := rand.New(rand.NewPCG(seed, 1))
		for n := 0; a.life().Phase() != PhaseDone || b.life().Phase() != PhaseDone; n++ {
			if n == 20_000 {
				t.Fatalf("seed %d: no end: %v, %v", seed, a.life().State, b.life().State)
			}
			e := []*end{a, b}[r.IntN(2)]
			if err := e.step(r, n); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if e.faulted != nil {
				t.Fatalf("seed %d: %v", seed, e.faulted)
			}
		}
		for _, e := range []*end{a, b} {
			if got, sent := e.got, e.peer.sent; !e.noise && (len(got) > len(sent) || !slices.Equal(got, sent[:len(got)])) {
				t.Fatalf("seed %d: %s got %q of %q", seed, e.name, got, sent)
			}
		}
	}
	for _, s := range everyState() {
		if n := reached[s]; (n > 0) != legal[s] {
			t.Errorf("%v: reached %d times, legal: %v", s, n, legal[s])
		}
	}
	t.Logf("%d pairs reached", len(reached))
}
