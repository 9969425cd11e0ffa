package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/ask"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/cmd/parley/internal/moving"
	"github.com/parley-net/parley/line"
)

// sendOptions are the flags of send.
type sendOptions struct {
	in        inputFlags
	out       outputFlags
	count     int // -1: not given
	wait      time.Duration
	hold      bool
	confirm   bool
	expect    string
	reconnect bool
	ahead     bool
	preamble  []string

	untilSilence bool // how many answers are due does not matter
}

// source is where the messages to send come from: in order, then io.EOF.
type source interface {
	next() (parley.Message, error)
}

// sending is one run of send.
type sending struct {
	a      *app
	o      sendOptions
	in     source
	out    *printer
	expect *regexp.Regexp
	peer   speaker
	conn   *parley.Conn // nil with --reconnect
	at     endpoint.Endpoint

	due      int // answers to what was sent; sendAll counts them
	came     int // messages that have come, or are lost
	lost     int // of these, those that were damaged
	printed  int
	failed   error // the first error, which is returned in the end
	mismatch error // the last message that is not what --expect wants
}

// run sends and receives until the end.
func (s *sending) run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sent := make(chan error, 1)
	go func() { sent <- s.sendAll(ctx) }()
	arrived := make(chan received)
	go s.receiveAll(ctx, arrived)
	allSent := false
	var silence <-chan time.Time
	var seen uint64     // of what had moved
	var moved time.Time // when that was
	for {
		select {
		case err := <-sent:
			allSent = true
			s.fail(err)
		case r := <-arrived:
			s.came++
			if r.err == nil {
				if !s.complete() {
					s.fail(s.print(ctx, r.m))
				}
				break
			}
			if errors.As(r.err, new(*parley.MessageError)) {
				s.a.complain(r.err)
				s.lost++
				s.fail(r.err)
				break
			}
			if !allSent {
				s.fail(s.unsent(sent))
			}
			if !errors.Is(r.err, parley.ErrPeerClosed) {
				s.fail(r.err)
			}
			return s.verdict("the peer closed the connection")
		case now := <-silence:
			if n := s.moved(); n != seen {
				if seen > 0 { // what leaves at once has not moved later
					moved = now
				}
				seen = n
			}
			if left := s.patience() - now.Sub(moved); left > 0 {
				silence = time.After(min(left, s.patience()/16))
				continue
			}
			if s.o.count > 0 {
				s.fail(s.tooFew())
			}
			return s.verdict("nothing came")
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		if !allSent {
			continue
		}
		if s.failed != nil && !errors.As(s.failed, new(*parley.MessageError)) || s.complete() || s.answered() {
			return s.verdict("")
		}
		if !s.o.hold {
			seen, moved = 0, time.Now()
			silence = time.After(s.patience() / 16)
		}
	}
}

// received is a message, or why there is none.
type received struct {
	m   parley.Message
	err error
}

// receiveAll receives until the connection or ctx ends.
func (s *sending) receiveAll(ctx context.Context, arrived chan<- received) {
	for {
		m, err := s.peer.Receive(ctx)
		select {
		case arrived <- received{m, err}:
		case <-ctx.Done():
			return
		}
		if err != nil && !errors.As(err, new(*parley.MessageError)) {
			return
		}
	}
}

// sendAll sends all input.
func (s *sending) sendAll(ctx context.Context) error {
	for n := 1; ; n++ {
		m, err := s.in.next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		s.out.noteSent()
		if s.o.confirm {
			cctx, cancel := s.a.moving(ctx, s.conn)
			err = s.peer.Confirm(cctx, m)
			cancel()
		} else {
			err = s.peer.Send(ctx, m)
		}
		if err != nil {
			return fmt.Errorf("message %d was not sent: %w", n, bare(err))
		}
		if s.answers(m) {
			s.due++
		}
	}
}

// answers reports whether m has an answer, on a wire that answersKnown.
func (s *sending) answers(m parley.Message) bool {
	return s.at.Protocol.Name() != "scpi" || ask.IsQuery(m.Bytes())
}

// answered reports whether all answers that are due have come, as far as the wire
// tells how many there are. All is sent.
func (s *sending) answered() bool {
	return !s.o.untilSilence && answersKnown(s.at.Protocol) && s.came >= s.due
}

// answersKnown reports whether a message of the wire has one answer, or none that
// can be told by the message.
func answersKnown(p parley.Protocol) bool {
	l, ok := p.(line.Protocol)
	return p.Traits().Lockstep || p.Name() == "scpi" || ok && l.Prompt != ""
}

// unsent says what the peer's end has kept from being sent. Standard input
// that is still open is not waited for.
func (s *sending) unsent(sent <-chan error) error {
	if !s.o.in.items() {
		return <-sent
	}
	select {
	case err := <-sent:
		return err
	default:
		return nil
	}
}

// print prints a message that has arrived and checks it.
func (s *sending) print(ctx context.Context, m parley.Message) error {
	conn := uint64(1)
	if s.conn != nil {
		conn = s.conn.ID()
	}
	printed, err := s.out.print(ctx, time.Now(), conn, "in", s.at.Protocol.Name(), m)
	if !printed || err != nil {
		return err
	}
	s.printed++
	if s.expect != nil && !s.expect.Match(payload(m)) {
		s.mismatch = fmt.Errorf("--expect %s: got %q", s.o.expect, cut(string(payload(m)), 80))
	}
	return nil
}

// complete reports whether as many messages are printed as --count asks for.
func (s *sending) complete() bool { return s.o.count >= 0 && s.printed >= s.o.count }

// moved changes when bytes move.
func (s *sending) moved() uint64 {
	if s.conn == nil {
		return 0
	}
	return moving.Of(s.conn)
}

// patience is how long to wait for the next message when all is sent and nothing moves.
func (s *sending) patience() time.Duration {
	if s.o.count > 0 {
		return s.a.answerTimeout()
	}
	return s.o.wait
}

func (s *sending) tooFew() error {
	return fmt.Errorf("%s: %d of %d messages came, then nothing for %v: %w", s.at, s.printed, s.o.count, s.patience(), os.ErrDeadlineExceeded)
}

// fail notes the first error.
func (s *sending) fail(err error) {
	if s.failed == nil {
		s.failed = err
	}
}

// verdict says whether the command has failed, now that it ends because of
// what end says.
func (s *sending) verdict(end string) error {
	switch {
	case s.lost > 0 && errors.As(s.failed, new(*parley.MessageError)): // each has been told
		return &fault{code: exitCode(s.failed), err: fmt.Errorf("%s: %s lost", s.at, plural(s.lost, "message"))}
	case s.failed != nil:
		return s.failed
	case s.printed < s.o.count:
		return fmt.Errorf("%s: %s after %d of %d messages", s.at, end, s.printed, s.o.count)
	case s.mismatch != nil:
		return s.mismatch
	case s.expect != nil && s.printed == 0:
		return fmt.Errorf("--expect %s: %s", s.o.expect, end)
	}
	if s.conn != nil {
		if h := s.conn.NetConn().(*heard); h != nil {
			if line := unfinished(s.conn.Protocol(), h.arrived()); line != "" {
				return &fault{code: exitProtocol, err: errors.New(line)}
			}
		}
	}
	return nil
}
