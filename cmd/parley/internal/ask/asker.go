package ask

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/moving"
)

// How long an Asker with Settle waits. A peer that has closed before is given more
// time.
const (
	mayClose  = 100 * time.Millisecond
	willClose = 2 * time.Second
)

// looks is how often a wait looks whether bytes have come, per Timeout.
const looks = 8

// An Asker asks one question at a time on a connection that it makes when it is
// needed. Its methods must not be called concurrently.
type Asker struct {
	Rule Rule
	// Dial makes a connection.
	Dial func(context.Context) (*parley.Conn, error)
	// Timeout bounds the wait for a message while no byte comes.
	Timeout time.Duration
	// Reconnect asks on a new connection when the peer has closed before the
	// question had begun to leave. Without it a closed connection is an error of
	// the question, and the next one is asked on a new connection.
	Reconnect bool
	// Settle waits before each question but the first for the peer to close behind
	// its last answer, as what is sent then is lost.
	Settle bool
	// Unasked is called with what has come before a question: it is no answer to
	// it. err is set if the message can't be told.
	Unasked func(m parley.Message, err error)
	// Message returns what Until looks at; nil: the bytes of the message.
	Message func(parley.Message) []byte

	link   *link
	closes bool // the peer has closed behind an answer
}

// Exchange is a question with its answer.
type Exchange struct {
	Question parley.Message
	Answers  []Answer
	Sent     time.Time // when it was given to the connection
}

// Answer is one message of an answer.
type Answer struct {
	parley.Message
	At time.Time // when it came
}

// RTT is the time from the question to the last message of its answer; 0 if none
// came.
func (x *Exchange) RTT() time.Duration {
	if len(x.Answers) == 0 {
		return 0
	}
	return x.Answers[len(x.Answers)-1].At.Sub(x.Sent)
}

// UnansweredError says that a question has no answer, or not the whole of it.
type UnansweredError struct {
	Question parley.Message
	Err      error
}

// Error names the question and the reason.
func (e *UnansweredError) Error() string {
	return fmt.Sprintf("no answer to %s: %s", Name(e.Question), words(e.Err))
}

// Unwrap returns the reason.
func (e *UnansweredError) Unwrap() error { return e.Err }

// Ask asks a question. The Exchange has what came also if there is an error:
// *UnansweredError, after which the next question is asked on a new connection,
// or that of Dial.
func (a *Asker) Ask(ctx context.Context, question parley.Message) (Exchange, error) {
	x := Exchange{Question: question}
	for {
		l, err := a.connected(ctx)
		if errors.As(err, new(*closedError)) {
			return x, a.failed(ctx, question, err)
		}
		if err != nil {
			return x, err
		}
		x.Sent = time.Now()
		err = l.conn.Send(ctx, question)
		if err == nil {
			break
		}
		// A peer that has only ended its stream would leave the connection up for a while.
		ended := l.conn.Err() != nil || errors.Is(err, parley.ErrPeerClosed)
		again := ended && a.Reconnect && l.used && l.conn.Stats().BytesOut == l.written
		if ended {
			a.drop()
		}
		if !again {
			return x, a.failed(ctx, question, fmt.Errorf("it was not sent: %w", err))
		}
	}
	a.link.used = true
	if !a.Rule.Answered(question) {
		return x, nil
	}
	err := a.collect(ctx, &x)
	if err != nil {
		a.drop()
		err = a.failed(ctx, question, err)
	}
	return x, err
}

// failed returns the error of a question, unless ctx has ended.
func (a *Asker) failed(ctx context.Context, question parley.Message, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return &UnansweredError{question, err}
}

// Conn returns the connection of the last question, or nil if there is none any
// more.
func (a *Asker) Conn() *parley.Conn {
	if a.link == nil {
		return nil
	}
	return a.link.conn
}

// together is how much later than the last message of an answer another one comes
// that was sent with it.
const together = 10 * time.Millisecond

