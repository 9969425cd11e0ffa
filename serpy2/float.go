package serpy2

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"strings"
)

// appendFloat appends f exactly as Python's float.hex() prints it. Go's %x
// differs: it drops zeros at the end and normalises subnormal numbers.
func appendFloat(dst []byte, f float64) []byte {
	bits := math.Float64bits(f)
	exp := int(bits>>52&0x7FF) - 1023
	mantissa := bits & (1<<52 - 1)
	if math.IsNaN(f) {
		return append(dst, "nan"...)
	}
	if math.Signbit(f) {
		dst = append(dst, '-')
	}
	switch {
	case math.IsInf(f, 0):
		return append(dst, "inf"...)
	case f == 0:
		return append(dst, "0x0.0p+0"...)
	case exp == -1023: // subnormal: no implicit 1
		exp = -1022
		dst = append(dst, "0x0."...)
	default:
		dst = append(dst, "0x1."...)
	}
	for shift := 48; shift >= 0; shift -= 4 {
		dst = append(dst, "0123456789abcdef"[mantissa>>shift&0xF])
	}
	dst = append(dst, 'p')
	if exp >= 0 {
		dst = append(dst, '+')
	}
	return strconv.AppendInt(dst, int64(exp), 10)
}

var (
	errFloatSyntax = errors.New("not a hexadecimal number")
	errFloatRange  = errors.New("beyond the range of a double")
)

// parseOwn reads what appendFloat writes for all but infinities, NaN and
// zeros: the one form that is worth a way of its own.
func parseOwn(text []byte) (f float64, ok bool) {
	const lead, digits = len("0x1."), 13
	sign, p := cutAny(text, "-")
	if len(p) < lead+digits+len("p+0") || string(p[:2]) != "0x" || p[3] != '.' || p[lead+digits] != 'p' {
		return 0, false
	}
	mantissa := uint64(0)
	for _, c := range p[lead : lead+digits] {
		switch {
		case '0' <= c && c <= '9':
			c -= '0'
		case 'a' <= c && c <= 'f':
			c -= 'a' - 10
		default:
			return 0, false
		}
		mantissa = mantissa<<4 | uint64(c)
	}
	expSign, number := p[lead+digits+1], p[lead+digits+2:]
	if expSign != '+' && expSign != '-' || len(number) > 4 {
		return 0, false
	}
	exp := 0
	for _, c := range number {
		if c < '0' || c > '9' {
			return 0, false
		}
		exp = exp*10 + int(c-'0')
	}
	if expSign == '-' {
		exp = -exp
	}
	switch {
	case p[2] == '1' && -1022 <= exp && exp <= 1023:
		exp += 1023
	case p[2] == '0' && exp == -1022: // subnormal
		exp = 0
	default:
		return 0, false
	}
	bits := uint64(exp)<<52 | mantissa
	if sign == '-' {
		bits |= 1 << 63
	}
	return math.Float64frombits(bits), true
}

// parseFloat reads what Python's float.fromhex() reads, in ASCII: hexadecimal
// digits with or without 0x, point, binary exponent, sign, white space around
// it, and inf, infinity and nan in any case. text is at most maxFloat bytes.
func parseFloat(text []byte) (float64, error) {
	if f, ok := parseOwn(text); ok {
		return f, nil
	}
	return parseAny(text)
}

// parseAny is parseFloat without the short cut.
func parseAny(text []byte) (float64, error) {
	rest := bytes.Trim(text, " \t\n\v\f\r")
	sign, rest := cutAny(rest, "+-")
	switch {
	case bytes.EqualFold(rest, []byte("nan")):
		return math.NaN(), nil
	case bytes.EqualFold(rest, []byte("inf")), bytes.EqualFold(rest, []byte("infinity")):
		if sign == '-' {
			return math.Inf(-1), nil
		}
		return math.Inf(1), nil
	}

	// What is left is brought into the one form that strconv takes.
	if len(rest) >= 2 && rest[0] == '0' && rest[1]|0x20 == 'x' {
		rest = rest[2:]
	}
	var buf [maxFloat + len("-0xp0")]byte
	number := buf[:0]
	if sign == '-' {
		number = append(number, '-')
	}
	number = append(number, "0x"...)
	i := 0
	for i < len(rest) && isHexOrPoint(rest[i]) {
		i++
	}
	number = append(number, rest[:i]...)
	exponent, rest := cutAny(rest[i:], "pP")
	number = append(number, 'p')
	if exponent == 0 {
		number = append(number, '0')
	}
	if bytes.IndexByte(rest, '_') >= 0 { // strconv would take it as a separator
		return 0, errFloatSyntax
	}
	number = append(number, rest...)
	f, err := strconv.ParseFloat(string(number), 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, errFloatRange
	case err != nil:
		return 0, errFloatSyntax
	}
	return f, nil
}

// cutAny cuts the first byte off text if it is one of chars, else returns 0.
func cutAny(text []byte, chars string) (byte, []byte) {
	if len(text) > 0 && strings.IndexByte(chars, text[0]) >= 0 {
		return text[0], text[1:]
	}
	return 0, text
}

func isHexOrPoint(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' || c == '.'
}
