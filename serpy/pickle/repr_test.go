package pickle

import (
	"fmt"
	"math/big"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestRepr(t *testing.T) {
	one := []any{1}
	self := &Set{}
	self.Items = []any{&Tuple{Items: []any{self}}}
	for _, c := range []struct {
		v    any
		want string
	}{
		{nil, "None"},
		{"it's", `"it's"`},
		{1.2345e-5, "1.2345e-05"},
		{-1.2345e300, "-1.2345e+300"},
		{"\x7f \u00ad\uffff\U00010fff", `'\x7f \xad\uffff\U00010fff'`},
		{[]byte(`"'`), `b'"\''`},
		{big.NewInt(-7), "-7"},
		{&List{Items: one}, "[1]"},
		{&Tuple{Items: one}, "(1,)"},
		{&Set{Items: one}, "{1}"},
		{&FrozenSet{Items: one}, "frozenset({1})"},
		{&ByteArray{Bytes: []byte("a")}, "bytearray(b'a')"},
		{&Dict{Pairs: []Pair{{1, "a"}}}, "{1: 'a'}"},
		{&Global{"os", "system"}, "<os.system>"},
		{&Call{Func: &Global{"os", "system"}}, "<os.system()>"},
		{[]any{1, uint8(2)}, "<[]interface {}>"},
		{self, "{(...,)}"},
	} {
		if got := Repr(c.v); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
		if s, ok := c.v.(fmt.Stringer); ok && s.String() != c.want {
			t.Errorf("String: %s, want %s", s, c.want)
		}
	}
}

// Values that are enormous in print are cut, and cost no more than what is
// printed.
func TestReprCut(t *testing.T) {
	bomb := any("x")
	for range 90 {
		bomb = &List{Items: []any{bomb, bomb}}
	}
	pairs := &Dict{}
	for i := range 100_000 {
		pairs.Pairs = append(pairs.Pairs, Pair{i, i})
	}
	deep := any(1)
	for range 1_000_000 {
		deep = &Tuple{Items: []any{deep}}
	}
	long := strings.Repeat("long", 1<<20)
	whole := strings.Repeat("x", maxRepr-2)
	if got := Repr(whole); got != "'"+whole+"'" {
		t.Errorf("%d bytes are cut to %d", maxRepr, len(got))
	}
	largest := new(big.Int).Lsh(big.NewInt(1), maxReprBits-1)
	if got := Repr(largest); strings.HasPrefix(got, "<") {
		t.Error(got)
	}
	if got := Repr(new(big.Int).Exp(big.NewInt(10), big.NewInt(4299), nil)); len(got) != 4300 {
		t.Errorf("an integer of 4300 digits, as many as are read, is printed %.20s", got)
	}
	if got := Repr(largest.Lsh(largest, 1)); !strings.HasPrefix(got, "<an int of") {
		t.Errorf("%.20s", got)
	}
	for _, c := range []struct {
		v      any
		prefix string
		size   int
	}{
		{bomb, "[[[", maxRepr + 3},
		{pairs, "{0: 0, 1: 1, ", maxRepr + 3},
		{long, "'longlong", maxRepr + 3},
		{[]byte(long), "b'longlong", maxRepr + 3},
		{"x" + strings.Repeat("日", 1<<20), "'x日日", maxRepr - 2 + 3},
		{&List{Items: []any{long, long}}, "['longlong", maxRepr + 3},
		{deep, "((((", 100 + 3 + 200},
	} {
		got := Repr(c.v)
		if len(got) != c.size || !strings.HasPrefix(got, c.prefix) || !strings.Contains(got, "...") || !utf8.ValidString(got) {
			t.Errorf("%T: %d bytes, %.100s", c.v, len(got), got)
		}
	}
}
