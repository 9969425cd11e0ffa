package serpy

import (
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/parley-net/parley/wire"
)

// An Encoding says how text becomes bytes. The zero Encoding is ASCII, as in
// the original. Encodings are comparable, immutable and safe for concurrent
// use.
//
// Every Encoding extends ASCII, one byte per ASCII character: in others, such
// as UTF-16, the commands of the protocol would not be understood.
type Encoding struct {
	charset *charset // nil is ASCII
}

// A charset is one encoding. upper has the characters of the bytes 80 to FF, 0
// where a byte has none; it is nil for UTF-8.
type charset struct {
	name  string
	upper *[128]uint16
}

var (
	asciiCharset = charset{name: "ascii", upper: new([128]uint16)}
	utf8Charset  = charset{name: "utf-8"}
)

// LookupEncoding returns the encoding that has the given name in Python:
// "ascii", "latin-1", "utf-8", "cp1252", "koi8-r", "mac-roman" and all others
// of one byte per character that extend ASCII, with all of Python's aliases.
// Case, spaces, hyphens and underscores do not matter.
func LookupEncoding(name string) (Encoding, error) {
	words := strings.FieldsFunc(strings.ToLower(name), func(r rune) bool {
		return r != '.' && (r < '0' || r > '9') && (r < 'a' || r > 'z')
	})
	c := charsetByName(strings.Join(words, "_"))
	if c == nil {
		c = charsetByName(strings.Join(words, ""))
	}
	switch c {
	case nil:
		return Encoding{}, fmt.Errorf("parley: serpy has no encoding %q; it knows utf-8 and Python's one-byte encodings that extend ASCII", name)
	case &asciiCharset:
		return Encoding{}, nil
	}
	return Encoding{c}, nil
}

// Name returns Python's name of the encoding: "iso8859-1" for latin-1.
func (e Encoding) Name() string { return e.get().name }

func (e Encoding) get() *charset {
	if e.charset == nil {
		return &asciiCharset
	}
	return e.charset
}

// Encode appends the UTF-8 text in e to dst. A character that e does not have
// is an error that wraps [wire.ErrNotRepresentable] and names the character
// and its position, counted in characters from 0; dst is then returned
// unchanged. dst and text must not overlap.
func (e Encoding) Encode(dst, text []byte) ([]byte, error) {
	if asciiLen(text) == len(text) {
		return append(dst, text...), nil // it is the same in all of them
	}
	if i := invalidUTF8(text); i >= 0 {
		return dst, fmt.Errorf("%w: byte %02X at offset %d of the text is not UTF-8; send it as bytes",
			wire.ErrNotRepresentable, text[i], i)
	}
	c := e.get()
	if c.upper == nil {
		return append(dst, text...), nil
	}
	out := dst
	shift := rune(0) // from a character to its byte, for the latest one; neighbours share it
	for i := 0; i < len(text); {
		n := asciiLen(text[i:])
		out = append(out, text[i:i+n]...)
		if i += n; i == len(text) {
			break
		}
		r, size := utf8.DecodeRune(text[i:])
		b := c.find(r, r+shift)
		if b == 0 {
			return dst, fmt.Errorf("%w: %q, character %d of the text, is not in %s; use an encoding that has it, such as utf-8, on both sides",
				wire.ErrNotRepresentable, r, utf8.RuneCount(text[:i]), c.name)
		}
		shift = rune(b) - r
		out = append(out, b)
		i += size
	}
	return out, nil
}

// asciiLen returns how many bytes at the start of p are ASCII.
func asciiLen(p []byte) int {
	const high = 0x8080808080808080
	n := 0
	for q := p; len(q) >= 32; q = q[32:] {
		if (binary.LittleEndian.Uint64(q)|binary.LittleEndian.Uint64(q[8:])|
			binary.LittleEndian.Uint64(q[16:])|binary.LittleEndian.Uint64(q[24:]))&high != 0 {
			break
		}
		n += 32
	}
	for len(p)-n >= 8 && binary.LittleEndian.Uint64(p[n:])&high == 0 {
		n += 8
	}
	for n < len(p) && p[n] < utf8.RuneSelf {
		n++
	}
	return n
}

// find returns the byte of r, 0 if there is none. It looks at guess first.
func (c *charset) find(r, guess rune) byte {
	if 0x80 <= guess && guess <= 0xFF && rune(c.upper[guess-0x80]) == r {
		return byte(guess)
	}
	for i, u := range c.upper {
		if rune(u) == r {
			return byte(0x80 + i)
		}
	}
	return 0
}

// Decode appends the text whose form in e is p to dst, as UTF-8. A byte
// without a character is an error that names it and its offset in p; dst is
// then returned unchanged. dst and p must not overlap.
func (e Encoding) Decode(dst, p []byte) ([]byte, error) {
	c := e.get()
	if c.upper == nil {
		if i := invalidUTF8(p); i >= 0 {
			return dst, fmt.Errorf("parley: byte %02X at offset %d is not utf-8; the peer uses another encoding", p[i], i)
		}
		return append(dst, p...), nil
	}
	out := dst
	for i, b := range p {
		if b < utf8.RuneSelf {
			out = append(out, b)
			continue
		}
		u := c.upper[b-0x80]
		if u == 0 {
			return dst, fmt.Errorf("parley: byte %02X at offset %d is not %s; the peer uses another encoding", b, i, c.name)
		}
		out = utf8.AppendRune(out, rune(u))
	}
	return out, nil
}

// invalidUTF8 returns the offset of the first byte that is not UTF-8, or -1.
func invalidUTF8(p []byte) int {
	if utf8.Valid(p) {
		return -1
	}
	i := 0
	for {
		r, size := utf8.DecodeRune(p[i:])
		if r == utf8.RuneError && size == 1 {
			return i
		}
		i += size
	}
}
