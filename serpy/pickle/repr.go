package pickle

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"unicode"
	"unicode/utf8"
)

// Repr returns v, a value as Decode makes it, as Python's repr() shows it, for
// logs and for people: a dict as {'a': [1, 2]}. A *Call and a *Global, and any
// type that Decode does not make, stand in angle brackets. The text has no
// line breaks; "..." stands for what is inside itself or nested more than 100
// deep, and for what follows the first 64 KiB.
func Repr(v any) string {
	var r printer
	r.value(v)
	if len(r.out) > maxRepr {
		cut := maxRepr
		for !utf8.RuneStart(r.out[cut]) {
			cut--
		}
		r.out = append(r.out[:cut], "..."...)
	}
	return string(r.out)
}

// String returns Repr(l).
func (l *List) String() string { return Repr(l) }

// String returns Repr(t).
func (t *Tuple) String() string { return Repr(t) }

// String returns Repr(b).
func (b *ByteArray) String() string { return Repr(b) }

// String returns Repr(s).
func (s *Set) String() string { return Repr(s) }

// String returns Repr(s).
func (s *FrozenSet) String() string { return Repr(s) }

// String returns Repr(d).
func (d *Dict) String() string { return Repr(d) }

// String returns Repr(g).
func (g *Global) String() string { return Repr(g) }

// String returns Repr(c).
func (c *Call) String() string { return Repr(c) }

const (
	maxRepr      = 64 << 10
	maxReprDepth = 100
	maxReprBits  = 4300 * 10 / 3 // of an integer: printing one takes quadratic time
)

// printer stops by itself soon after maxRepr bytes: values can share parts in
// such a way that they are exponentially longer in print than in memory.
type printer struct {
	out  []byte
	path []any // what the value being printed is inside of
}

func (r *printer) full() bool { return len(r.out) > maxRepr }

func (r *printer) text(s string) { r.out = append(r.out, s...) }

func (r *printer) value(v any) {
	if r.full() {
		return
	}
	switch v := v.(type) {
	case nil:
		r.text("None")
	case bool:
		if v {
			r.text("True")
		} else {
			r.text("False")
		}
	case int:
		r.out = strconv.AppendInt(r.out, int64(v), 10)
	case int64:
		r.out = strconv.AppendInt(r.out, v, 10)
	case *big.Int:
		if v.BitLen() > maxReprBits {
			r.text("<an int of " + strconv.Itoa(v.BitLen()) + " bits>")
		} else {
			r.out = v.Append(r.out, 10)
		}
	case float64:
		r.float(v, ".0")
	case complex128:
		r.complex(v)
	case string:
		r.str(v)
	case []byte:
		r.bytes(v)
	case *List, *Tuple, *Dict, *Set, *FrozenSet, *ByteArray, *Global, *Call:
		if slices.Contains(r.path, v) || len(r.path) == maxReprDepth {
			r.text("...")
			return
		}
		r.path = append(r.path, v)
		r.node(v)
		r.path = r.path[:len(r.path)-1]
	default:
		r.text(fmt.Sprintf("<%T>", v))
	}
}

func (r *printer) node(v any) {
	switch v := v.(type) {
	case *List:
		r.items("[", v.Items, "]")
	case *Tuple:
		if len(v.Items) == 1 {
			r.items("(", v.Items, ",)")
		} else {
			r.items("(", v.Items, ")")
		}
	case *Dict:
		if v.Ordered {
			r.text("OrderedDict(")
			r.pairs(v.Pairs)
			r.text(")")
		} else {
			r.pairs(v.Pairs)
		}
	case *Set:
		if len(v.Items) == 0 {
			r.text("set()")
		} else {
			r.items("{", v.Items, "}")
		}
	case *FrozenSet:
		if len(v.Items) == 0 {
			r.text("frozenset()")
		} else {
			r.items("frozenset({", v.Items, "})")
		}
	case *ByteArray:
		r.text("bytearray(")
		r.bytes(v.Bytes)
		r.text(")")
	case *Global:
		r.text("<")
		r.name(v)
		r.text(">")
	case *Call:
		r.call(v)
	}
}

func (r *printer) items(open string, items []any, end string) {
	r.text(open)
	for i, v := range items {
		if r.full() {
			return
		}
		if i > 0 {
			r.text(", ")
		}
		r.value(v)
	}
	r.text(end)
}

