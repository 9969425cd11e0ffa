package transfer

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// JSON texts are written and read here, not by encoding/json, because paths
// have to survive byte for byte. A byte that is not part of valid UTF-8 is
// written as the surrogate DC80 to DCFF, as Python does (PEP 383).

// appendText appends s as a JSON text in ASCII, as Python's json writes it.
func appendText(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			dst = fmt.Appendf(dst, `\udc%02x`, s[0])
		case r == '"' || r == '\\':
			dst = append(dst, '\\', byte(r))
		case r >= ' ' && r <= '~':
			dst = append(dst, byte(r))
		case r == '\b':
			dst = append(dst, `\b`...)
		case r == '\f':
			dst = append(dst, `\f`...)
		case r == '\n':
			dst = append(dst, `\n`...)
		case r == '\r':
			dst = append(dst, `\r`...)
		case r == '\t':
			dst = append(dst, `\t`...)
		case r > 0xFFFF:
			hi, lo := utf16.EncodeRune(r)
			dst = fmt.Appendf(dst, `\u%04x\u%04x`, hi, lo)
		default:
			dst = fmt.Appendf(dst, `\u%04x`, r)
		}
		s = s[n:]
	}
	return append(dst, '"')
}

// textValue returns the text that raw, a valid JSON value in valid UTF-8, is.
func textValue(raw []byte) (string, error) {
	raw = bytes.TrimSpace(raw)
	if len(raw) < 2 || raw[0] != '"' {
		return "", fmt.Errorf("is %.40s, which is no text", raw)
	}
	raw = raw[1 : len(raw)-1]
	var s []byte
	for len(raw) > 0 {
		if raw[0] != '\\' {
			s, raw = append(s, raw[0]), raw[1:]
			continue
		}
		c := raw[1]
		raw = raw[2:]
		switch c {
		case 'b':
			s = append(s, '\b')
		case 'f':
			s = append(s, '\f')
		case 'n':
			s = append(s, '\n')
		case 'r':
			s = append(s, '\r')
		case 't':
			s = append(s, '\t')
		case 'u':
			r := hex4(raw)
			raw = raw[4:]
			if utf16.IsSurrogate(r) && len(raw) >= 6 && raw[0] == '\\' && raw[1] == 'u' {
				if pair := utf16.DecodeRune(r, hex4(raw[2:])); pair != utf8.RuneError {
					r, raw = pair, raw[6:]
				}
			}
			switch {
			case r >= 0xDC80 && r <= 0xDCFF:
				s = append(s, byte(r))
			case utf16.IsSurrogate(r):
				return "", fmt.Errorf("has half a character in it (%04X)", r)
			default:
				s = utf8.AppendRune(s, r)
			}
		default: // a quotation mark or a slash
			s = append(s, c)
		}
	}
	return string(s), nil
}

// hex4 returns the value of the four hexadecimal digits b begins with.
func hex4(b []byte) rune {
	n, _ := strconv.ParseUint(string(b[:4]), 16, 16)
	return rune(n)
}

// utf8Text returns b, a JSON text in UTF-8, UTF-16 or UTF-32, as UTF-8. A byte
// order mark tells which; without one the zeros around the first character,
// which is ASCII, do (RFC 4627, section 3).
func utf8Text(b []byte) ([]byte, error) {
	zero := func(i int) bool { return i < len(b) && b[i] == 0 }
	switch {
	case bytes.HasPrefix(b, []byte("\x00\x00\xFE\xFF")):
		return fromUTF32(b[4:], binary.BigEndian)
	case bytes.HasPrefix(b, []byte("\xFF\xFE\x00\x00")):
		return fromUTF32(b[4:], binary.LittleEndian)
	case bytes.HasPrefix(b, []byte("\xFE\xFF")):
		return fromUTF16(b[2:], binary.BigEndian)
	case bytes.HasPrefix(b, []byte("\xFF\xFE")):
		return fromUTF16(b[2:], binary.LittleEndian)
	case zero(0) && zero(1):
		return fromUTF32(b, binary.BigEndian)
	case zero(0):
		return fromUTF16(b, binary.BigEndian)
	case zero(1) && zero(2) && zero(3):
		return fromUTF32(b, binary.LittleEndian)
	case zero(1):
		return fromUTF16(b, binary.LittleEndian)
	}
	b = bytes.TrimPrefix(b, []byte("\xEF\xBB\xBF"))
	if !utf8.Valid(b) {
		return nil, errors.New("it is not UTF-8")
	}
	return b, nil
}

func fromUTF16(b []byte, order binary.ByteOrder) ([]byte, error) {
	if len(b)%2 != 0 {
		return nil, errors.New("it is not UTF-16")
	}
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = order.Uint16(b[2*i:])
	}
	return []byte(string(utf16.Decode(units))), nil
}

func fromUTF32(b []byte, order binary.ByteOrder) ([]byte, error) {
	if len(b)%4 != 0 {
		return nil, errors.New("it is not UTF-32")
	}
	var out []byte
	for ; len(b) > 0; b = b[4:] {
		r := rune(order.Uint32(b))
		if !utf8.ValidRune(r) {
			return nil, errors.New("it is not UTF-32")
		}
		out = utf8.AppendRune(out, r)
	}
	return out, nil
}
