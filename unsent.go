package parley

import (
	"errors"

	"github.com/parley-net/parley/internal/session"
)

// ErrNotSent is what an error of Send, Confirm, Call or SendStream matches, with
// errors.Is, if the message has certainly not reached the peer's program: it may be
// sent again, on this connection or another one. An error that does not match means
// that the peer may have received it, and may have done what it says.
var ErrNotSent = errors.New("parley: the message was not sent")

// notSentError is an error of a message that was not sent.
type notSentError struct {
	error
	elsewhere bool // the connection is the reason: on another one it may be sent
}

// Unwrap returns what errors.Is looks for.
func (e *notSentError) Unwrap() []error { return []error{ErrNotSent, e.error} }

// notSent returns err as that of a message that was not sent.
func notSent(err error) error {
	if err == nil || errors.Is(err, ErrNotSent) {
		return err
	}
	return &notSentError{error: err}
}

// sendElsewhere reports whether the message was not sent because its connection had
// ended.
func sendElsewhere(err error) bool {
	var e *notSentError
	return errors.As(err, &e) && e.elsewhere
}

// isCallers reports whether err is the caller's mistake: it would be the same on
// every connection of the wire. (A connection may have ended because of a message of
// the peer that was too large.)
func isCallers(err error) bool {
	return !sendElsewhere(err) && (errors.Is(err, ErrTooLarge) || errors.Is(err, ErrNotRepresentable))
}

// unsentSince returns err, why the connection can't send any more, as that of a
// message that begins behind the given number of bytes of output.
func (c *Conn) unsentSince(from uint64, err error) error {
	gone := c.s.Out().Gone()
	if c.s.Out().Writer() == session.WriterBusy { // of what is being written nobody knows yet
		gone += uint64(len(c.s.Out().Current().Bytes))
	}
	if err == nil || gone > from || c.s.Life().Failure() == nil {
		return err
	}
	return &notSentError{err, true}
}
