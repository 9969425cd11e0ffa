package serpy2

import (
	"math"

	"github.com/parley-net/parley/wire"
)

const name = "serpy2"

// Protocol is the serpy2 protocol. It has no options.
type Protocol struct{}

// Name returns "serpy2".
func (Protocol) Name() string { return name }

// Traits returns what is particular to serpy2: four types of message, each
// with its size in front, up to 4 GiB less one byte. The checksum stands in
// front of the payload, so a message can be received as a stream but not sent
// as one.
func (Protocol) Traits() wire.Traits {
	return wire.Traits{
		Settles:    true,
		Sized:      true,
		Types:      wire.Types(wire.TypeBytes, wire.TypeText, wire.TypeInt, wire.TypeFloat),
		MaxMessage: math.MaxUint32,
	}
}

// New returns the machine for one connection. Both roles speak alike.
func (p Protocol) New(_ wire.Role, limits wire.Limits) wire.Machine {
	return &machine{limit: uint32(limits.Message(p.Traits()))}
}
