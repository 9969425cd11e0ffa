package pickle

import (
	"encoding/binary"
	"math"
	"math/big"
	"slices"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// This file writes the values that contain no others.

// longText is the length in bytes above which a text, a byte string or a big
// integer that several references share is written once. A received pickle
// can refer to a long one a million times; written out each time it would
// become terabytes.
const longText = 64

// shared is the identity of a text or a byte string.
type shared struct {
	data *byte
	size int
	text bool
}

// remembered reports whether a value of size bytes is to be written once. One
// that is not inside another has no second reference.
func (e *encoder) remembered(size int) bool { return size > longText && len(e.tasks) > 0 }

// number writes the low n bytes of v, little-endian.
func (e *encoder) number(v uint64, n int) {
	for range n {
		e.op(byte(v))
		v >>= 8
	}
}

func (e *encoder) saveInt(v int64) {
	switch {
	case v == int64(uint8(v)):
		e.op(opBinInt1, byte(v))
	case v == int64(uint16(v)):
		e.op(opBinInt2)
		e.number(uint64(v), 2)
	case v == int64(int32(v)):
		e.op(opBinInt)
		e.number(uint64(v), 4)
	default:
		e.op(opLong1, 8)
		e.number(uint64(v), 8)
	}
}

func (e *encoder) saveUint(v uint64) {
	if v <= math.MaxInt64 {
		e.saveInt(int64(v))
	} else {
		e.saveBig(new(big.Int).SetUint64(v))
	}
}

func (e *encoder) saveBig(v *big.Int) {
	if v.IsInt64() {
		e.saveInt(v.Int64())
		return
	}
	size := v.BitLen()/8 + 1
	if size <= 0xff {
		e.op(opLong1, byte(size))
	} else if size <= math.MaxInt32 {
		e.op(opLong4)
		e.number(uint64(size), 4)
	} else {
		e.fail("an integer of %d bytes is more than a pickle can hold", size)
		return
	}
	// The two's complement of a negative v is the inverse of -v-1.
	magnitude, flip := v, byte(0)
	if v.Sign() < 0 {
		magnitude, flip = new(big.Int).Not(v), 0xff
	}
	start := len(e.out)
	e.out = slices.Grow(e.out, size)[:start+size]
	out := magnitude.FillBytes(e.out[start:])
	for i := range out {
		out[i] ^= flip
	}
	slices.Reverse(out)
	if e.remembered(size) {
		e.memoize(v)
	}
}

func (e *encoder) saveFloat(v float64) {
	e.op(opBinFloat)
	e.out = binary.BigEndian.AppendUint64(e.out, math.Float64bits(v))
}

func (e *encoder) saveComplex(v complex128) {
	e.saveGlobal(Global{"builtins", "complex"})
	e.saveFloat(real(v))
	e.saveFloat(imag(v))
	e.op(opTuple2, opReduce)
}

func (e *encoder) saveText(s string) {
	key := shared{unsafe.StringData(s), len(s), true}
	if e.remembered(len(s)) && e.written(key) {
		return
	}
	if !utf8.ValidString(s) {
		e.fail("a string is not valid UTF-8: send it as []byte")
		return
	}
	if e.textSize(len(s)) {
		e.out = append(e.out, s...)
	}
	if e.remembered(len(s)) {
		e.memoize(key)
	}
}

// textSize writes the opcode and the length of a text.
func (e *encoder) textSize(n int) bool {
	switch {
	case n <= 0xff && e.proto >= 4:
		e.op(opShortBinUnicode, byte(n))
	case uint64(n) <= math.MaxUint32:
		e.op(opBinUnicode)
		e.number(uint64(n), 4)
	case e.proto >= 4:
		e.op(opBinUnicode8)
		e.number(uint64(n), 8)
	default:
		e.fail("%d bytes of text need protocol 4 or 5", n)
	}
	return e.err == nil
}

func (e *encoder) saveBytes(b []byte) {
	key := shared{unsafe.SliceData(b), len(b), false}
	if e.remembered(len(b)) && e.written(key) {
		return
	}
	switch {
	case e.proto < 4 && len(b) == 0:
		e.saveGlobal(Global{"builtins", "bytes"})
		e.op(opEmptyTuple, opReduce)
	case e.proto < 4:
		e.saveGlobal(Global{"_codecs", "encode"})
		e.saveLatin1(b, "latin1")
	case len(b) <= 0xff:
		e.op(opShortBinBytes, byte(len(b)))
		e.out = append(e.out, b...)
	case uint64(len(b)) <= math.MaxUint32:
		e.op(opBinBytes)
		e.number(uint64(len(b)), 4)
		e.out = append(e.out, b...)
	default:
		e.op(opBinBytes8)
		e.number(uint64(len(b)), 8)
		e.out = append(e.out, b...)
	}
	if e.remembered(len(b)) {
		e.memoize(key)
	}
}

// saveLatin1 writes b as a text of the characters U+0000 to U+00FF, which the
// constructor written before is called with.
func (e *encoder) saveLatin1(b []byte, codec string) {
	size := len(b)
	for _, c := range b {
		size += int(c >> 7)
	}
	if !e.textSize(size) {
		return
	}
	e.out = slices.Grow(e.out, size)
	for _, c := range b {
		e.out = utf8.AppendRune(e.out, rune(c))
	}
	e.saveText(codec)
	e.op(opTuple2, opReduce)
}

func (e *encoder) saveByteArray(b []byte) {
	if e.proto >= 5 {
		e.op(opByteArray8)
		e.number(uint64(len(b)), 8)
		e.out = append(e.out, b...)
		return
	}
	e.saveGlobal(Global{"builtins", "bytearray"})
	switch {
	case len(b) == 0:
		e.op(opEmptyTuple, opReduce)
	case e.proto >= 4:
		e.saveBytes(b)
		e.op(opTuple1, opReduce)
	default:
		e.saveLatin1(b, "latin-1")
	}
}

// saveGlobal writes a name that the reader will import.
func (e *encoder) saveGlobal(g Global) {
	if e.written(g) {
		return
	}
	if e.proto >= 4 {
		e.saveText(g.Module)
		e.saveText(g.Name)
		e.op(opStackGlobal)
	} else {
		old := g
		switch old.Module { // the names of Python 2
		case "builtins":
			old.Module = "__builtin__"
		case "copyreg":
			old.Module = "copy_reg"
		}
		text := old.Module + "\n" + old.Name + "\n"
		if python3(old) != g || strings.Count(text, "\n") != 2 || strings.Contains(g.Name, ".") || !utf8.ValidString(text) {
			e.fail("%.40q in module %.40q can't be named in protocol 2: choose 4 or 5", g.Name, g.Module)
		}
		e.op(opGlobal)
		e.out = append(e.out, text...)
	}
	e.memoize(g)
}
