// Package b85 implements Python's base85, the form of base64.b85encode and
// base64.b85decode: the alphabet of RFC 1924, groups of four bytes as five
// characters, most significant first, the last group cut to its length plus
// one character.
//
// All functions are safe for concurrent use.
package b85

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

const alphabet = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~"

const (
	base    = 85
	base2   = base * base
	padding = '~' // what a short last group is filled up with: the highest digit
	foreign = 1 << 40
)

// pairs holds the two characters of every number below 85², so that encoding a
// group takes two divisions instead of four. They are stored little-endian.
var pairs = func() (t [base2]uint16) {
	for i := range t {
		t[i] = uint16(alphabet[i/base]) | uint16(alphabet[i%base])<<8
	}
	return t
}()

// weights holds, for each of a group's five places, what each character
// contributes to the group's value. A character outside the alphabet
// contributes so much that a single comparison with the largest uint32 finds
// both it and a group that is too large.
var weights = func() (t [5][256]uint64) {
	weight := uint64(1)
	for place := 4; place >= 0; place-- {
		for c := range t[place] {
			t[place][c] = foreign
		}
		for digit := range alphabet {
			t[place][alphabet[digit]] = uint64(digit) * weight
		}
		weight *= base
	}
	return t
}()

// EncodedLen returns how many characters n bytes become.
func EncodedLen(n int) int {
	if n%4 == 0 {
		return n / 4 * 5
	}
	return n/4*5 + n%4 + 1
}

// DecodedLen returns how many bytes n characters become.
func DecodedLen(n int) int {
	if n%5 == 0 {
		return n / 5 * 4
	}
	return n/5*4 + n%5 - 1
}

// Encode appends the base85 form of src to dst and returns the extended slice.
// src must not overlap the free capacity of dst.
func Encode(dst, src []byte) []byte {
	start, size := len(dst), EncodedLen(len(src))
	dst = slices.Grow(dst, size)[:start+size]
	out := dst[start:]
	for len(src) >= 4 && len(out) >= 5 {
		encodeGroup((*[5]byte)(out), binary.BigEndian.Uint32(src))
		src, out = src[4:], out[5:]
	}
	if len(src) > 0 {
		var in [4]byte // zeros fill up the last group
		var group [5]byte
		copy(in[:], src)
		encodeGroup(&group, binary.BigEndian.Uint32(in[:]))
		copy(out, group[:])
	}
	return dst
}

func encodeGroup(out *[5]byte, v uint32) {
	high := v / base2
	first := high / base2
	out[0] = alphabet[first]
	binary.LittleEndian.PutUint16(out[1:], pairs[high-first*base2])
	binary.LittleEndian.PutUint16(out[3:], pairs[v-high*base2])
}

// Decode appends the bytes that src encodes to dst and returns the extended
// slice. dst may be src[:0]: decoding in place overwrites src, also when it
// fails. A lone character at the end encodes nothing, as in Python.
//
// An error is an *Error, and dst is then returned as it was given.
func Decode(dst, src []byte) ([]byte, error) {
	start, size := len(dst), DecodedLen(len(src))
	out := slices.Grow(dst, size)[:start+size]
	done := start // in place, a group is read before its bytes are written
	rest := src
	for len(rest) >= 5 {
		v := decodeGroup((*[5]byte)(rest))
		if v > math.MaxUint32 {
			return dst, failure(rest[:5], len(src)-len(rest))
		}
		binary.BigEndian.PutUint32(out[done:], uint32(v))
		rest, done = rest[5:], done+4
	}
	if len(rest) > 0 {
		group := [5]byte{padding, padding, padding, padding, padding}
		copy(group[:], rest)
		v := decodeGroup(&group)
		if v > math.MaxUint32 {
			return dst, failure(rest, len(src)-len(rest))
		}
		var last [4]byte
		binary.BigEndian.PutUint32(last[:], uint32(v))
		copy(out[done:], last[:])
	}
	return out, nil
}

func decodeGroup(g *[5]byte) uint64 {
	return weights[0][g[0]] + weights[1][g[1]] + weights[2][g[2]] + weights[3][g[3]] + weights[4][g[4]]
}

// failure says what is wrong with the group that begins at offset.
func failure(group []byte, offset int) error {
	for i, c := range group {
		if weights[0][c] == foreign {
			return &Error{Offset: offset + i, Byte: c}
		}
	}
	return &Error{Offset: offset, Byte: group[0], Overflow: true}
}

// Error says why a text is not base85.
type Error struct {
	Offset   int  // where in the text: the character, or the first of its group
	Byte     byte // the character there
	Overflow bool // the group stands for more than four bytes; otherwise Byte is outside the alphabet
}

// Error names the place and the fault.
func (e *Error) Error() string {
	if e.Overflow {
		return fmt.Sprintf("b85: group at byte %d exceeds FFFFFFFF: the text is damaged or is no base85", e.Offset)
	}
	return fmt.Sprintf("b85: character %q at byte %d is outside the alphabet: the text is damaged or is no base85", e.Byte, e.Offset)
}
