// Package ascii tells plain ASCII from other bytes, which is the quickest way to
// know that a short text is UTF-8.
package ascii

import (
	"encoding/binary"
	"unicode/utf8"
)

// UTF8 reports whether b is UTF-8.
func UTF8(b []byte) bool { return Is(b) || utf8.Valid(b) }

// Is reports whether b has no byte of 80..FF. The last word overlaps the
// one before it, so that few lines need the loop over single bytes.
func Is(b []byte) bool {
	const high = 0x8080808080808080
	if len(b) < 8 {
		for _, c := range b {
			if c >= 0x80 {
				return false
			}
		}
		return true
	}
	all := binary.NativeEndian.Uint64(b[len(b)-8:])
	if len(b) >= 64 {
		all |= union(b)
		b = b[len(b)&^31:]
	}
	for len(b) > 8 {
		all |= binary.NativeEndian.Uint64(b)
		b = b[8:]
	}
	return all&high == 0
}

// union returns all words of b or'ed together, except what does not fill 32
// bytes.
func union(b []byte) (all uint64) {
	for ; len(b) >= 32; b = b[32:] {
		all |= binary.NativeEndian.Uint64(b) | binary.NativeEndian.Uint64(b[8:]) |
			binary.NativeEndian.Uint64(b[16:]) | binary.NativeEndian.Uint64(b[24:])
	}
	return all
}
