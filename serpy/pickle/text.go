package pickle

import (
	"bytes"
	"math/big"
	"math/bits"
	"strconv"
	"unicode/utf8"
)

// This file reads the opcodes of protocol 0 whose arguments are lines of text.

// line consumes a line and returns it without its end.
func (d *decoder) line() []byte {
	n := bytes.IndexByte(d.in[d.pos:], '\n')
	if n < 0 {
		d.short()
		return nil
	}
	return d.take(n + 1)[:n]
}

// lineText consumes a line of a name.
func (d *decoder) lineText() string {
	b := d.line()
	if !utf8.Valid(b) {
		d.fail("a name is not UTF-8")
	}
	d.spend(len(b))
	return string(b)
}

// index reads a memo number.
func (d *decoder) index(line []byte) uint64 {
	i, err := strconv.ParseUint(string(line), 10, 63)
	if err != nil {
		d.fail("%.40q is no memo number", line)
	}
	return i
}

// pushIntLine reads the arguments of INT, where 00 and 01 are booleans, and of
// LONG, which ends with an L.
func (d *decoder) pushIntLine(line []byte) {
	if d.op == opInt && string(line) == "00" {
		d.push(false)
		return
	}
	if d.op == opInt && string(line) == "01" {
		d.push(true)
		return
	}
	if d.op == opLong {
		line = bytes.TrimSuffix(line, []byte("L"))
	}
	digits := line
	if len(digits) > 0 && (digits[0] == '-' || digits[0] == '+') {
		digits = digits[1:]
	}
	if len(digits) > d.limits.MaxIntDigits {
		d.failWith(ErrLimit, "an integer has more digits than Limits.MaxIntDigits allows")
		return
	}
	decimal := len(digits) > 0 && (digits[0] != '0' || len(digits) == 1)
	for _, c := range digits {
		decimal = decimal && '0' <= c && c <= '9'
	}
	if !decimal {
		d.fail("%.40q is no decimal integer", line)
		return
	}
	if len(digits) < 19 { // fits an int64
		v, _ := strconv.ParseInt(string(line), 10, 64)
		d.pushInt(v)
		return
	}
	// With room for all of it SetString leaves no garbage.
	words := len(digits)*10/3/bits.UintSize + 2
	if !d.spend(bigSize) || !d.spend(words*wordSize) {
		return
	}
	v := new(big.Int).SetBits(make([]big.Word, 0, words))
	v.SetString(string(line), 10)
	d.pushBig(v)
}

func (d *decoder) pushFloatLine(line []byte) {
	v, err := strconv.ParseFloat(string(line), 64)
	outOfRange := err != nil && err.(*strconv.NumError).Err == strconv.ErrRange // infinite, as in Python
	if err != nil && !outOfRange || bytes.ContainsAny(line, "xX_") {
		d.fail("%.40q is no float", line)
		return
	}
	if d.spend(8) {
		d.push(v)
	}
}

// pushUnicodeLine reads Latin-1 in which \u and \U, followed by 4 or 8 digits,
// stand for the other characters. A backslash before anything else is itself,
// and so is what follows it.
func (d *decoder) pushUnicodeLine(line []byte) {
	if !d.spend(2*len(line)) || !d.spend(stringSize) { // a Latin-1 byte may take two in UTF-8
		return
	}
	text := make([]byte, 0, len(line))
	for len(line) > 0 {
		c := line[0]
		line = line[1:]
		if c != '\\' || len(line) == 0 {
			text = utf8.AppendRune(text, rune(c))
			continue
		}
		escape := line[0]
		line = line[1:]
		digits := 0
		switch escape {
		case 'u':
			digits = 4
		case 'U':
			digits = 8
		default:
			text = append(text, '\\')
			text = utf8.AppendRune(text, rune(escape))
			continue
		}
		r, err := strconv.ParseUint(string(line[:min(digits, len(line))]), 16, 32)
		if err != nil || len(line) < digits || r > utf8.MaxRune {
			d.fail("a bad \\%c escape", escape)
			return
		}
		if !utf8.ValidRune(rune(r)) {
			d.fail("a str with a lone surrogate: send it as bytes")
			return
		}
		text = utf8.AppendRune(text, rune(r))
		line = line[digits:]
	}
	d.push(string(text))
}

// pushPython2 pushes a str of Python 2, which Python 3 reads as ASCII.
func (d *decoder) pushPython2(b []byte) {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			d.fail("a Python 2 str beyond ASCII: send it as unicode or bytearray")
			return
		}
	}
	d.pushText(b)
}

// pushStringLine reads a Python 2 string literal.
func (d *decoder) pushStringLine(line []byte) {
	n := len(line)
	if n < 2 || line[0] != line[n-1] || line[0] != '\'' && line[0] != '"' {
		d.fail("a string without its quotes")
		return
	}
	if !d.spend(n) {
		return
	}
	text := make([]byte, 0, n)
	for line = line[1 : n-1]; len(line) > 0; {
		c, size := unescape(line)
		if size == 0 {
			d.fail("a bad escape in a string")
			return
		}
		if size < 0 { // no escape at all: the backslash is itself
			c, size = '\\', 1
		}
		text = append(text, c)
		line = line[size:]
	}
	d.pushPython2(text)
}

// unescape returns the first character of s, which may be written as an escape
// sequence, and its size there. The size is 0 for a bad escape and -1 for a
// backslash that begins none.
func unescape(s []byte) (c byte, size int) {
	if s[0] != '\\' {
		return s[0], 1
	}
	if len(s) == 1 {
		return 0, 0
	}
	switch c := s[1]; c {
	case '\\', '\'', '"':
		return c, 2
	case 'a':
		return '\a', 2
	case 'b':
		return '\b', 2
	case 'f':
		return '\f', 2
	case 'n':
		return '\n', 2
	case 'r':
		return '\r', 2
	case 't':
		return '\t', 2
	case 'v':
		return '\v', 2
	case 'x':
		v, err := strconv.ParseUint(string(s[2:min(4, len(s))]), 16, 8)
		if err != nil || len(s) < 4 {
			return 0, 0
		}
		return byte(v), 4
	}
	for size = 1; size < min(4, len(s)) && '0' <= s[size] && s[size] <= '7'; size++ {
		c = c<<3 + (s[size] - '0')
	}
	if size == 1 {
		return 0, -1
	}
	return c, size
}
