package wire

import (
	"errors"
	"fmt"
)

// The caller's mistakes: the message was not sent, the conversation goes on.
var (
	// ErrTooLarge: the message exceeds what the wire or the configured limit
	// allows.
	ErrTooLarge = errors.New("parley: message too large")
	// ErrNotRepresentable: this wire has no form for this message that
	// arrives as the same value.
	ErrNotRepresentable = errors.New("parley: message not representable in this protocol")
	// ErrUnsolicited: a server of this wire may speak only in answer to a
	// message.
	ErrUnsolicited = errors.New("parley: nothing to answer: in this protocol a server speaks only in answer")
	// ErrLeft: the farewell has been said, nothing can be sent any more.
	ErrLeft = errors.New("parley: the farewell has been said on this connection")
)

// ProtocolError says that the peer broke the rules of the wire. The
// conversation is over.
type ProtocolError struct {
	Protocol string // the wire's name
	Peer     string // the peer's address, filled in by the runtime
	Offset   int64  // where, in bytes from the start of the peer's stream
	Rule     string // what is wrong and what to do about it
	Err      error  // the cause, or nil
}

// Error names the wire, the peer, the byte and the rule.
func (e *ProtocolError) Error() string {
	return describe("protocol error", e.Protocol, e.Peer, e.Offset, e.Rule, e.Err)
}

// Unwrap returns the cause.
func (e *ProtocolError) Unwrap() error { return e.Err }

// MessageError says that one message was lost. The connection lives.
type MessageError struct {
	Protocol string // the wire's name
	Peer     string // the peer's address, filled in by the runtime
	Offset   int64  // where the message began, in bytes from the start of the peer's stream
	Rule     string // what is wrong and what to do about it
	Err      error  // the cause, or nil
}

// Error names the wire, the peer, the byte and the rule.
func (e *MessageError) Error() string {
	return describe("message lost", e.Protocol, e.Peer, e.Offset, e.Rule, e.Err)
}

// Unwrap returns the cause.
func (e *MessageError) Unwrap() error { return e.Err }

// RefusedError says that the peer refused the connection or a message, with
// its code if the wire has one.
type RefusedError struct {
	Protocol string // the wire's name
	Peer     string // the peer's address, filled in by the runtime
	Offset   int64  // where, in bytes from the start of the peer's stream
	Code     int    // the peer's code, -1 if it gave none
	Rule     string // what the code means and what to do about it
}

// Error names the wire, the peer, the byte, the code and its meaning.
func (e *RefusedError) Error() string {
	s := describe("refused", e.Protocol, e.Peer, e.Offset, e.Rule, nil)
	if e.Code >= 0 {
		s += fmt.Sprintf(" (code %02X)", e.Code)
	}
	return s
}

func describe(what, protocol, peer string, offset int64, rule string, cause error) string {
	s := "parley: " + protocol + " " + what
	if peer != "" {
		s += ", peer " + peer
	}
	s += fmt.Sprintf(", at byte %d: %s", offset, rule)
	if cause != nil {
		s += ": " + cause.Error()
	}
	return s
}
