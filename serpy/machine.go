package serpy

import (
	"math"

	"github.com/parley-net/parley/serpy/b85"
	"github.com/parley-net/parley/serpy/pickle"
	"github.com/parley-net/parley/wire"
)

// The bytes with a meaning.
const (
	soh       = 0x01 // at the start of a block: a command
	eot       = 0x04 // ends a message in modes 1, 3 and 5
	separator = 0x1F // ends a block
)

// The commands, without the SOH.
const (
	setMode    = "SETMODE"  // what follows is in the mode that the last character says
	ackMode    = "ACKMODCG" // answers a setMode
	ackMessage = "ACKEOT!!" // answers a message in mode 1, 3 or 5
)

// acknowledged reports whether messages of a mode end with an EOT and are
// answered. Modes 6 to 9 do not exist, but a peer may set them.
func acknowledged(mode uint8) bool { return mode < 6 && mode&1 == 1 }

// machine implements wire.Machine. It stores no bytes of messages: what is
// unfinished stays with the driver.
type machine struct {
	encoding     Encoding       // the Protocol's
	pickleLimits *pickle.Limits // likewise; nil: its zero value, as almost always

	limit int64 // of a payload

	// The peer's stream. p is what Receive is given.
	offset int64              // bytes consumed before p
	start  int                // where in p the current block begins; before it, the blocks of an unfinished message
	seen   int                // p[start:seen] holds no separator
	lost   *wire.MessageError // why the message is thrown away that now comes, if one is

	// What both sides owe.
	owed        []byte // our answers, in order: 'M' is an ackMode, 'E' an ackMessage
	unconfirmed int32  // messages that the peer has not answered
	modesSet    int32  // setModes that the peer has not answered

	// What is small stands together, so that a connection at rest takes less.
	modesAhead int16 // of modesSet, those before any message that the peer has not answered
	in         uint8 // the peer's mode
	out        uint8 // our mode
	inside     bool  // p begins inside a block, where an SOH is data
	lostEnds   bool  // the EOT of the message that is thrown away has come
	opened     bool
	untold     bool // the last message asks for no acknowledgement
	left       bool // Close was called

	noPickle, forceMode  bool // of the Protocol
	mode, pickleProtocol int8 // of the Protocol, or others that are not valid either
}

// room returns how many bytes of a block, or of a message in several blocks, may
// wait for their end in the peer's mode: what the largest payload needs, an SOH
// and an EOT; but a command always has room.
func (m *machine) room() int64 {
	size := m.limit
	if m.in >= 2 {
		size = size/4*5 + int64(b85.EncodedLen(int(size%4))) // an int may not hold the whole
	}
	return max(size, 64) + 2
}

// Accept implements wire.Machine. No message is ever offered.
func (m *machine) Accept() {}

// Refuse implements wire.Machine. No message is ever offered.
func (m *machine) Refuse(error) error { return nil }

// Output implements wire.Machine.
func (m *machine) Output(dst []byte) []byte {
	for _, answer := range m.owed {
		if answer == 'M' {
			dst = appendCommand(dst, ackMode)
		} else {
			dst = appendCommand(dst, ackMessage)
		}
	}
	const keep = 4096 // a burst of messages must not cost memory for ever
	if m.owed = m.owed[:0]; cap(m.owed) > keep {
		m.owed = nil
	}
	return dst
}

func appendCommand(dst []byte, command string) []byte {
	dst = append(dst, soh)
	dst = append(dst, command...)
	return append(dst, separator)
}

// Awaiting implements wire.Machine. Message acknowledgements do not count:
// the conversation goes on without them.
func (m *machine) Awaiting() int { return int(m.modesSet) }

// setsMode notes that a setMode has been sent.
func (m *machine) setsMode() {
	m.modesSet++
	if m.unconfirmed == 0 {
		m.allAhead()
	}
}

// allAhead notes that no message stands before a setMode that awaits its answer.
func (m *machine) allAhead() { m.modesAhead = int16(min(m.modesSet, math.MaxInt16)) }

// AwaitingProgram implements wire.Deferrer. Blocks are handled in order, and an
// original whose program does not receive stops reading: a change of mode behind a
// message that has not been acknowledged waits for that.
func (m *machine) AwaitingProgram() int {
	if m.unconfirmed == 0 {
		return 0
	}
	return int(m.modesSet) - int(m.modesAhead)
}

// Close implements wire.Machine. The protocol has no farewell, but an original
// drops what it has not yet handled when the stream ends. Blocks are handled in
// order: the acknowledgement of a change of mode, even to the same one, says
// that everything before it has been taken.
func (m *machine) Close(dst []byte) []byte {
	m.left = true
	if !m.untold {
		return dst
	}
	m.untold = false
	m.setsMode()
	return m.appendSetMode(dst, m.out)
}
