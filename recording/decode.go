package recording

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"unicode/utf16"
	"unicode/utf8"
)

// UTF8 returns the text of a file, as editors on every system write them, in UTF-8 and
// without a byte order mark: UTF-16 has such a mark, what has none is UTF-8. Ends of
// lines stay as they are.
func UTF8(r io.Reader) io.Reader {
	in := bufio.NewReader(r)
	mark, _ := in.Peek(3)
	switch {
	case bytes.HasPrefix(mark, []byte("\xef\xbb\xbf")):
		in.Discard(3)
	case bytes.HasPrefix(mark, []byte("\xff\xfe")):
		in.Discard(2)
		return &utf16Reader{in: in, order: binary.LittleEndian}
	case bytes.HasPrefix(mark, []byte("\xfe\xff")):
		in.Discard(2)
		return &utf16Reader{in: in, order: binary.BigEndian}
	}
	return in
}

// utf16Reader makes UTF-8 of UTF-16. What is no character becomes U+FFFD.
type utf16Reader struct {
	in    *bufio.Reader
	order binary.ByteOrder
	rest  []byte // made and not yet read
	high  rune   // the first half of a pair, or 0
	err   error
}

// Read is io.Reader's.
func (r *utf16Reader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		r.fill()
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

func (r *utf16Reader) fill() {
	var unit [2]byte
	r.rest = r.rest[:0]
	for len(r.rest) < 4<<10 {
		if _, r.err = io.ReadFull(r.in, unit[:]); r.err != nil {
			if r.err == io.ErrUnexpectedEOF || r.high != 0 { // half a character
				r.rest, r.high = utf8.AppendRune(r.rest, utf8.RuneError), 0
				r.err = io.EOF
			}
			return
		}
		r.add(rune(r.order.Uint16(unit[:])))
	}
}

// add adds a unit.
func (r *utf16Reader) add(u rune) {
	if r.high != 0 {
		pair := utf16.DecodeRune(r.high, u)
		r.rest, r.high = utf8.AppendRune(r.rest, pair), 0
		if pair != utf8.RuneError {
			return
		}
	}
	switch {
	case 0xd800 <= u && u < 0xdc00:
		r.high = u
	default:
		r.rest = utf8.AppendRune(r.rest, u) // a lone second half becomes U+FFFD
	}
}
