package wire

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unsafe"
)

// Type is the type of a message's value.
type Type uint8

const (
	TypeBytes  Type = iota // a byte string
	TypeText               // text, UTF-8 in memory
	TypeInt                // an integer
	TypeFloat              // an IEEE 754 double
	TypeObject             // a value out of a pickle
)

var typeNames = [...]string{"bytes", "text", "int", "float", "object"}

// String returns the type's name.
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return "unknown"
}

// Message is one message: a typed value and what the wire says about it. It is
// small and passed by value. The zero Message is an empty byte string.
//
// A message made by Bytes or Text refers to what it was made from; it must not
// change until the message has been sent. Who owns the bytes of a received
// message is said where it is received; Clone makes a copy that can be kept.
type Message struct {
	// Four words, so that a message travels in registers.
	data *byte  // of bytes and text: the first one
	num  uint64 // of bytes and text: how many; of an int or float: its bits
	obj  *any   // an object, or an integer beyond 64 bits
	meta meta
}

// meta holds the type in its lowest byte, then serpy's mode plus one (0 is
// unset), then flags.
type meta uint32

const (
	modeShift          = 8
	modeMask      meta = 0xff << modeShift
	flagInvalid   meta = 1 << 16 // oneline: the line was not valid text
	flagASCIIOnly meta = 1 << 17 // oneline: Text drops the bytes 80..FF
	flagConfirm   meta = 1 << 18 // sender: a confirmation is wanted
	typeMask      meta = 0xff
)

// payload returns a message of the given type that refers to b.
func payload(t Type, b []byte) Message {
	return Message{data: unsafe.SliceData(b), num: uint64(len(b)), meta: meta(t)}
}

// Bytes returns a message with the byte string b, which it refers to.
func Bytes(b []byte) Message { return payload(TypeBytes, b) }

// Text returns a message with the text s.
func Text(s string) Message {
	return Message{data: unsafe.StringData(s), num: uint64(len(s)), meta: meta(TypeText)}
}

// TextBytes returns a text message with the UTF-8 text b, which it refers to.
func TextBytes(b []byte) Message { return payload(TypeText, b) }

// Int returns a message with the integer i.
func Int(i int64) Message { return Message{num: uint64(i), meta: meta(TypeInt)} }

// BigInt returns a message with an integer of any size.
func BigInt(i *big.Int) Message {
	if i.IsInt64() {
		return Int(i.Int64())
	}
	var v any = i
	return Message{obj: &v, meta: meta(TypeInt)}
}

// Float returns a message with the number f.
func Float(f float64) Message { return Message{num: math.Float64bits(f), meta: meta(TypeFloat)} }

// Object returns a message with a value that travels as a pickle; see package
// serpy/pickle for the Go types that stand for Python's.
func Object(v any) Message { return Message{obj: &v, meta: meta(TypeObject)} }

// Type returns the type of the message's value.
func (m Message) Type() Type { return Type(m.meta & typeMask) }

// Len returns the length of the payload of a bytes or text message in bytes.
func (m Message) Len() int {
	if m.meta&typeMask > meta(TypeText) {
		return 0
	}
	return int(m.num)
}

// Bytes returns the payload of a bytes or text message as it stands on the
// wire or was given by the sender, nil for other types. The slice must not be
// modified.
func (m Message) Bytes() []byte { return unsafe.Slice(m.data, m.Len()) }

// Plain returns what AppendText appends, without a copy, if that is the payload of
// a bytes or text message.
func (m Message) Plain() (b []byte, ok bool) {
	return unsafe.Slice(m.data, m.Len()), m.meta&(typeMask|flagInvalid) <= meta(TypeText)
}

// Text returns the message as text: that of a text message, the bytes of a
// bytes message, a number as Python's str() prints it. On a oneline server it
// is the line without the bytes 80..FF, unless the UTF8 option is set; Bytes
// has them.
func (m Message) Text() string { return string(m.AppendText(nil)) }

// AppendText appends m.Text() to dst.
func (m Message) AppendText(dst []byte) []byte {
	switch m.Type() {
	case TypeInt:
		if m.obj != nil {
			return m.BigInt().Append(dst, 10)
		}
		return strconv.AppendInt(dst, int64(m.num), 10)
	case TypeFloat:
		return appendFloat(dst, math.Float64frombits(m.num))
	case TypeObject:
		return fmt.Append(dst, m.Object())
	}
	if m.meta&(flagASCIIOnly|flagInvalid) != flagASCIIOnly|flagInvalid {
		return append(dst, m.Bytes()...)
	}
	for _, c := range m.Bytes() {
		if c < 0x80 {
			dst = append(dst, c)
		}
	}
	return dst
}

