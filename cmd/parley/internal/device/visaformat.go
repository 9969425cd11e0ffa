package device

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// pySpec is a format specifier of Python: fill, align, sign, #, 0, width,
// grouping, precision, type.
var pySpec = regexp.MustCompile(`^(?:(?P<fill>[^{}])?(?P<align>[<>=^]))?(?P<sign>[-+ ])?(?P<z>z)?(?P<alt>#)?(?P<zero>0)?(?P<width>[0-9]{1,6})?(?P<group>[,_])?(?:\.(?P<prec>[0-9]{1,6}))?(?P<type>[a-zA-Z%])?$`)

// pyPiece is a piece of a format string: text, and the field behind it.
type pyPiece struct {
	literal     string
	isField     bool
	field, spec string
	conversion  string
}

// pyPieces cuts a format string into pieces.
func pyPieces(s string) ([]pyPiece, error) {
	var out []pyPiece
	var literal strings.Builder
	for i := 0; i < len(s); {
		switch c := s[i]; {
		case (c == '{' || c == '}') && i+1 < len(s) && s[i+1] == c:
			literal.WriteByte(c)
			i += 2
		case c == '}':
			return nil, valueError("a single } in %q", short(s))
		case c == '{':
			end := closing(s[i:])
			if end < 0 {
				return nil, valueError("a { is not closed in %q", short(s))
			}
			p := pyPiece{literal: literal.String(), isField: true}
			literal.Reset()
			inner := s[i+1 : i+end]
			if strings.ContainsAny(inner, "{}") {
				return nil, valueError("a field within a field of %q", short(s))
			}
			if at := strings.IndexAny(inner, "!:"); at >= 0 {
				p.field, p.spec = inner[:at], inner[at+1:]
				if inner[at] == '!' {
					p.conversion, p.spec, _ = strings.Cut(p.spec, ":")
				}
			} else {
				p.field = inner
			}
			out = append(out, p)
			i += end + 1
		default:
			literal.WriteByte(c)
			i++
		}
	}
	return append(out, pyPiece{literal: literal.String()}), nil
}

// pyFormat is format.format(value), or with a nil value format.format(ch_id=id).
func pyFormat(format string, value any, id string) (string, error) {
	pieces, err := pyPieces(format)
	if err != nil {
		return "", noAnswer("%v", err)
	}
	var b strings.Builder
	counted, named := 0, 0 // {} and {0} do not go together
	for _, p := range pieces {
		b.WriteString(p.literal)
		if !p.isField {
			continue
		}
		v := value
		switch {
		case value == nil && p.field == "ch_id":
			v = id
		case value != nil && p.field == "" && counted+named == 0:
			counted++
		case value != nil && p.field == "0" && counted == 0:
			named++
		default:
			return "", noAnswer("%q has nothing for {%s}", short(format), p.field)
		}
		if p.conversion == "s" {
			v = pyStr(v)
		} else if p.conversion != "" {
			return "", noAnswer("!%s in %q", p.conversion, short(format))
		}
		s, err := pyFormatValue(v, p.spec)
		if err != nil {
			return "", noAnswer("%v", err)
		}
		b.WriteString(s)
		if b.Len() > maxAnswer {
			return "", errTooLong
		}
	}
	return b.String(), nil
}

// pyLayout is a format specifier that has been read.
type pyLayout struct {
	fill, align, sign, group, kind string
	alternate                      bool
	width, precision               int // precision -1: none
}

// pyFormatValue is format(v, spec).
func pyFormatValue(v any, spec string) (string, error) {
	if spec == "" {
		return pyStr(v), nil
	}
	m := pySpec.FindStringSubmatch(spec)
	if m == nil {
		return "", valueError("invalid format specifier %q", short(spec))
	}
	part := func(name string) string { return m[pySpec.SubexpIndex(name)] }
	l := pyLayout{
		fill: part("fill"), align: part("align"), sign: part("sign"), group: part("group"), kind: part("type"),
		alternate: part("alt") != "", precision: -1,
	}
	l.width, _ = strconv.Atoi(part("width"))
	if p := part("prec"); p != "" {
		l.precision, _ = strconv.Atoi(p)
	}
	if l.precision > 1000 {
		return "", errors.New("a precision of more than 1000 digits")
	}
	if part("zero") != "" {
		if l.fill == "" {
			l.fill = "0"
		}
		if _, isText := v.(string); l.align == "" && !isText {
			l.align = "="
		}
	}
	if l.group != "" && (l.kind == "n" || l.group == "," && strings.Contains("boxX", l.kind) && l.kind != "") {
		return "", valueError("%s is not for the format code %q", l.group, l.kind)
	}
	switch v := v.(type) {
	case string:
		return l.text(v)
	case *big.Int:
		return l.integer(v)
	case float64:
		return l.float(v)
	}
	return "", valueError("nothing to format")
}

func (l pyLayout) text(s string) (string, error) {
	if l.kind != "" && l.kind != "s" {
		return "", valueError("unknown format code %q for a str", l.kind)
	}
	if l.sign != "" || l.alternate || l.group != "" || l.align == "=" {
		return "", valueError("a sign, #, grouping or = is not for a str")
	}
	if l.precision >= 0 && utf8.RuneCountInString(s) > l.precision {
		s = string([]rune(s)[:l.precision])
	}
	return l.pad("", s, "<"), nil
}

