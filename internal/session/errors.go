package session

import (
	"errors"
	"fmt"

	"github.com/parley-net/parley/wire"
)

// Why a connection ends, or takes no message. Package parley says what they mean.
var (
	ErrClosed       = errors.New("parley: connection closed")
	ErrPeerClosed   = errors.New("parley: the peer closed the connection")
	ErrServerClosed = errors.New("parley: server closed")
	ErrOutOfStep    = errors.New("parley: questions and answers are out of step")
	ErrSlowConsumer = errors.New("parley: the peer reads too slowly")
	ErrNotSent      = errors.New("parley: the message was not sent")

	// errOursEnded is why nothing can be sent behind EndOurs.
	errOursEnded = fmt.Errorf("%w for sending, by CloseWrite", ErrClosed)
)

// notSentError is an error of a message that was not sent.
type notSentError struct{ error }

// Unwrap returns what errors.Is looks for.
func (e *notSentError) Unwrap() []error { return []error{ErrNotSent, e.error} }

// NotSent returns err as that of a message that was not sent.
func NotSent(err error) error {
	if err == nil || errors.Is(err, ErrNotSent) {
		return err
	}
	return &notSentError{err}
}

// NotSentHere returns err, why a connection takes no message, as that of one which
// another connection may take.
func NotSentHere(err error) error { return &notSentHere{notSentError{err}} }

// notSentHere is one whose connection is the reason: on another one it may be sent.
type notSentHere struct{ notSentError }

// SendElsewhere reports whether the message was not sent because its connection had
// ended.
func SendElsewhere(err error) bool { return errors.As(err, new(*notSentHere)) }

// Named returns err with the peer's address in it. A machine that has given up returns
// the same error again, when the program has it already: then it is not touched.
func (s *Session) Named(err error) error {
	var at *string
	switch e := err.(type) {
	case *wire.ProtocolError:
		at = &e.Peer
	case *wire.MessageError:
		at = &e.Peer
	case *wire.RefusedError:
		at = &e.Peer
	}
	if at != nil && *at == "" {
		*at = s.host.Peer()
	}
	return err
}
