package oneline

import (
	"bytes"
	"unicode"
)

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