func (l pyLayout) integer(i *big.Int) (string, error) {
	bases := map[string]int{"": 10, "d": 10, "n": 10, "b": 2, "o": 8, "x": 16, "X": 16}
	base, ok := bases[l.kind]
	if !ok {
		if strings.Contains("eEfFgG%", l.kind) {
			f, _ := new(big.Float).SetInt(i).Float64()
			if math.IsInf(f, 0) {
				return "", errors.New("OverflowError: int too large to convert to float")
			}
			return l.float(f)
		}
		return "", valueError("unknown format code %q for an int", l.kind)
	}
	if l.precision >= 0 {
		return "", valueError("a precision is not for an int")
	}
	digits := new(big.Int).Abs(i).Text(base)
	prefix := ""
	if l.alternate && base != 10 {
		prefix = "0" + l.kind
	}
	if l.kind == "X" {
		digits = strings.ToUpper(digits)
	}
	every := 3
	if base != 10 {
		every = 4
	}
	sign := l.signOf(i.Sign() < 0) + prefix
	return l.pad(sign, l.grouped(digits, every, l.width-len(sign)), ">"), nil
}

func (l pyLayout) float(f float64) (string, error) {
	kind, precision, tail := l.kind, l.precision, ""
	if precision < 0 {
		precision = 6
	}
	var s string
	abs := math.Abs(f)
	switch {
	case kind == "%":
		s, tail = strconv.FormatFloat(abs*100, 'f', precision, 64), "%"
	case kind == "" && l.precision < 0:
		s = pyStr(abs)
	case kind == "" || kind == "n":
		s = general(abs, max(precision, 1), l.alternate)
		if exp := exponentOf(abs, max(precision, 1)); kind == "" && exp == max(precision, 1)-1 {
			s = trimZeros(strconv.FormatFloat(abs, 'e', exp, 64))
		}
		if kind == "" && !strings.ContainsAny(s, ".en") {
			s += ".0"
		}
	case strings.Contains("gG", kind):
		s = general(abs, max(precision, 1), l.alternate)
	case strings.Contains("eEfF", kind):
		s = strconv.FormatFloat(abs, kind[0]|0x20, precision, 64)
		if l.alternate && precision == 0 {
			mantissa, exp, hasExp := strings.Cut(s, "e")
			if s = mantissa + "."; hasExp {
				s += "e" + exp
			}
		}
	default:
		return "", valueError("unknown format code %q for a float", kind)
	}
	switch {
	case math.IsInf(f, 0):
		s = "inf"
	case math.IsNaN(f):
		s = "nan"
	}
	if strings.Contains("EFG", kind) && kind != "" {
		s = strings.ToUpper(s)
	}
	whole, rest := s, ""
	if at := strings.IndexAny(s, ".eE"); at >= 0 {
		whole, rest = s[:at], s[at:]
	}
	sign := l.signOf(math.Signbit(f) && !math.IsNaN(f))
	return l.pad(sign, l.grouped(whole, 3, l.width-len(sign)-len(rest)-len(tail))+rest+tail, ">"), nil
}

// general is Python's g: trailing zeros are dropped unless # is given.
func general(f float64, precision int, alternate bool) string {
	s := strconv.FormatFloat(f, 'g', precision, 64)
	if !alternate {
		return s
	}
	mantissa, exp, hasExp := strings.Cut(s, "e")
	digits := len(strings.TrimLeft(strings.ReplaceAll(mantissa, ".", ""), "0"))
	if !strings.Contains(mantissa, ".") {
		mantissa += "."
	}
	mantissa += strings.Repeat("0", max(precision-max(digits, 1), 0))
	if hasExp {
		return mantissa + "e" + exp
	}
	return mantissa
}

// exponentOf returns the decimal exponent of f, rounded to so many digits.
func exponentOf(f float64, digits int) int {
	_, exp, _ := strings.Cut(strconv.FormatFloat(f, 'e', digits-1, 64), "e")
	n, _ := strconv.Atoi(exp)
	return n
}

// trimZeros drops the zeros at the end of a mantissa.
func trimZeros(s string) string {
	mantissa, exp, _ := strings.Cut(s, "e")
	if strings.Contains(mantissa, ".") {
		mantissa = strings.TrimSuffix(strings.TrimRight(mantissa, "0"), ".")
	}
	return mantissa + "e" + exp
}

func (l pyLayout) signOf(negative bool) string {
	switch {
	case negative:
		return "-"
	case l.sign == "+" || l.sign == " ":
		return l.sign
	}
	return ""
}

// grouped puts a comma or an underscore between groups of digits. Where zeros
// fill the width, they are grouped too.
func (l pyLayout) grouped(digits string, every, width int) string {
	if l.group == "" || digits == "inf" || digits == "nan" {
		return digits
	}
	if l.fill == "0" && l.align == "=" {
		for len(digits)+(len(digits)-1)/every < width {
			digits = "0" + digits
		}
	}
	var out []string
	for len(digits) > every {
		out = append([]string{digits[len(digits)-every:]}, out...)
		digits = digits[:len(digits)-every]
	}
	return strings.Join(append([]string{digits}, out...), l.group)
}

// pad fills s, which has a sign in front, to the width.
func (l pyLayout) pad(sign, s, align string) string {
	fill := l.fill
	if fill == "" {
		fill = " "
	}
	if l.align != "" {
		align = l.align
	}
	missing := l.width - utf8.RuneCountInString(sign) - utf8.RuneCountInString(s)
	if missing <= 0 {
		return sign + s
	}
	switch align {
	case "<":
		return sign + s + strings.Repeat(fill, missing)
	case "=":
		return sign + strings.Repeat(fill, missing) + s
	case "^":
		return strings.Repeat(fill, missing/2) + sign + s + strings.Repeat(fill, missing-missing/2)
	}
	return fmt.Sprint(strings.Repeat(fill, missing), sign, s)
}
