package parley

import (
	"errors"

	"github.com/parley-net/parley/internal/session"
)

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
