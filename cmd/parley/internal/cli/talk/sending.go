// Package talk is what send, connect and chat share: messages leave while others
// arrive, until one side has nothing more to say.
package talk

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
	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/diagnose"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/cli/input"
	"github.com/parley-net/parley/cmd/parley/internal/cli/output"
	"github.com/parley-net/parley/cmd/parley/internal/cli/wording"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/cmd/parley/internal/moving"
	"github.com/parley-net/parley/line"
)

// Options are the flags of send.
type Options struct {
	In        input.Flags
	Out       output.Flags
	Count     int // -1: not given
	Wait      time.Duration
	Hold      bool
	Confirm   bool
	Expect    string
	Reconnect bool
	Ahead     bool
	Preamble  []string

	UntilSilence bool // how many answers are due does not matter
}

// Source is where the messages to send come from: in order, then io.EOF.
type Source interface {
	Next() (parley.Message, error)
}

// Sending is one run of send.
type Sending struct {
	App     *app.App
	Options Options
	In      Source
	Out     *output.Printer
	Expect  *regexp.Regexp
	Peer    Speaker
	Conn    *parley.Conn // nil with --reconnect
	At      endpoint.Endpoint

	due      int // answers to what was sent; sendAll counts them
	came     int // messages that have come, or are lost
	lost     int // of these, those that were damaged
	printed  int
	failed   error // the first error, which is returned in the end
	mismatch error // the last message that is not what --expect wants
}

// Run sends and receives until the end.
func (s *Sending) Run(ctx context.Context) error {
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
					s.fail(s.Print(ctx, r.m))
				}
				break
			}
			if errors.As(r.err, new(*parley.MessageError)) {
				s.App.Complain(r.err)
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
			if s.Options.Count > 0 {
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
		if !s.Options.Hold {
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
func (s *Sending) receiveAll(ctx context.Context, arrived chan<- received) {
	for {
		m, err := s.Peer.Receive(ctx)
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
func (s *Sending) sendAll(ctx context.Context) error {
	for n := 1; ; n++ {
		m, err := s.In.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := s.Send(ctx, m); err != nil {
			return fmt.Errorf("message %d was not sent: %w", n, fault.Bare(err))
		}
		if s.answers(m) {
			s.due++
		}
	}
}

// Send sends a message, and with --confirm waits for its confirmation.
func (s *Sending) Send(ctx context.Context, m parley.Message) error {
	s.Out.NoteSent()
	if !s.Options.Confirm {
		return s.Peer.Send(ctx, m)
	}
	ctx, cancel := s.App.Moving(ctx, s.Conn)
	defer cancel()
	return s.Peer.Confirm(ctx, m)
}

// answers reports whether m has an answer, on a wire that answersKnown.
func (s *Sending) answers(m parley.Message) bool {
	return s.At.Protocol.Name() != "scpi" || ask.IsQuery(m.Bytes())
}

// answered reports whether all answers that are due have come, as far as the wire
// tells how many there are. All is sent.
func (s *Sending) answered() bool {
	return !s.Options.UntilSilence && answersKnown(s.At.Protocol) && s.came >= s.due
}

// answersKnown reports whether a message of the wire has one answer, or none that
// can be told by the message.
func answersKnown(p parley.Protocol) bool {
	l, ok := p.(line.Protocol)
	return p.Traits().Lockstep || p.Name() == "scpi" || ok && l.Prompt != ""
}

// unsent says what the peer's end has kept from being sent. Standard input
// that is still open is not waited for.
func (s *Sending) unsent(sent <-chan error) error {
	if !s.Options.In.Items() {
		return <-sent
	}
	select {
	case err := <-sent:
		return err
	default:
		return nil
	}
}

// Print prints a message that has arrived and checks it.
func (s *Sending) Print(ctx context.Context, m parley.Message) error {
	conn := uint64(1)
	if s.Conn != nil {
		conn = s.Conn.ID()
	}
	printed, err := s.Out.Print(ctx, time.Now(), conn, "in", s.At.Protocol.Name(), m)
	if !printed || err != nil {
		return err
	}
	s.printed++
	if s.Expect != nil && !s.Expect.Match(output.Payload(m)) {
		s.mismatch = fmt.Errorf("--expect %s: got %q", s.Options.Expect, wording.Cut(string(output.Payload(m)), 80))
	}
	return nil
}

// complete reports whether as many messages are printed as --count asks for.
func (s *Sending) complete() bool { return s.Options.Count >= 0 && s.printed >= s.Options.Count }

// moved changes when bytes move.
func (s *Sending) moved() uint64 {
	if s.Conn == nil {
		return 0
	}
	return moving.Of(s.Conn)
}

// patience is how long to wait for the next message when all is sent and nothing moves.
func (s *Sending) patience() time.Duration {
	if s.Options.Count > 0 {
		return s.App.AnswerTimeout()
	}
	return s.Options.Wait
}

func (s *Sending) tooFew() error {
	return fmt.Errorf("%s: %d of %d messages came, then nothing for %v: %w", s.At, s.printed, s.Options.Count, s.patience(), os.ErrDeadlineExceeded)
}

// fail notes the first error.
func (s *Sending) fail(err error) {
	if s.failed == nil {
		s.failed = err
	}
}

// verdict says whether the command has failed, now that it ends because of
// what end says.
func (s *Sending) verdict(end string) error {
	switch {
	case s.lost > 0 && errors.As(s.failed, new(*parley.MessageError)): // each has been told
		return &fault.Error{Code: fault.Code(s.failed), Err: fmt.Errorf("%s: %s lost", s.At, wording.Plural(s.lost, "message"))}
	case s.failed != nil:
		return s.failed
	case s.printed < s.Options.Count:
		return fmt.Errorf("%s: %s after %d of %d messages", s.At, end, s.printed, s.Options.Count)
	case s.mismatch != nil:
		return s.mismatch
	case s.Expect != nil && s.printed == 0:
		return fmt.Errorf("--expect %s: %s", s.Options.Expect, end)
	}
	if s.Conn != nil {
		if h := s.Conn.NetConn().(*diagnose.Heard); h != nil {
			if line := diagnose.Unfinished(s.Conn.Protocol(), h.Arrived()); line != "" {
				return &fault.Error{Code: fault.Protocol, Err: errors.New(line)}
			}
		}
	}
	return nil
}
