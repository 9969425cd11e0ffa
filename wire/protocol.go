package wire

import "fmt"

// Role says which end of the connection a machine plays.
type Role uint8

const (
	Dialing   Role = iota // we connected to the peer
	Accepting             // the peer connected to us
)

// String returns "dialing" or "accepting".
func (r Role) String() string {
	if r == Accepting {
		return "accepting"
	}
	return "dialing"
}

// Peer returns the role of the other end.
func (r Role) Peer() Role { return r ^ 1 }

// Protocol is one wire with its options. A Protocol is a small value, safe for
// concurrent use, and may serve any number of connections.
type Protocol interface {
	// Name is the protocol's name as it stands in a URL: "oneline".
	Name() string
	// Traits tells what is particular to this wire.
	Traits() Traits
	// New returns the machine for one connection.
	New(role Role, limits Limits) Machine
}

// Describer is a Protocol that says in words what it keeps in Message.Tag.
type Describer interface {
	Protocol
	// DescribeTag says what a message's tag means, in a few words for a log
	// ("mode 3"), or "".
	DescribeTag(tag uint32) string
}

// Describe describes m, a message of p, for a log: its type and value, cut to 64
// bytes, and what its tag means.
func Describe(p Protocol, m Message) string {
	d, ok := p.(Describer)
	if !ok {
		return m.String()
	}
	s := m.WithTag(0).String()
	if words := d.DescribeTag(m.Tag()); words != "" {
		s += " " + words
	}
	return s
}

// Validator is a Protocol whose options may make no sense together, or in a role.
type Validator interface {
	Protocol
	// Validate says what is wrong with the options for a side in the given role,
	// and what to set instead, or returns nil. A driver asks before it begins.
	Validate(role Role) error
}

// Validate is p.Validate, if p is a Validator. Its error names the protocol.
func Validate(p Protocol, role Role) error {
	if v, ok := p.(Validator); ok {
		if err := v.Validate(role); err != nil {
			return fmt.Errorf("parley: %s: %w", p.Name(), err)
		}
	}
	return nil
}

// Explainer is a Protocol that knows what it may mean that a peer owes answers (see
// Machine.Awaiting) and does not give them.
type Explainer interface {
	Protocol
	// ExplainSilence says it in a few words, for an error.
	ExplainSilence() string
}

// ExplainSilence returns what p says about a peer that owes answers, or "".
func ExplainSilence(p Protocol) string {
	if e, ok := p.(Explainer); ok {
		return e.ExplainSilence()
	}
	return ""
}

// Limits bounds what a machine lets through.
type Limits struct {
	// MaxMessage is the largest payload in bytes that is delivered whole.
	// A larger message whose size is announced arrives as EventOffer, so that
	// it can be streamed or refused; a larger one of unknown size is refused
	// by the machine itself. Zero or less means Traits.MaxMessage.
	MaxMessage int64
}

// Message returns l.MaxMessage, bounded by the wire's own limit.
func (l Limits) Message(t Traits) int64 {
	if l.MaxMessage <= 0 || l.MaxMessage > t.MaxMessage {
		return t.MaxMessage
	}
	return l.MaxMessage
}

// Traits tells a driver what is particular to a wire.
type Traits struct {
	// Clients is how many connections a server serves at a time; the next client
	// waits, not yet accepted, until one of them leaves. 0: the wire sets no limit.
	Clients int
	// Lockstep: the accepting side speaks only in answer to a message, and its
	// answers stay in the order of the messages.
	Lockstep bool
	// TakesTurns: a peer may not survive that our message meets its own. The
	// driver, which has the clock, keeps the turns: the next message leaves when
	// the last one is confirmed and answered, or nothing has arrived for a while.
	TakesTurns bool
	// Confirms: the peer confirms messages; see EventConfirmed.
	Confirms bool
	// Sized: every message announces its size, so it can be received as a
	// stream, whatever its size, and refused before its body.
	Sized bool
	// SendsStreams: SendHead works, a message can be sent without having it
	// in memory.
	SendsStreams bool
	// Settles: an original peer drops what it has not yet handled when the
	// stream ends, and the wire can't tell when it has: after the last message
	// a driver gives it a moment before it closes.
	Settles bool
	// Opaque: any byte string travels unchanged, so plugins may transform it.
	Opaque bool
	// Refusal is what a server says to a connection beyond its limit before it
	// closes it; nil where the wire has no word for it.
	Refusal []byte
	// Types are the message types that arrive at the peer as themselves.
	Types TypeSet
	// MaxMessage is the largest payload in bytes the wire can carry.
	MaxMessage int64
}

// TypeSet is a set of message types.
type TypeSet uint8

// Types returns the set of the given types.
func Types(types ...Type) TypeSet {
	var s TypeSet
	for _, t := range types {
		s |= 1 << t
	}
	return s
}

// Has reports whether t is in the set.
func (s TypeSet) Has(t Type) bool { return s&(1<<t) != 0 }