// Finish is called behind the last question: what has come with its answer and is no
// part of it is given to Unasked, so that nothing is lost without a word.
func (a *Asker) Finish(ctx context.Context) {
	if a.link == nil || a.link.last.IsZero() || a.Rule.Count == 0 && a.Rule.Until == nil {
		return
	}
	t := time.NewTimer(together - time.Since(a.link.last))
	defer t.Stop()
	for {
		select {
		case got := <-a.link.arrived:
			if a.unasked(got) != nil {
				return
			}
		case <-t.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

// Close says goodbye.
func (a *Asker) Close() error {
	if a.link == nil {
		return nil
	}
	l := a.link
	a.link = nil
	return l.close()
}

// drop gives the connection up.
func (a *Asker) drop() { a.Close() }

// connected returns a connection on which nothing is under way.
func (a *Asker) connected(ctx context.Context) (*link, error) {
	if l := a.link; l != nil {
		err := a.clear(ctx, l)
		if err == nil {
			l.written = l.conn.Stats().BytesOut
			return l, nil
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		a.drop()
		if !a.Reconnect {
			return nil, &closedError{err}
		}
		a.closes = true
	}
	conn, err := a.Dial(ctx)
	if err != nil {
		return nil, err
	}
	a.link = newLink(conn)
	a.link.written = conn.Stats().BytesOut
	return a.link, nil
}

// closedError says that the connection has ended between two questions.
type closedError struct{ err error }

func (e *closedError) Error() string {
	return fmt.Sprintf("it was not sent: %s; a device that closes behind each answer needs --reconnect", words(e.err))
}

func (e *closedError) Unwrap() error { return e.err }

// clear takes what has come since the last answer. It returns an error if the
// connection has ended.
func (a *Asker) clear(ctx context.Context, l *link) error {
	var settled <-chan time.Time
	if a.Settle {
		wait := mayClose
		if a.closes {
			wait = willClose
		}
		if wait -= time.Since(l.last); wait > 0 {
			t := time.NewTimer(wait)
			defer t.Stop()
			settled = t.C
		}
	}
	for {
		if settled == nil {
			select {
			case got := <-l.arrived:
				if err := a.unasked(got); err != nil {
					return err
				}
				continue
			default:
				return nil
			}
		}
		select {
		case got := <-l.arrived:
			if err := a.unasked(got); err != nil {
				return err
			}
		case <-settled:
			settled = nil
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// unasked tells what nobody has asked for, or returns why the connection has
// ended.
func (a *Asker) unasked(got arrival) error {
	if got.err != nil && !isLost(got.err) {
		return got.err
	}
	if a.Unasked != nil {
		a.Unasked(got.m, got.err)
	}
	return nil
}

// collect receives the answer.
func (a *Asker) collect(ctx context.Context, x *Exchange) error {
	l := a.link
	tick := time.NewTicker(max(a.Timeout/looks, 1))
	defer tick.Stop()
	var quiet <-chan time.Time
	moved, heard, seen := time.Now(), l.conn.Stats().BytesIn, uint64(0)
	for {
		select {
		case got := <-l.arrived:
			if got.err != nil {
				if a.Rule.Quiet > 0 && len(x.Answers) > 0 && errors.Is(got.err, parley.ErrPeerClosed) {
					return nil // nothing more will come; the next question finds the end
				}
				return a.partial(x, got.err)
			}
			x.Answers = append(x.Answers, Answer{got.m, got.at})
			l.last = got.at
			if a.Rule.complete(len(x.Answers), a.text(got.m)) {
				return nil
			}
			moved, heard = got.at, l.conn.Stats().BytesIn
			if a.Rule.Quiet > 0 {
				quiet = time.After(a.Rule.Quiet)
			}
		case <-quiet:
			if n := l.conn.Stats().BytesIn; n != heard { // the next message is on its way
				heard, quiet = n, time.After(a.Rule.Quiet)
				continue
			}
			return nil
		case now := <-tick.C:
			n, came := moving.Of(l.conn), l.conn.Stats().BytesIn
			if n != seen && quiet == nil && (seen > 0 || came != heard) { // a question that leaves at once has not moved later
				moved = now
			}
			seen, heard = n, came
			if now.Sub(moved) >= a.Timeout {
				return a.partial(x, &silentError{a.Timeout})
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// partial adds to an error how much of the answer has come.
func (a *Asker) partial(x *Exchange, err error) error {
	n := len(x.Answers)
	switch {
	case n == 0:
		return err
	case a.Rule.Until != nil:
		return fmt.Errorf("%d messages came, none that matches %s: %w", n, a.Rule.Until, err)
	case a.Rule.Quiet > 0:
		return fmt.Errorf("%d messages came: %w", n, err)
	}
	return fmt.Errorf("%d of %d messages came: %w", n, a.Rule.Count, err)
}

func (a *Asker) text(m parley.Message) []byte {
	if a.Message != nil {
		return a.Message(m)
	}
	return m.Bytes()
}

// silentError says that nothing has come in time.
type silentError struct{ wait time.Duration }

func (e *silentError) Error() string { return fmt.Sprintf("nothing came within %v", e.wait) }
func (e *silentError) Timeout() bool { return true }
func (e *silentError) Unwrap() error { return os.ErrDeadlineExceeded }

// words is the text of an error without the library's name in it.
func words(err error) string { return strings.ReplaceAll(err.Error(), "parley: ", "") }

// isLost reports whether err is about one message only.
func isLost(err error) bool {
	return errors.As(err, new(*parley.MessageError)) || errors.As(err, new(*parley.LateAnswerError))
}

// Name is a question for an error or a note.
func Name(m parley.Message) string {
	const most = 60
	b := m.AppendText(nil)
	if len(b) > most {
		return fmt.Sprintf("%q… (%d bytes)", b[:most], len(b))
	}
	return fmt.Sprintf("%q", b)
}
