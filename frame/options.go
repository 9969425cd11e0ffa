package frame

import (
	"fmt"
	"math"
	"strings"
)

// Size is the form of the size in front of a message.
type Size uint8

const (
	NoSize Size = iota
	U8          // one byte
	U16BE       // two bytes, the most significant first
	U16LE       // two bytes, the least significant first
	U32BE       // four bytes
	U32LE
	U64BE // eight bytes
	U64LE
	Varint // protobuf's unsigned one: seven bits a byte, the least significant first, at most ten bytes
)

var sizeNames = [...]string{"", "u8", "u16be", "u16le", "u32be", "u32le", "u64be", "u64le", "varint"}

// String returns the form's name as it stands in a URL.
func (s Size) String() string { return nameOf(sizeNames[:], s) }

// UnmarshalText reads the name of a form, such as "u16be".
func (s *Size) UnmarshalText(text []byte) error { return parse(sizeNames[:], s, string(text), "size") }

// bytes returns how many bytes the form takes on the wire; of a varint the
// fewest.
func (s Size) bytes() int {
	switch s {
	case U8, Varint:
		return 1
	case U16BE, U16LE:
		return 2
	case U32BE, U32LE:
		return 4
	case U64BE, U64LE:
		return 8
	}
	return 0
}

// largest returns the largest size of this form that parley reads and writes.
func (s Size) largest() int64 {
	switch s {
	case U8:
		return math.MaxUint8
	case U16BE, U16LE:
		return math.MaxUint16
	case U32BE, U32LE:
		return math.MaxUint32
	}
	return math.MaxInt64
}

// Over says what a check is computed over.
type Over uint8

const (
	OverAll     Over = iota // the frame from its first byte up to the check
	OverPayload             // what stands behind the head, up to the check
)

var overNames = [...]string{"all", "payload"}

// String returns "all" or "payload".
func (o Over) String() string { return nameOf(overNames[:], o) }

// UnmarshalText reads "all" or "payload".
func (o *Over) UnmarshalText(text []byte) error { return parse(overNames[:], o, string(text), "over") }

// Marks says between which bytes a message stands, for messages without a size.
type Marks uint8

const (
	NoMarks Marks = iota
	// SLIP is RFC 1055: C0 ends a frame, and begins those that are sent; in it
	// C0 is DB DC and DB is DB DD. Empty frames are no messages.
	SLIP
	// COBS is consistent overhead byte stuffing, with a 00 behind the frame.
	// Zeros between frames are no messages.
	COBS
	// STX begins a frame with 02 and ends it with 03; in it 02, 03 and 10 have
	// a 10 (DLE) in front.
	STX
)

var markNames = [...]string{"", "slip", "cobs", "stx"}

// String returns the name as it stands in a URL.
func (m Marks) String() string { return nameOf(markNames[:], m) }

// UnmarshalText reads "slip", "cobs" or "stx".
func (m *Marks) UnmarshalText(text []byte) error {
	return parse(markNames[:], m, string(text), "marks")
}

func nameOf[T ~uint8](names []string, v T) string {
	if int(v) < len(names) {
		return names[v]
	}
	return fmt.Sprintf("unknown (%d)", v)
}

func parse[T ~uint8](names []string, v *T, text, what string) error {
	var known []string
	for i, name := range names {
		if name == "" {
			continue
		}
		if name == text {
			*v = T(i)
			return nil
		}
		known = append(known, name)
	}
	return fmt.Errorf("there is no %s %q: use %s", what, text, strings.Join(known, ", "))
}
