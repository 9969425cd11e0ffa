package parley

import (
	"context"
	"fmt"
)

// Incoming is what a Handler is given: a message, or one that comes as a stream.
type Incoming struct {
	Message Message // if Stream is nil
	Stream  *Stream // see StreamHandler
}

// Next gives what has come to the next Middleware, or to the Handler.
type Next func(ctx context.Context, c *Conn, in Incoming) error

// Middleware is code around a Handler: for logging, measuring, authorising, for
// values in ctx. It gives on what has come, or not, with next, which it may call with
// another ctx and another message; what it returns, and borrows, is as in Handler. It
// is called for messages and for streams, so that none passes it by.
type Middleware func(ctx context.Context, c *Conn, in Incoming, next Next) error

// Wrap returns a Handler with code around h: the first Middleware is the outermost.
// It is a StreamHandler if h is one. (A HandlerFunc that calls h is not: a message that
// h would have taken as a stream is refused then.) It does not allocate per message.
func Wrap(h Handler, around ...Middleware) Handler {
	if h == nil {
		return nil
	}
	streams, isStreams := h.(StreamHandler)
	next := Next(func(ctx context.Context, c *Conn, in Incoming) error {
		switch {
		case in.Stream == nil:
			return h.ServeMessage(ctx, c, in.Message)
		case isStreams:
			return streams.ServeStream(ctx, c, in.Stream)
		}
		return fmt.Errorf("parley: a Middleware has given a stream to a %T, which takes messages only", h)
	})
	for i := len(around) - 1; i >= 0; i-- {
		next = around[i].before(next)
	}
	if isStreams {
		return wrappedStreams{next}
	}
	return wrapped(next)
}

func (m Middleware) before(next Next) Next {
	return func(ctx context.Context, c *Conn, in Incoming) error { return m(ctx, c, in, next) }
}

// wrapped is a Handler with code around it.
type wrapped Next

// ServeMessage calls the first Middleware.
func (w wrapped) ServeMessage(ctx context.Context, c *Conn, m Message) error {
	return w(ctx, c, Incoming{Message: m})
}

// wrappedStreams is a StreamHandler with code around it.
type wrappedStreams struct{ first Next }

// ServeMessage calls the first Middleware.
func (w wrappedStreams) ServeMessage(ctx context.Context, c *Conn, m Message) error {
	return w.first(ctx, c, Incoming{Message: m})
}

// ServeStream calls the first Middleware.
func (w wrappedStreams) ServeStream(ctx context.Context, c *Conn, s *Stream) error {
	return w.first(ctx, c, Incoming{Stream: s})
}