func (r *printer) pairs(pairs []Pair) {
	r.text("{")
	for i, p := range pairs {
		if r.full() {
			return
		}
		if i > 0 {
			r.text(", ")
		}
		r.value(p.Key)
		r.text(": ")
		r.value(p.Value)
	}
	r.text("}")
}

// name prints what a Global names, with whatever could be mistaken quoted.
func (r *printer) name(g *Global) {
	for i, s := range []string{g.Module, g.Name} {
		if i > 0 {
			r.text(".")
		}
		start := len(r.out)
		r.str(s)
		if quoted := r.out[start:]; isName(s) {
			r.out = append(r.out[:start], quoted[1:len(quoted)-1]...)
		}
	}
}

func isName(s string) bool {
	for _, c := range s {
		if c != '.' && c != '_' && !unicode.IsLetter(c) && !unicode.IsDigit(c) {
			return false
		}
	}
	return s != ""
}

func (r *printer) call(c *Call) {
	r.text("<")
	if g, ok := c.Func.(*Global); ok {
		r.name(g)
	} else {
		r.value(c.Func)
	}
	if c.New {
		r.text(".__new__")
	}
	var args []any
	if c.Args != nil {
		args = c.Args.Items
	}
	r.items("(", args, "")
	if c.Kwargs != nil {
		r.text(", **")
		r.value(c.Kwargs)
	}
	r.text(")")
	if len(c.Items) > 0 {
		r.items(" items=[", c.Items, "]")
	}
	if len(c.Pairs) > 0 {
		r.text(" pairs=")
		r.pairs(c.Pairs)
	}
	if c.State != nil {
		r.text(" state=")
		r.value(c.State)
	}
	r.text(">")
}

// float prints f; a whole number ends with suffix.
func (r *printer) float(f float64, suffix string) {
	switch a := math.Abs(f); {
	case f != f:
		r.text("nan")
	case math.IsInf(f, 1):
		r.text("inf")
	case math.IsInf(f, -1):
		r.text("-inf")
	case a != 0 && (a < 1e-4 || a >= 1e16):
		r.out = strconv.AppendFloat(r.out, f, 'e', -1, 64)
	default:
		r.out = strconv.AppendFloat(r.out, f, 'f', -1, 64)
		if f == math.Trunc(f) {
			r.text(suffix)
		}
	}
}

func (r *printer) complex(c complex128) {
	re, im := real(c), imag(c)
	if re == 0 && !math.Signbit(re) {
		r.float(im, "")
		r.text("j")
		return
	}
	r.text("(")
	r.float(re, "")
	if im != im || !math.Signbit(im) {
		r.text("+")
	}
	r.float(im, "")
	r.text("j)")
}

func (r *printer) str(s string) {
	quote := quoteFor(s[:min(len(s), maxRepr)])
	r.out = append(r.out, quote)
	for _, c := range s {
		if r.full() {
			return
		}
		switch {
		case c < 0x20 || c == 0x7f || c == '\\' || c == rune(quote):
			r.escape(byte(c), quote)
		case c < 0x7f || unicode.IsPrint(c):
			r.out = utf8.AppendRune(r.out, c)
		case c <= 0xff:
			r.hex('x', c, 2)
		case c <= 0xffff:
			r.hex('u', c, 4)
		default:
			r.hex('U', c, 8)
		}
	}
	r.out = append(r.out, quote)
}

func (r *printer) bytes(b []byte) {
	b = b[:min(len(b), maxRepr)]
	quote := quoteFor(string(b))
	r.out = append(r.out, 'b', quote)
	for _, c := range b {
		r.escape(c, quote)
	}
	r.out = append(r.out, quote)
}

func quoteFor(s string) byte {
	quote := byte('\'')
	for i := range len(s) {
		switch s[i] {
		case '"':
			return '\''
		case '\'':
			quote = '"'
		}
	}
	return quote
}

// escape prints a byte of a byte string, or an ASCII character.
func (r *printer) escape(c, quote byte) {
	switch {
	case c == '\n':
		r.text(`\n`)
	case c == '\r':
		r.text(`\r`)
	case c == '\t':
		r.text(`\t`)
	case c == '\\' || c == quote:
		r.out = append(r.out, '\\', c)
	case c < 0x20 || c >= 0x7f:
		r.hex('x', rune(c), 2)
	default:
		r.out = append(r.out, c)
	}
}

func (r *printer) hex(kind byte, c rune, digits int) {
	r.out = append(r.out, '\\', kind)
	for digits--; digits >= 0; digits-- {
		r.out = append(r.out, "0123456789abcdef"[c>>(4*digits)&15])
	}
}