// appendFloat appends f as Python's repr() prints it.
func appendFloat(dst []byte, f float64) []byte {
	switch {
	case math.IsNaN(f):
		return append(dst, "nan"...)
	case math.IsInf(f, 1):
		return append(dst, "inf"...)
	case math.IsInf(f, -1):
		return append(dst, "-inf"...)
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.AppendFloat(dst, f, 'e', -1, 64)
	}
	n := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	if !slices.Contains(dst[n:], '.') {
		dst = append(dst, ".0"...)
	}
	return dst
}

// Int returns the value of an int message, or 0. An integer beyond 64 bits
// returns its low 64 bits; see BigInt.
func (m Message) Int() int64 {
	switch {
	case m.Type() != TypeInt:
		return 0
	case m.obj != nil:
		return m.BigInt().Int64()
	}
	return int64(m.num)
}

// Int64 returns the value of an int message, and whether it has one of 64 bits.
func (m Message) Int64() (i int64, ok bool) { return m.Int(), m.Type() == TypeInt && m.obj == nil }

// BigInt returns the value of an int message of any size, or nil.
func (m Message) BigInt() *big.Int {
	switch {
	case m.Type() != TypeInt:
		return nil
	case m.obj != nil:
		return (*m.obj).(*big.Int)
	}
	return big.NewInt(int64(m.num))
}

// Float returns the value of a float message, or 0.
func (m Message) Float() float64 {
	if m.Type() != TypeFloat {
		return 0
	}
	return math.Float64frombits(m.num)
}

// Object returns the value of an object message, or nil.
func (m Message) Object() any {
	if m.Type() != TypeObject {
		return nil
	}
	return *m.obj
}

// Invalid reports whether a oneline server received a line that is not valid
// text: bytes 80..FF, or with the UTF8 option anything that is not UTF-8.
func (m Message) Invalid() bool { return m.meta&flagInvalid != 0 }

// Mode returns serpy's mode of the message, and whether one is set.
func (m Message) Mode() (mode int, ok bool) {
	mode = int(m.meta&modeMask>>modeShift) - 1
	return mode, mode >= 0
}

// Confirm reports whether the sender wants a confirmation.
func (m Message) Confirm() bool { return m.meta&flagConfirm != 0 }

// WithMode returns m to be sent, or received, in serpy's mode 0 to 5.
func (m Message) WithMode(mode int) Message {
	m.meta = m.meta&^modeMask | meta(uint8(mode+1))<<modeShift
	return m
}

// WithConfirm returns m with the wish for a confirmation, where the wire lets
// the sender choose.
func (m Message) WithConfirm() Message {
	m.meta |= flagConfirm
	return m
}

// WithInvalid returns m marked as no valid text; asciiOnly makes Text drop the
// bytes 80..FF.
func (m Message) WithInvalid(asciiOnly bool) Message {
	m.meta |= flagInvalid
	if asciiOnly {
		m.meta |= flagASCIIOnly
	}
	return m
}

// WithBytes returns m, a bytes or text message, with the payload b in place of
// its own: type, mode and flags stay. Other messages stay as they are.
func (m Message) WithBytes(b []byte) Message {
	if m.Type() <= TypeText {
		m.data, m.num = unsafe.SliceData(b), uint64(len(b))
	}
	return m
}

// AsBytes returns a bytes message with the payload b: mode and flags stay.
func (m Message) AsBytes(b []byte) Message {
	return Message{data: unsafe.SliceData(b), num: uint64(len(b)), meta: m.meta&^typeMask | meta(TypeBytes)}
}

// Clone returns a copy of m that shares no bytes with it. An object is not
// copied: a received one belongs to its receiver.
func (m Message) Clone() Message { return m.WithBytes(slices.Clone(m.Bytes())) }

// String describes the message for a log: its type and value, cut to 64 bytes.
func (m Message) String() string {
	const limit = 64
	var b strings.Builder
	data := m.Bytes()
	b.WriteString(m.Type().String())
	if mode, ok := m.Mode(); ok {
		fmt.Fprintf(&b, "/%d", mode)
	}
	switch m.Type() {
	case TypeBytes:
		fmt.Fprintf(&b, "[%d] %x", len(data), data[:min(len(data), limit)])
	case TypeText:
		fmt.Fprintf(&b, "[%d] %q", len(data), data[:min(len(data), limit)])
	default:
		b.WriteByte(' ')
		s := m.AppendText(nil)
		b.Write(s[:min(len(s), limit)])
		if len(s) > limit {
			b.WriteString("…")
		}
	}
	if len(data) > limit {
		b.WriteString("…")
	}
	if m.Invalid() {
		b.WriteString(" invalid")
	}
	return b.String()
}
