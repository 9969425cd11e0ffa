package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"time"

	"github.com/spf13/cobra"

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

func sendCmd(a *app) *cobra.Command {
	var o sendOptions
	cmd := &cobra.Command{
		Use:   "send URL [MSG… | -]",
		Short: "Send messages and print what comes back",
		Long: `Connects, sends the messages in order, and prints every message that comes
back, one per line.

A message is text, or has its type in front: ` + messageForms + `.
"text:$x" sends any text as it is. "-" is one message read from standard input;
--lines, -0 and --base64 send one for each item of it, as they come. Standard
input is never searched for types: --type says what it is.

When all is sent it goes on reading until nothing has come for --wait, or
--count messages have been printed, or the peer has closed. With --count each
of them may take as long as --timeout. Where it is known how many answers there
are (oneline, scpi, line with a prompt) it ends when they have come, unless
--wait is given. See "parley help end-of-input"; "parley ask" asks one question
at a time.

An original tinyproto peer does not survive that its message meets one of ours.
So on tinyproto the next message leaves when the last one is confirmed and its
answer has come, or nothing has come for 50 ms; --ahead sends without waiting.`,
		Example: `  parley send scpi://scope '*RST' 'VOLT 1.5' '*IDN?'
  parley send serpy2://localhost:6000 int:3 --count 1 --raw > image.f32
  parley send tinyproto://localhost:8088 - --type bytes --confirm < photo.jpg
  tail -f log | parley send serpy://localhost:6001 --lines --hold`,
		RunE: func(cmd *cobra.Command, args []string) error {
			e, rest, err := a.target(cmd, args)
			if err != nil {
				return err
			}
			if err := takeTurns(o.ahead, &e); err != nil {
				return err
			}
			o.untilSilence = o.hold || o.count >= 0 || cmd.Flags().Changed("wait")
			return a.send(cmd.Context(), e, rest, o)
		},
		ValidArgsFunction: a.completeURL,
	}
	f := cmd.Flags()
	f.SortFlags = false
	o.in.add(cmd)
	f.IntVarP(&o.count, "count", "n", -1, "print `N` messages and end; 0: do not wait for any")
	f.Lookup("count").DefValue = "0" // so that the help shows no default
	f.DurationVarP(&o.wait, "wait", "w", 2*time.Second, "end when nothing has come for `TIME`")
	f.BoolVar(&o.hold, "hold", false, "do not end before the peer does")
	f.BoolVar(&o.confirm, "confirm", false, "wait for the peer's confirmation of each message (tinyproto, serpy)")
	f.StringVar(&o.expect, "expect", "", "fail unless something comes back and all of it matches `REGEXP`")
	f.BoolVar(&o.reconnect, "reconnect", false, "connect again when the connection is lost")
	f.StringArrayVar(&o.preamble, "preamble", nil, "send `MSG` first, after each connect")
	aheadFlag(cmd, &o.ahead)
	o.out.add(cmd)
	o.out.addBlock(cmd)
	a.dialFlags(cmd)
	cmd.MarkFlagsMutuallyExclusive("hold", "wait")
	cmd.MarkFlagsMutuallyExclusive("block", "raw")
	return cmd
}

// speaker is what send needs of a Conn or a Client.
type speaker interface {
	Send(context.Context, parley.Message) error
	Confirm(context.Context, parley.Message) error
	Receive(context.Context) (parley.Message, error)
	Close() error
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

// send does what the command promises.
func (a *app) send(ctx context.Context, e endpoint.Endpoint, args []string, o sendOptions) error {
	s := &sending{a: a, o: o, at: e}
	o.in.ofLines(e.Protocol)
	var err error
	if s.in, err = a.input(o.in, args); err != nil {
		return err
	}
	if len(args) == 0 && !o.in.items() && !o.hold && o.count < 0 {
		return usagef("nothing to send: give a message, - or --lines; or --hold to just listen")
	}
	if o.count < -1 || o.wait < 0 {
		return usagef("--count and --wait can't be negative")
	}
	if o.confirm && !e.Protocol.Traits().Confirms {
		return usagef("--confirm: %s has no confirmations", e.Protocol.Name())
	}
	if s.out, err = a.printer(o.out); err != nil {
		return err
	}
	if o.expect != "" {
		if s.expect, err = regexpOf("--expect", o.expect); err != nil {
			return err
		}
	}
	client := a.client(e)
	d := &client.Dialer
	if err := a.configure(d, e); err != nil {
		return err
	}
	if err := sayFirst(d, o.preamble, o.in.kind); err != nil {
		return err
	}
	if s.peer = client; o.reconnect {
		a.queued.add(d, e)
	} else {
		if s.conn, err = a.dial(ctx, e, d); err != nil {
			return err
		}
		s.peer = s.conn
	}
	err = s.run(ctx)
	if cerr := s.peer.Close(); err == nil {
		err = cerr
	}
	if s.conn != nil {
		err = explain(s.conn, err)
	}
	return err
}

// sayFirst makes d send the preamble on every new connection.
func sayFirst(d *parley.Dialer, preamble []string, kind string) error {
	var messages []parley.Message
	for _, p := range preamble {
		if p == "-" {
			return usagef("--preamble -: standard input can't be used here; text:- sends a -")
		}
		m, err := parseMessage(p, kind)
		if err != nil {
			return err
		}
		messages = append(messages, m)
	}
	if len(messages) > 0 {
		d.Hooks.OnOpen = func(ctx context.Context, c *parley.Conn) error {
			for _, m := range messages {
				if err := c.Send(ctx, m); err != nil {
					return fmt.Errorf("--preamble: %w", err)
				}
			}
			return nil
		}
	}
	return nil
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
