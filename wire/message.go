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

// meta holds the type in its lowest byte, then flags, and in its upper half the
// tag.
type meta uint64

const (
	typeMask    meta = 0xff
	flagConfirm meta = 1 << 8 // sender: a confirmation is wanted
	flagASCII   meta = 1 << 9 // Text leaves out the bytes 80..FF
	tagShift         = 32
	tagMask     meta = 0xffff_ffff << tagShift
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
	return unsafe.Slice(m.data, m.Len()), m.meta&(typeMask|flagASCII) <= meta(TypeText)
}

// Text returns the message as text: that of a text message, the bytes of a
// bytes message, a number as Python's str() prints it. Of a message that is
// marked by WithASCII it is the ASCII part; Bytes has all of it.
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
	if m.meta&flagASCII == 0 {
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

// Tag returns the 32 bits that the message's wire has for itself: serpy's mode,
// a transaction id. They mean something to that wire only, whose package has
// functions that read and set them; 0 is a message without.
func (m Message) Tag() uint32 { return uint32(m.meta >> tagShift) }

// WithTag returns m with the 32 bits of its wire.
func (m Message) WithTag(tag uint32) Message {
	m.meta = m.meta&^tagMask | meta(tag)<<tagShift
	return m
}

// Confirm reports whether the sender wants a confirmation.
func (m Message) Confirm() bool { return m.meta&flagConfirm != 0 }

// WithConfirm returns m with the wish for a confirmation, where the wire lets
// the sender choose.
func (m Message) WithConfirm() Message {
	m.meta |= flagConfirm
	return m
}

// WithASCII returns m, a text or bytes message, so that Text leaves out its
// bytes 80..FF: for wires whose text is ASCII, when other bytes have come. Bytes
// has all of them.
func (m Message) WithASCII() Message {
	m.meta |= flagASCII
	return m
}

// WithBytes returns m, a bytes or text message, with the payload b in place of
// its own: type, tag and flags stay. Other messages stay as they are.
func (m Message) WithBytes(b []byte) Message {
	if m.Type() <= TypeText {
		m.data, m.num = unsafe.SliceData(b), uint64(len(b))
	}
	return m
}

// AsBytes returns a bytes message with the payload b: tag and flags stay.
func (m Message) AsBytes(b []byte) Message {
	return Message{data: unsafe.SliceData(b), num: uint64(len(b)), meta: m.meta&^typeMask | meta(TypeBytes)}
}

// Clone returns a copy of m that shares no bytes with it. An object is not
// copied: a received one belongs to its receiver.
func (m Message) Clone() Message { return m.WithBytes(slices.Clone(m.Bytes())) }

// String describes the message for a log: its type and value, cut to 64 bytes, and
// its tag. Describe knows what that means.
func (m Message) String() string {
	const limit = 64
	var b strings.Builder
	data := m.Bytes()
	b.WriteString(m.Type().String())
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
	if tag := m.Tag(); tag != 0 {
		fmt.Fprintf(&b, " tag %08x", tag)
	}
	return b.String()
}
