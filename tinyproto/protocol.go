package tinyproto

import "github.com/parley-net/parley/wire"

const name = "tinyproto"

// EagerLimit is the largest payload in bytes that follows its header without
// waiting for the peer's OK. It is fixed: the peers of a collision have to
// agree on it.
const EagerLimit = 64 << 10

// maxMessage is the largest payload in bytes the protocol can carry. The first
// byte of a larger size could be a status.
const maxMessage = 0xF0FFFFFF

// Eager says when a payload leaves. The two sides of a connection need not
// agree on it.
type Eager uint8

const (
	// Auto sends a payload of up to EagerLimit bytes directly behind its
	// header, a larger one after the peer's OK.
	Auto Eager = iota
	// Never sends every payload after the peer's OK, as the original does.
	Never
)

// Protocol is the tinyproto protocol. Its zero value is ready for use.
type Protocol struct {
	// Eager says when payloads leave, Auto by default.
	Eager Eager
	// Turns: the peer may be an original, which does not survive that our message
	// meets its own. So the next one leaves when the last one is confirmed and its
	// answer has come, or nothing has arrived for a while (parley.Timeouts.Turn).
	// Payloads wait for their OK then, whatever Eager says: an original's system
	// holds the answer back until we have acknowledged the OK, which our payload
	// does at once. Between two parley peers all that only costs time.
	Turns bool
}

// Name returns "tinyproto".
func (Protocol) Name() string { return name }

// Traits returns what is particular to tinyproto: messages of up to F0FFFFFF
// bytes, each confirmed. Bytes and text can be sent; both arrive as bytes. A
// connection beyond a server's limit gets FE in place of the hello.
func (p Protocol) Traits() wire.Traits {
	return wire.Traits{
		TakesTurns:   p.Turns,
		Confirms:     true,
		Sized:        true,
		SendsStreams: true,
		Opaque:       true,
		Refusal:      []byte{statusLimit},
		Types:        wire.Types(wire.TypeBytes),
		MaxMessage:   maxMessage,
	}
}

// ExplainSilence names the collision, which an original does not survive.
func (p Protocol) ExplainSilence() string {
	const collision = "an original tinyproto peer ends so when its message has met one of ours, a collision"
	if p.Turns {
		return collision + ", which turns make rare and can't exclude"
	}
	return collision + ": take turns with it (Protocol.Turns, ?turns=on)"
}

// New returns the machine for one connection. Both roles speak alike.
func (p Protocol) New(_ wire.Role, limits wire.Limits) wire.Machine {
	if p.Turns {
		p.Eager = Never
	}
	return &machine{
		eager:   p.Eager,
		largest: uint32(limits.Message(p.Traits())),
		owed:    1, // the hello is an OK that answers nothing
	}
}
