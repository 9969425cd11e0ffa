package line

import (
	"fmt"
	"unicode/utf8"

	"github.com/parley-net/parley/internal/ascii"
	"github.com/parley-net/parley/wire"
)

// Charset is how text travels.
type Charset uint8

const (
	UTF8   Charset = iota // text is UTF-8; what is not arrives as bytes
	Latin1                // ISO 8859-1: a byte is a character; Message.Bytes is UTF-8 all the same
	ASCII                 // text is ASCII; a message with other bytes arrives as bytes
	Bytes                 // every message arrives as bytes
)

var charsetNames = [...]string{"utf-8", "latin-1", "ascii", "bytes"}

// String returns the charset's name: "utf-8", "latin-1", "ascii", "bytes".
func (c Charset) String() string {
	if int(c) < len(charsetNames) {
		return charsetNames[c]
	}
	return "unknown"
}

// isText reports whether p, which has arrived, is text.
func (c Charset) isText(p []byte) bool {
	switch c {
	case UTF8:
		return ascii.UTF8(p)
	case ASCII:
		return ascii.Is(p)
	}
	return c == Latin1
}

// append appends the form of text, which is UTF-8, to dst.
func (c Charset) append(dst, text []byte) ([]byte, error) {
	if c == UTF8 || c == Bytes || ascii.Is(text) {
		return append(dst, text...), nil
	}
	most := rune(0xFF)
	if c == ASCII {
		most = 0x7F
	}
	out := dst
	for i := 0; i < len(text); {
		r, size := utf8.DecodeRune(text[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			return dst, fmt.Errorf("%w: byte %02X at offset %d of the text is not UTF-8; send it as bytes", wire.ErrNotRepresentable, text[i], i)
		case r > most:
			return dst, fmt.Errorf("%w: %v has no %q, at byte %d of the text", wire.ErrNotRepresentable, c, r, i)
		}
		out = append(out, byte(r))
		i += size
	}
	return out, nil
}

// wire returns the form of s, or s if it has none, which Validate refuses.
func (c Charset) wire(s string) string {
	if b, err := c.append(nil, []byte(s)); err == nil {
		return string(b)
	}
	return s
}

// decode appends p, which is Latin-1, as UTF-8 to dst.
func decode(dst, p []byte) []byte {
	for _, c := range p {
		if c < utf8.RuneSelf {
			dst = append(dst, c)
		} else {
			dst = append(dst, 0xC0|c>>6, 0x80|c&0x3F)
		}
	}
	return dst
}
