package frame

import (
	"github.com/parley-net/parley/wire"
)

const (
	name       = "frame"
	defaultMax = 64 << 20
)

// Head, as a Strip, leaves out the whole head: magic, what stands before the
// size, and the size.
const Head = -1

// Protocol is the frame protocol with its options. Exactly one of Size, Fixed and Marks must be
// set; [Protocol.Validate] tells whether the fields make sense together.
type Protocol struct {
	// Size is the form of the size in front of each message.
	Size Size
	// Offset is where the size stands, in bytes from the frame's first one, the
	// magic included. 0 with a Magic is right behind it.
	Offset int
	// Adjust is added to the size that was read to have the number of bytes
	// behind it, the check included: -2 if a U16BE counts itself, the length of
	// the check if the size does not count it.
	Adjust int64
	// Strip is how many leading bytes of a frame are not part of the message.
	// With 0 the message is the whole frame, but for the check: on sending, its
	// size is filled in. With [Head] it is the payload: on sending, the bytes of
	// the head other than magic and size are zero. Any other value (the length
	// of the head means Head) is for receiving only. A varint counts as one
	// byte, however long it is.
	Strip int

	// Magic begins each frame. It is looked for again after damage.
	Magic string

	// Check ends each frame. It is not part of the message.
	Check Check
	// Over is what the check is computed over.
	Over Over

	// Fixed is the length of every frame in bytes, magic and check included.
	Fixed int

	// Marks says between which bytes a message stands.
	Marks Marks

	// Max is the largest payload in bytes, what stands behind the head and
	// before the check: in frames that are received and that are sent. 64 MiB if
	// it is zero.
	Max int64
}

var _ wire.Validator = Protocol{}

// Name returns "frame".
func (Protocol) Name() string { return name }

// Traits tells what is particular to these frames: bytes and text can be sent,
// both arrive as bytes; with a size in front, or a fixed one, a message can be
// received as a stream, and without a check it can be sent as one.
func (p Protocol) Traits() wire.Traits {
	sized := p.Marks == NoMarks
	return wire.Traits{
		Sized:        sized,
		SendsStreams: sized && p.Check == NoCheck && p.stripsHead(),
		Opaque:       p.Fixed == 0 && (!sized || p.stripsHead()),
		Types:        wire.Types(wire.TypeBytes),
		MaxMessage:   p.maxMessage(),
	}
}

// New returns the machine for one connection. Both roles speak alike. If the
// fields make no sense the machine ends the conversation with the error of
// Validate.
func (p Protocol) New(role wire.Role, limits wire.Limits) wire.Machine {
	if err := p.Validate(role); err != nil {
		return &machine{state: over, reason: err}
	}
	m := &machine{
		magic: p.Magic, adjust: p.Adjust, fixed: int64(p.Fixed), max: p.maxPayload(),
		limit: limits.Message(p.Traits()),
		size:  p.Size, marks: p.Marks, check: p.Check, over: p.Over,
	}
	if p.Marks == STX {
		m.magic = "\x02" // looked for between frames
	}
	m.offset = uint16(p.offset())
	m.strip = int16(p.Strip)
	if p.stripsHead() {
		m.strip = Head
	}
	return m
}

// offset returns where the size stands.
func (p Protocol) offset() int {
	if p.Offset == 0 {
		return len(p.Magic)
	}
	return p.Offset
}

// head returns the length of the head, a varint counted as one byte.
func (p Protocol) head() int {
	if p.Size == NoSize {
		return len(p.Magic)
	}
	return p.offset() + p.Size.bytes()
}

// stripsHead reports whether the message is the payload.
func (p Protocol) stripsHead() bool { return p.Strip == Head || p.Strip == p.head() }

// maxPayload returns the largest payload: what Max, the form of the size and
// the length of a frame allow.
func (p Protocol) maxPayload() int64 {
	most := p.Max
	if most == 0 {
		most = defaultMax
	}
	if fits := p.fits(); fits < most {
		most = fits
	}
	return max(most, 0)
}

// fits returns the largest payload for which the frame has room, whatever Max
// says.
func (p Protocol) fits() int64 {
	switch {
	case p.Fixed > 0:
		return int64(p.Fixed) - int64(p.head()) - int64(p.Check.bytes())
	case p.Size != NoSize && p.Size.largest() < maxMax:
		return p.Size.largest() + p.Adjust - int64(p.Check.bytes())
	}
	return maxMax
}

// maxMessage returns the length of the largest message.
func (p Protocol) maxMessage() int64 {
	if p.Marks != NoMarks || p.stripsHead() {
		return p.maxPayload()
	}
	most := p.maxPayload() + int64(p.head())
	if p.Size == Varint {
		most += maxVarint - 1
	}
	return most - int64(p.Strip)
}
