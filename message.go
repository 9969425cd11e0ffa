package parley

import (
	"math/big"

	"github.com/parley-net/parley/wire"
)

// The vocabulary of the wire contract, so that a program imports package
// parley and its protocol only.
type (
	// Message is one message: a typed value. See [wire.Message].
	Message = wire.Message
	// Type is the type of a message's value.
	Type = wire.Type
	// Protocol is one of the wires: oneline.Protocol{}, tinyproto.Protocol{},
	// serpy.Protocol{}, serpy2.Protocol{}, a line.Protocol or a frame.Protocol.
	Protocol = wire.Protocol
	// Plugin transforms whole messages on wires that carry any bytes.
	Plugin = wire.Plugin
)

// The types of a message's value.
const (
	TypeBytes  = wire.TypeBytes
	TypeText   = wire.TypeText
	TypeInt    = wire.TypeInt
	TypeFloat  = wire.TypeFloat
	TypeObject = wire.TypeObject
)

// Text returns a message with the text s.
func Text(s string) Message { return wire.Text(s) }

// Bytes returns a message with the byte string b, which must not change until
// the message has been sent.
func Bytes(b []byte) Message { return wire.Bytes(b) }

// Int returns a message with the integer i.
func Int(i int64) Message { return wire.Int(i) }

// BigInt returns a message with an integer of any size.
func BigInt(i *big.Int) Message { return wire.BigInt(i) }

// Float returns a message with the number f.
func Float(f float64) Message { return wire.Float(f) }

// Object returns a message with a value that travels as a pickle, on serpy.
func Object(v any) Message { return wire.Object(v) }
