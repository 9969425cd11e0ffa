package oneline

import (
	"bytes"
	"encoding/binary"
	"unicode"
)

// isASCII reports whether b has no byte of 80..FF. The last word overlaps the
// one before it, so that few lines need the loop over single bytes.
func isASCII(b []byte) bool {
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

// reserved returns the reserved word that line is, or "".
func reserved(line []byte) string {
	switch len(line) {
	case len(ping):
		if string(line) == ping {
			return ping
		}
	case len(shutdown):
		if string(line) == shutdown {
			return shutdown
		}
	case len(disconnect):
		if string(line) == disconnect {
			return disconnect
		}
	}
	return ""
}

// reservedAmong is reserved for what is left of line without the bytes 80..FF.
func reservedAmong(line []byte) string {
	var word [len(disconnect)]byte
	n := 0
	for _, c := range line {
		if c >= 0x80 {
			continue
		}
		if n == len(word) {
			return ""
		}
		word[n] = c
		n++
	}
	return reserved(word[:n])
}

// trimSpace removes white space at both ends as Python's str.strip does. line
// is UTF-8.
func trimSpace(line []byte) []byte {
	if n := len(line); n > 0 && isPlain(line[0]) && isPlain(line[n-1]) {
		return line
	}
	return bytes.TrimFunc(line, isSpace)
}

func isPlain(c byte) bool { return ' ' < c && c < 0x80 }

// isSpace reports whether Python's str.isspace holds for r: Unicode's white
// space and the four ASCII separators.
func isSpace(r rune) bool { return unicode.IsSpace(r) || 0x1C <= r && r <= 0x1F }
