package parley

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/parley-net/parley/internal/session"
)

// Receive returns the next message, which owns its bytes. A *MessageError
// says that one message was lost, a *LateAnswerError carries one that came for a
// Call that had given up: the next Receive goes on behind it. When the
// connection has ended and everything received has been returned, it returns
// the reason (ErrPeerClosed, ErrClosed …). A Receive that is cancelled or
// times out costs nothing.
//
// On a connection with a Handler, Receive returns what would otherwise go to
// the handler next.
func (c *Conn) Receive(ctx context.Context) (Message, error) {
	c.lock()
	defer c.unlock()
	if c.s.Inbox().Len() > 0 {
		r := c.s.Pop()
		if r.Err != nil {
			return Message{}, r.Err
		}
		return r.Msg, nil
	}
	if c.stream != nil && c.stream.state == streamOffered {
		return Message{}, c.stream.refuse()
	}
	w, err := c.enlist(ctx)
	if err != nil {
		return Message{}, err
	}
	return c.received(ctx, w)
}

// enlist makes the caller the next receiver.
func (c *Conn) enlist(ctx context.Context) (*session.Waiter, error) {
	if c.s.Life().Err() != nil {
		return nil, c.s.Life().Err()
	}
	if ctx.Err() != nil {
		return nil, c.ctxErr(ctx)
	}
	w := c.spare.take()
	c.s.Ready().Push(w)
	c.s.EnsureReader()
	c.s.WakeReader()
	return w, nil
}

// received waits for w's message.
func (c *Conn) received(ctx context.Context, w *session.Waiter) (Message, error) {
	err := c.await(ctx, c.s.Ready(), w)
	if w.Enlisted() { // its place is kept
		return Message{}, err
	}
	m, s := w.Msg(), streamOf(w)
	session.NewWaiter(w) // it may be kept for reuse, the message is not
	if err == nil && s != nil {
		err = s.refuse()
	}
	if err != nil {
		return Message{}, err
	}
	return m, nil
}

// Messages returns the messages that arrive, one after the other, until the
// connection or ctx ends. A lost message is yielded as a *MessageError and the
// loop goes on, as with a *LateAnswerError; any other error is yielded last, except that the peer's proper
// end of the conversation just ends the loop.
func (c *Conn) Messages(ctx context.Context) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		for {
			m, err := c.Receive(ctx)
			switch {
			case errors.Is(err, ErrPeerClosed):
				return
			case err != nil && !goesOn(err):
				yield(m, err)
				return
			}
			if !yield(m, err) {
				return
			}
		}
	}
}

// On a wire without numbers an answer belongs to the question that has waited
// longest. So a Call that gives up leaves its place in the queue of receivers:
// what comes for it goes to OnMessageError, and not to the next Call. Whether
// anything comes nobody can tell: the question may have had no answer. Then the
// place takes that of the next Call, which gives up too, and the connection can't
// be trusted any more.

// LateAnswerError carries a message that came in the place of an answer whose
// Call had given up: most likely that answer, or else something that the peer has
// said unasked. It goes to Hooks.OnMessageError. A connection that has neither
// that hook nor a Handler returns it from Receive, as long as such messages fill
// less than half of what Limits lets wait there.
type LateAnswerError struct {
	Question Message // what Call had sent
	Answer   Message // owns its bytes, as Question does
	Peer     string  // the peer's address
}

// Error names the peer, the question and the answer.
func (e *LateAnswerError) Error() string {
	return fmt.Sprintf("parley: peer %s: an answer that came after its Call had given up, or a message that nobody had asked for: %s, to %s", e.Peer, short(e.Answer), short(e.Question))
}

// short is a message for an error or a log.
func short(m Message) string {
	const most = 80
	s := m.String()
	if len(s) > most {
		s = s[:most] + "…"
	}
	return fmt.Sprintf("%q", s)
}

// astray returns a channel that is closed when the conversation is out of step,
// which is before the connection has ended. It is for one caller.
func (c *Conn) astray() <-chan struct{} {
	c.lock()
	defer c.unlock()
	ch := make(chan struct{})
	if errors.Is(c.s.Life().Reason(), ErrOutOfStep) || errors.Is(c.s.Life().Err(), ErrOutOfStep) {
		close(ch)
	} else {
		c.more().leaves(ch)
	}
	return ch
}

// why returns why the connection has ended, or is about to.
func (c *Conn) why() error {
	c.lock()
	defer c.unlock()
	if c.s.Life().Err() == nil {
		return c.s.Life().Reason()
	}
	return c.s.Life().Err()
}

// Resync forgets that a Call has given up: the next message goes to whoever
// receives next, and is nobody's late answer. It is for a program that knows that
// no answer is under way: because the question has none, or because it has
// brought the peer to a known state.
func (c *Conn) Resync() {
	c.lock()
	defer c.unlock()
	if w := c.s.Ready().Find(session.ClaimKept); w != nil {
		c.s.Ready().Remove(w)
	}
	c.s.Ready().Turn(session.ClaimInDoubt, session.ClaimCall)
}

// Astray tells who has asked that the conversation is out of step.
func (h *host) Astray() {
	if few := h.owner.extra; few != nil && few.left != nil {
		few.leave()
	}
}

// Late tells the program of a message, or of its loss, that has come in the place of a
// Call that has given up.
func (h *host) Late(question, m Message, lost error) {
	c, err := h.owner, lost
	if err == nil {
		err = &LateAnswerError{Question: question, Answer: m, Peer: c.peer()}
		if c.cfg.logger != nil {
			c.cfg.logger.Warn("late answer", "conn", c.id, "peer", c.peer(), "error", err)
		}
	}
	switch hook := c.cfg.hooks.OnMessageError; {
	case hook != nil: // the handler may be waiting for what comes next
		c.goroutines++
		go func() {
			hookErr := c.hook(func() error { hook(c, err); return nil })
			c.counted(func() {
				c.lock()
				if hookErr != nil {
					c.s.BeginClose(hookErr)
				}
				c.goroutineDone()
			})
		}()
	case c.cfg.handler == nil:
		c.s.Unread(session.Received{Msg: m, Err: err, Kind: session.ReceivedLate})
	}
}
