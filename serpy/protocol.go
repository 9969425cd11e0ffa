// Package serpy speaks the protocol of the Python package serpy: messages of text,
// bytes or pickled objects in blocks, each ended by the byte 1F, in one of six
// modes.
//
// # Modes
//
//	mode  a block is                acknowledged  arrives as
//	0     the message               no            Bytes
//	1     the message and 04        yes           Bytes
//	2     its base85                no            Bytes
//	3     its base85 and 04         yes           Bytes
//	4     base85 of its pickle      no            what was pickled
//	5     the same and 04           yes           what was pickled
//
// Each direction has a mode of its own, 0 at first, and changes it with a
// command, behind which the data follows at once. [WithMode]
// chooses the mode of one message, Protocol.Mode that of all others. A received
// message tells its mode.
//
// # What travels how
//
// As in the original, a message whose mode does not fit its type changes the
// mode, and keeps whether it is acknowledged:
//
//   - Text, ints and floats go in any mode, as text in the connection's
//     Encoding. In modes 4 and 5 it is the bytes of that text that are pickled.
//   - Bytes go in mode 2 or 3.
//   - Any other object goes in mode 4 or 5.
//
// A message that wants a confirmation goes in the acknowledged one of two
// modes: 1 for 0, 3 for 2, 5 for 4.
//
// Unlike the original this package never sends what would arrive as something
// else. Text that would be cut or taken for a command (it contains 1F, or 04
// in mode 1, or begins with 01) goes in mode 2 or 3. An empty message has no
// form in modes 0 and 2, where the original drops it; it goes in mode 3 and is
// acknowledged, whether that was asked for or not.
//
// # What arrives
//
// Modes 0 to 3 deliver Bytes: the protocol does not say whether they were text.
// Message.Text takes them for UTF-8; [Encoding.Decode] reads others. Modes 4
// and 5 deliver what was pickled: bytes as Bytes, str as Text, int as Int,
// float as Float, and everything else, bool and None too, as an Object; package
// serpy/pickle lists the Go types. Pickles are data: nothing is ever executed.
//
// A block that begins with 01 but is no command loses the 01. In mode 0 the
// rest is delivered as Text, decoded with the Encoding; both as the original
// does. In mode 1, where the original's receiver dies, the 01 stays: it is
// what the sender said.
//
// A message in mode 1, 3 or 5 may span several blocks: what stands between
// them, commands included, is not part of it, and the mode in which it ends
// tells how to read it. It is lost when data in an unacknowledged mode comes
// first.
//
// A message that can't be delivered (bad base85, a bad pickle, too large) is
// reported as a *wire.MessageError and not acknowledged; the connection lives.
//
// docs/protocol/serpy.md has the protocol byte for byte, with every quirk of the original.
package serpy

import (
	"math"

	"github.com/parley-net/parley/serpy/pickle"
	"github.com/parley-net/parley/wire"
)

// maxMessage is the largest payload in bytes. The protocol has no limit of its own.
const maxMessage = 1 << 32

// Protocol is the serpy protocol. The zero value is ready to use and speaks like
// the original with its defaults.
type Protocol struct {
	// Mode, 0 to 5, is the mode of messages that have none of their own.
	Mode int

	// ForceMode keeps every message in its mode, except that a wish for a
	// confirmation still turns 0, 2 and 4 into 1, 3 and 5. A message that does
	// not fit its mode is refused with wire.ErrNotRepresentable. Bytes fit all
	// modes: in 0 and 1 they travel as they are, if they contain nothing that
	// has a meaning there, and in 4 and 5 they are taken for a pickle.
	//
	// It is what a relay needs, together with NoPickle: it hands every message
	// on in the mode in which it came. (The original's force_mode sends bytes
	// in mode 0 and 1 as base85, so that its relay garbles plain text.)
	ForceMode bool

	// Encoding is the encoding of text, ASCII by default. Both sides should
	// use the same.
	Encoding Encoding

	// NoPickle delivers messages of modes 4 and 5 as Bytes, the pickle itself.
	// It is the original's allow_unpickle=False.
	NoPickle bool

	// PickleProtocol is the pickle protocol of messages sent in modes 4 and 5:
	// 2, 4 or 5. 0 is 5, as in the original. All protocols are read.
	PickleProtocol int

	// PickleLimits bounds received pickles. The zero value is safe.
	PickleLimits pickle.Limits
}

var _ wire.Protocol = Protocol{}

const name = "serpy"

// Name returns "serpy".
func (Protocol) Name() string { return name }

// Traits tells what is particular to serpy. Bytes and Objects arrive as
// themselves; Text, ints and floats can be sent and arrive as the Bytes of
// their text. With ForceMode not all bytes fit, so plugins can't be used.
func (p Protocol) Traits() wire.Traits {
	return wire.Traits{
		Confirms:   true,
		Opaque:     !p.ForceMode,
		Types:      wire.Types(wire.TypeBytes, wire.TypeObject),
		MaxMessage: maxMessage,
	}
}

// New returns the machine for one connection. Both roles behave alike.
//
// limits bounds the payload: the bytes of a message before base85, the pickle
// in modes 4 and 5. A message is consumed only when its end has come, so the
// driver holds what there is of it: up to the limit, in base85 a quarter more,
// and once more as much only for a block that begins with 01 inside a message.
// What exceeds it is thrown away as it comes.
func (p Protocol) New(_ wire.Role, limits wire.Limits) wire.Machine {
	m := &machine{
		mode: narrow(p.Mode), forceMode: p.ForceMode, encoding: p.Encoding,
		noPickle: p.NoPickle, pickleProtocol: narrow(p.PickleProtocol),
		limit: limits.Message(p.Traits()),
	}
	if m.pickleProtocol == 0 {
		m.pickleProtocol = 5
	}
	if limits := p.PickleLimits; limits != (pickle.Limits{}) {
		m.pickleLimits = &limits
	}
	return m
}

// narrow returns n, or the nearest int8: what is out of range stays so.
func narrow(n int) int8 { return int8(max(math.MinInt8, min(n, math.MaxInt8))) }
