package parley

import (
	"context"
	"errors"
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
	w := c.newWaiter()
	c.s.Ready().Push(w)
	c.ensureReader()
	c.nudge()
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
