package parley

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/parley-net/parley/internal/session"
	"github.com/parley-net/parley/wire"
)

// The errors of the wire contract; find them with errors.As. Each has the fields
//
//	Protocol string // the wire's name
//	Peer     string // the peer's address
//	Offset   int64  // where, in bytes from the start of the peer's stream
//	Rule     string // what is wrong and what to do about it
type (
	// ProtocolError says that the peer broke the rules of the wire: the connection
	// has ended. Its field Err is the cause, or nil, and its method Unwrap returns
	// that; Error names all of them.
	ProtocolError = wire.ProtocolError
	// MessageError says that one message was lost: the connection lives. Its field
	// Err is the cause, or nil, and its method Unwrap returns that; Error names all
	// of them.
	MessageError = wire.MessageError
	// RefusedError says that the peer refused the connection or a message. Its field
	// Code is the peer's code, -1 if it gave none; Error names all of them.
	RefusedError = wire.RefusedError
)

// The caller's mistakes: nothing was sent and the connection is unharmed.
var (
	// ErrTooLarge: the message exceeds what the wire or the configured limit allows.
	ErrTooLarge = wire.ErrTooLarge
	// ErrNotRepresentable: this wire has no form for this message that arrives as
	// the same value.
	ErrNotRepresentable = wire.ErrNotRepresentable
	// ErrUnsolicited: a server of this wire (oneline) may speak only in answer to a
	// message.
	ErrUnsolicited = wire.ErrUnsolicited
	// ErrNoConfirmation: this wire has no confirmations, so Confirm can't
	// keep its promise. Use Send.
	ErrNoConfirmation error = session.NotSent(errors.New("parley: this wire has no confirmations; use Send"))
	// ErrNoPlugins: plugins turn messages into arbitrary bytes, which this
	// wire does not carry unchanged.
	ErrNoPlugins = errors.New("parley: this wire does not carry arbitrary bytes, so plugins can't be used on it")
)

// What a connection, a server or a client that has ended returns.
var (
	// ErrClosed: this side closed the connection.
	ErrClosed = session.ErrClosed
	// ErrPeerClosed: the peer ended the conversation properly.
	ErrPeerClosed = session.ErrPeerClosed
	// ErrServerClosed is what Serve and Accept return after Shutdown or
	// Close, and why the server's connections ended.
	ErrServerClosed = session.ErrServerClosed
	// ErrClientClosed: Close was called on the Client.
	ErrClientClosed = errors.New("parley: client closed")
	// ErrOutOfStep: two Calls have given up, and nobody can tell any more which
	// answer belongs to which question.
	ErrOutOfStep = session.ErrOutOfStep
	// ErrSlowConsumer: the peer did not take our bytes in time.
	ErrSlowConsumer = session.ErrSlowConsumer
	// ErrFull: the server has as many connections as it may, or what they hold has
	// come to the limit of its memory.
	ErrFull = errors.New("parley: the server is full")
)

// errNoPlace is why a connection is refused.
var errNoPlace = fmt.Errorf("%w: it has as many connections as it may", ErrFull)

// What is wrong with a Server, Dialer or Client before it can start.
var (
	ErrNoProtocol = errors.New("parley: no Protocol given")
	ErrNoAddress  = errors.New("parley: no address given")
	// ErrTooManyClients: the wire serves fewer clients at a time than
	// Server.MaxConns says. Leave that at zero, or lower it.
	ErrTooManyClients = errors.New("parley: more connections than this wire serves at a time")
	ErrNoHandler      = errors.New("parley: no Handler given; set Handler, or Pull to use Accept")
)

// TimeoutError says which wait has ended without success. It matches
// os.ErrDeadlineExceeded and context.DeadlineExceeded.
type TimeoutError struct {
	Peer string // the peer's address
	Wait string // what was waited for, and for how long
}

// Error names the peer and the wait.
func (e *TimeoutError) Error() string {
	return fmt.Sprintf("parley: peer %s: timeout: %s", e.Peer, e.Wait)
}

// Timeout is true; it makes TimeoutError a net.Error.
func (e *TimeoutError) Timeout() bool { return true }

// Temporary is false; it makes TimeoutError a net.Error.
func (e *TimeoutError) Temporary() bool { return false }

// Unwrap returns the two errors that a timeout is known by.
func (e *TimeoutError) Unwrap() []error {
	return []error{os.ErrDeadlineExceeded, context.DeadlineExceeded}
}

// goesOn reports whether err is about one message, behind which Receive goes on.
func goesOn(err error) bool {
	return errors.As(err, new(*MessageError)) || errors.As(err, new(*LateAnswerError))
}

// ConnError says that the network ended the connection: a reset, a broken
// pipe, an unreachable host.
type ConnError struct {
	Peer   string // the peer's address
	Offset int64  // how many bytes of the peer had arrived
	Err    error
}

// Error names the peer, the byte and the cause.
func (e *ConnError) Error() string {
	return fmt.Sprintf("parley: connection with %s lost at byte %d: %v", e.Peer, e.Offset, e.Err)
}

// Unwrap returns the cause.
func (e *ConnError) Unwrap() error { return e.Err }

// connError is why the connection of s ends if the network has ended it.
func connError(s *session.Session, err error) *ConnError {
	return &ConnError{Peer: s.Peer(), Offset: s.Offset(), Err: err}
}

// ErrNotSent is what an error of Send, Confirm, Call or SendStream matches, with
// errors.Is, if the message has certainly not reached the peer's program: it may be
// sent again, on this connection or another one. An error that does not match means
// that the peer may have received it, and may have done what it says.
var ErrNotSent = session.ErrNotSent

// isCallers reports whether err is the caller's mistake: it would be the same on
// every connection of the wire. (A connection may have ended because of a message of
// the peer that was too large.)
func isCallers(err error) bool {
	return !session.SendElsewhere(err) && (errors.Is(err, ErrTooLarge) || errors.Is(err, ErrNotRepresentable))
}
