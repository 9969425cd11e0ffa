package parley

import (
	"context"
	"fmt"
)

// Handler answers messages. One connection's messages come one after the
// other; different connections call it concurrently.
//
// A message that the wire confirms is confirmed when its handler has taken it, however
// long that works (tinyproto: when the handler before it is done). While one runs and
// waits for nothing of the peer, what has come behind is neither confirmed nor granted,
// so to kill the process loses nothing of it; while it waits (Confirm, Call, Receive, a
// Send of much), that may be read, confirmed and queued. A peer gives up what is not
// confirmed for its own Timeouts.Answer, 30 s: longer work belongs to another goroutine.
//
// m's bytes are borrowed: they are valid until ServeMessage returns; m.Clone()
// can be kept. ServeMessage may Send any amount, Confirm, Call or Receive on c.
// ctx ends when the connection ends, and context.Cause(ctx) is the reason. An error ends the connection and reaches
// OnClose; so does a panic, and runtime.Goexit, which t.Fatal calls: either costs
// this connection only.
type Handler interface {
	ServeMessage(ctx context.Context, c *Conn, m Message) error
}

// HandlerFunc makes a Handler of a function.
type HandlerFunc func(ctx context.Context, c *Conn, m Message) error

// ServeMessage calls f.
func (f HandlerFunc) ServeMessage(ctx context.Context, c *Conn, m Message) error {
	return f(ctx, c, m)
}

// StreamHandler is a Handler that also takes messages larger than
// Limits.MaxMessage, as streams. Without it they are refused.
//
// s is valid until ServeStream returns; what has not been read of it then is
// skipped. While it runs nothing else is read from the connection.
type StreamHandler interface {
	Handler
	ServeStream(ctx context.Context, c *Conn, s *Stream) error
}

// Hooks are called at the turning points of a connection's life, on a Server and on a
// Dialer. Each may be nil. They run on parley's goroutines: one that takes long
// holds up its connection, one that panics or calls runtime.Goexit costs it.
type Hooks struct {
	// ConnContext may give values to the context of a connection, which is that of
	// its handler and of Conn.Context, by returning one that is made of ctx (as
	// http.Server.ConnContext does); any other one refuses the connection. It is
	// called just before OnOpen.
	ConnContext func(ctx context.Context, c *Conn) context.Context
	// OnOpen is called when a connection's handshake is done, before its first
	// message. An error refuses the connection and reaches OnClose.
	OnOpen func(ctx context.Context, c *Conn) error
	// OnBanner is called for each line with which the peer greets people before
	// the wire begins (see package line): what a terminal would show. line is
	// borrowed until OnBanner returns.
	OnBanner func(c *Conn, line []byte)
	// OnClose is called once for each connection that OnOpen saw, when it has
	// ended and its handler has returned. err says why: ErrPeerClosed,
	// ErrClosed, ErrServerClosed, the handler's error, a *ProtocolError …
	OnClose func(c *Conn, err error)
	// OnMessageError is called when a message is lost and the connection
	// lives; err is usually a *MessageError. A connection without a handler
	// returns it from Receive instead. A *LateAnswerError, on any connection,
	// carries a message that came for a Call that had given up; for that it may be
	// called while the handler runs.
	OnMessageError func(c *Conn, err error)
}

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
