package wire

import "io"

// Simple is what most machines have in common, to be embedded: a wire without a
// handshake, whose peers owe each other nothing, and whose messages come whole. A
// machine with it writes Receive and Send:
//
//	type machine struct{ wire.Simple }
//
//	func (m *machine) Receive(p []byte, ev *wire.Event) (int, error) {
//		if m.Begin(ev) {
//			return 0, nil // the conversation is open
//		}
//		i := bytes.IndexByte(p, 0)
//		if i < 0 {
//			return 0, nil // not whole yet: p will come again, with more
//		}
//		ev.SetBytes(p[:i])
//		return m.Took(i + 1), nil
//	}
//
// A machine that needs more than that defines the method itself, as any method of
// its own comes before an embedded one. What Machine gains in a later version Simple
// will have: a machine with it goes on compiling.
type Simple struct {
	Protocol string // the wire's name, for errors
	Offset   int64  // how many bytes of the peer Receive has consumed; see Took

	begun bool
}

// Begin is called first in Receive. It sets ev to EventNone with nothing owed, or, in
// the first call of a connection, to EventOpen: then it returns true, and so does
// Receive, with 0 bytes.
func (s *Simple) Begin(ev *Event) bool {
	ev.Kind, ev.Owes = EventNone, false
	if s.begun {
		return false
	}
	s.begun = true
	ev.Kind = EventOpen
	return true
}

// Took counts n bytes that Receive consumes, and returns n.
func (s *Simple) Took(n int) int {
	s.Offset += int64(n)
	return n
}

// Broken returns the error of a peer that has broken the rules at the first byte that
// is not consumed. It ends the conversation.
func (s *Simple) Broken(rule string) error {
	return &ProtocolError{Protocol: s.Protocol, Offset: s.Offset, Rule: rule}
}

// Lose makes ev an EventLost: the message that begins at the first byte that is not
// consumed is lost, and the conversation goes on behind it. err is the cause, or nil.
func (s *Simple) Lose(ev *Event, rule string, err error) {
	ev.Kind, ev.Err = EventLost, &MessageError{Protocol: s.Protocol, Offset: s.Offset, Rule: rule, Err: err}
}

// ReceiveEOF is for wires whose streams end between messages: if there is a rest, a
// message was cut off.
func (s *Simple) ReceiveEOF(rest []byte, ev *Event) error {
	ev.Kind, ev.Owes = EventNone, false
	if len(rest) == 0 {
		return nil
	}
	return &ProtocolError{
		Protocol: s.Protocol, Offset: s.Offset + int64(len(rest)),
		Rule: "the stream ends inside a message", Err: io.ErrUnexpectedEOF,
	}
}

// Accept does nothing: no message is offered.
func (*Simple) Accept() {}

// Refuse returns reason, which ends the conversation.
func (*Simple) Refuse(reason error) error { return reason }

// SendHead returns ErrNotRepresentable: no message is sent as a stream.
func (*Simple) SendHead(dst []byte, _ int64) ([]byte, Sent, error) {
	return dst, Sent{}, ErrNotRepresentable
}

// BodySent does nothing: what Send appends is all.
func (*Simple) BodySent() {}

// Output appends nothing: nothing is owed.
func (*Simple) Output(dst []byte) []byte { return dst }

// Awaiting returns 0: the peer owes nothing either.
func (*Simple) Awaiting() int { return 0 }

// Close appends nothing: there is no farewell.
func (*Simple) Close(dst []byte) []byte { return dst }
