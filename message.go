package parley

import (
	"math/big"

	"github.com/parley-net/parley/wire"
)

// The vocabulary of the wire contract, so that a program imports package
// parley and its protocol only.
type (
	// Message is one message: a typed value, small, passed by value. The zero
	// Message is an empty byte string. It is made by [Text], [Bytes], [Int],
	// [BigInt], [Float] and [Object]; these are its methods ([wire.Message] has the
	// whole of their documentation):
	//
	//	Type() Type                       // which of the types the value has
	//	Text() string                     // as text, whatever the type: numbers as Python prints them
	//	Bytes() []byte                    // of bytes or text: as it came, borrowed; don't modify it
	//	Len() int                         // of bytes or text: how many bytes
	//	Int() int64                       // of an int, or 0; see Int64 and BigInt for large ones
	//	Int64() (i int64, ok bool)        // of an int that has 64 bits
	//	BigInt() *big.Int                 // of an int of any size, or nil
	//	Float() float64                   // of a float, or 0
	//	Object() any                      // of an object (a pickle), or nil
	//	Clone() Message                   // a copy that owns its bytes: to keep what was borrowed
	//	String() string                   // for logs: type and value, cut to 64 bytes
	//	AppendText(dst []byte) []byte     // Text without an allocation
	//	Plain() (b []byte, ok bool)       // the bytes of Text, if no conversion is needed
	//	Confirm() bool                    // the sender wants a confirmation
	//	WithConfirm() Message             // asks for one, where the wire lets the sender choose
	//	Tag() uint32                      // what the wire keeps beside the value: serpy.Mode reads it
	//	WithTag(tag uint32) Message       // for wires
	//	WithASCII() Message               // for wires: Text leaves out bytes 80..FF
	//	WithBytes(b []byte) Message       // the same message with another payload
	//	AsBytes(b []byte) Message         // likewise, of type bytes
	Message = wire.Message
	// Type is the type of a message's value:
	//
	//	String() string // its name
	Type = wire.Type
	// Protocol is a wire with its options: oneline.Protocol{}, tinyproto.Protocol{},
	// serpy.Protocol{}, serpy2.Protocol{}, a line.Protocol, a frame.Protocol, or your
	// own (docs/write-your-own-wire.md; [wire.Simple] is half of it):
	//
	//	Name() string                                        // as in a URL
	//	Traits() wire.Traits                                 // what is particular to it
	//	New(role wire.Role, limits wire.Limits) wire.Machine // for one connection
	Protocol = wire.Protocol
	// Plugin transforms whole messages on wires that carry any bytes (tinyproto,
	// frame): see packages plugin/checksum, plugin/seal and plugin/zstd. Both peers need
	// the same ones in the same order. [wiretest.PluginConformance] tests your own:
	//
	//	Name() string                                               // for errors
	//	New(role wire.Role, maxMessage int64) wire.Transform        // for one connection
	//
	// [wiretest.PluginConformance]: https://pkg.go.dev/github.com/parley-net/parley/wire/wiretest#PluginConformance
	Plugin = wire.Plugin
)

// The types of a message's value.
const (
	TypeBytes  = wire.TypeBytes  // a byte string
	TypeText   = wire.TypeText   // text, UTF-8 in memory
	TypeInt    = wire.TypeInt    // an integer of any size
	TypeFloat  = wire.TypeFloat  // an IEEE 754 double
	TypeObject = wire.TypeObject // a value out of a pickle
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
