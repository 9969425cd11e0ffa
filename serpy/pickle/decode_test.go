package pickle

import (
	"errors"
	"io"
	"math"
	"math/big"
	"strings"
	"testing"
)

// The calls by which Python writes its own types, and what only looks like
// them.
func TestConstructors(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"c_codecs\nencode\n(Va\xe9\nVlatin1\ntR.", `b'a\xe9'`},
		{"c_codecs\nencode\n(Va\xe9\nVlatin-1\ntR.", `b'a\xe9'`},
		{"c_codecs\nencode\n(Va\\u0100\nVlatin1\ntR.", `<_codecs.encode('aĀ', 'latin1')>`},
		{"c_codecs\nencode\n(Va\nVutf-8\ntR.", `<_codecs.encode('a', 'utf-8')>`},
		{"c_codecs\nencode\n(K\x01Vlatin1\ntR.", `<_codecs.encode(1, 'latin1')>`},
		{"c_codecs\nencode\n)R.", `<_codecs.encode()>`},
		{"c_codecs\ndecode\n)R.", `<_codecs.decode()>`},
		{"c__builtin__\nbytes\n)R.", `b''`},
		{"c__builtin__\nbytes\nK\x05\x85R.", `<builtins.bytes(5)>`},
		{"c__builtin__\nbytearray\n)R.", `bytearray(b'')`},
		{"c__builtin__\nbytearray\nC\x01a\x85R.", `bytearray(b'a')`},
		{"c__builtin__\nbytearray\nVa\nVlatin-1\n\x86R.", `bytearray(b'a')`},
		{"c__builtin__\nbytearray\nK\x05\x85R.", `<builtins.bytearray(5)>`},
		{"c__builtin__\nset\n)R.", `set()`},
		{"c__builtin__\nset\n](K\x01K\x02e\x85R.", `{1, 2}`},
		{"c__builtin__\nset\nK\x01\x85\x85R.", `{1}`},
		{"c__builtin__\nset\nK\x01\x85R.", `<builtins.set(1)>`},
		{"c__builtin__\nset\n))\x86R.", `<builtins.set((), ())>`},
		{"c__builtin__\nset\n)\x81.", `<builtins.set.__new__()>`},
		{"c__builtin__\nfrozenset\n)R.", `frozenset()`},
		{"c__builtin__\nfrozenset\n](K\x01e\x85R.", `frozenset({1})`},
		{"c__builtin__\nfrozenset\nN\x85R.", `<builtins.frozenset(None)>`},
		{"c__builtin__\ncomplex\nF1\nF2\n\x86R.", `(1+2j)`},
		{"c__builtin__\ncomplex\nF1\n\x85R.", `<builtins.complex(1.0)>`},
		{"c__builtin__\ncomplex\nNN\x86R.", `<builtins.complex(None, None)>`},
		{"ccollections\nOrderedDict\n)R.", `OrderedDict({})`},
		{"ccollections\nOrderedDict\n)RK\x01K\x02s.", `OrderedDict({1: 2})`},
		{"ccollections\nOrderedDict\n](K\x01K\x02\x86](K\x03K\x04ee\x85R.", `OrderedDict({1: 2, 3: 4})`},
		{"ccollections\nOrderedDict\n](K\x01e\x85R.", `<collections.OrderedDict([1])>`},
		{"ccollections\nOrderedDict\n](K\x01\x85e\x85R.", `<collections.OrderedDict([(1,)])>`},
		{"ccollections\nOrderedDict\nN\x85R.", `<collections.OrderedDict(None)>`},
	} {
		got, err := Decode([]byte(c.in), Limits{})
		if err != nil || Repr(got) != c.want {
			t.Errorf("%q: %s, %v, want %s", c.in, Repr(got), err, c.want)
		}
	}
	// A frozen copy: the list that a set was made from can still be changed.
	v, err := Decode([]byte("]q\x00c__builtin__\nset\nh\x00\x85Rh\x00K\x01a\x87."), Limits{})
	if want := "([1], set(), [1])"; err != nil || Repr(v) != want {
		t.Errorf("%s, %v, want %s", Repr(v), err, want)
	}
}

func TestTypes(t *testing.T) {
	v, err := Decode([]byte("(K\x07L99999999999999999999L\nF1\nVa\nC\x01bN\x88c__builtin__\ncomplex\nF1\nF2\n\x86Rl."), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	items := v.(*List).Items
	big, _ := new(big.Int).SetString("99999999999999999999", 10)
	if items[0] != any(int64(7)) || items[1].(interface{ String() string }).String() != big.String() || items[2] != any(1.0) ||
		items[3] != any("a") || string(items[4].([]byte)) != "b" || items[5] != nil || items[6] != any(true) || items[7] != any(1+2i) {
		t.Errorf("%#v", items)
	}
}

// Verifies: PICKLE-05
func TestIdentity(t *testing.T) {
	decode := func(p string) any {
		t.Helper()
		v, err := Decode([]byte(p), Limits{})
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for _, rewrite := range []int{-1, 2, 4, 5} {
		again := func(v any) any {
			t.Helper()
			if rewrite < 0 {
				return v
			}
			p, err := Append(nil, v, rewrite)
			if err != nil {
				t.Fatal(err)
			}
			return decode(string(p))
		}
		// x = []; [x, x]
		list := again(decode("](]q\x00h\x00e.")).(*List)
		list.Items[0].(*List).Items = []any{int64(1)}
		if Repr(list) != "[[1], [1]]" {
			t.Errorf("protocol %d: not shared: %s", rewrite, list)
		}
		// The same for the other types with an identity.
		for _, p := range []string{"}", "\x8f", "K\x01\x85", "(K\x01\x91", "\x96\x00\x00\x00\x00\x00\x00\x00\x00"} {
			tuple := again(decode(p + "2\x86.")).(*Tuple)
			if tuple.Items[0] != tuple.Items[1] {
				t.Errorf("protocol %d: not shared: %q", rewrite, p)
			}
		}
		// l = []; l.append(l)
		list = again(decode("]2a.")).(*List)
		if len(list.Items) != 1 || list.Items[0] != any(list) {
			t.Errorf("protocol %d: not recursive: %s", rewrite, list)
		}
		// d = {}; d[0] = d
		dict := again(decode("}q\x00K\x00h\x00s.")).(*Dict)
		if len(dict.Pairs) != 1 || dict.Pairs[0].Value != any(dict) {
			t.Errorf("protocol %d: not recursive: %s", rewrite, dict)
		}
		// t = ([],); t[0].append(t)
		tuple := again(decode("]q\x00h\x00\x85q\x01a0h\x01.")).(*Tuple)
		if inner, ok := tuple.Items[0].(*List); !ok || len(inner.Items) != 1 || inner.Items[0] != any(tuple) {
			t.Errorf("protocol %d: not recursive: %s", rewrite, tuple)
		}
	}
	// Strings, byte strings and big integers share their memory.
	v := decode("C\x64" + strings.Repeat("x", 100) + "2\x86.").(*Tuple)
	if &v.Items[0].([]byte)[0] != &v.Items[1].([]byte)[0] {
		t.Error("bytes are not shared")
	}
}

// Nothing of a value refers to the pickle: whoever received it reuses the
// buffer.
func TestIndependence(t *testing.T) {
	in := []byte("(C\x03abcVdef\nX\x03\x00\x00\x00ghiU\x03jkl\x96\x03\x00\x00\x00\x00\x00\x00\x00mnocp\nq\nL99999999999999999999\nt.")
	v, err := Decode(in, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	before := Repr(v)
	clear(in)
	if after := Repr(v); after != before {
		t.Errorf("%s became %s", before, after)
	}
}

// Every pickle that is cut short says so, unless what is left is damaged in
// another way first.
//
// Verifies: PICKLE-08
func TestCutShort(t *testing.T) {
	for _, v := range pythonValues(t) {
		for protocol, p := range v.pickles {
			if len(p) > 400 {
				continue
			}
			for n := range p {
				got, err := Decode(p[:n], Limits{})
				if !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Fatalf("%s, protocol %d, %d of %d bytes: %s, %v", v.expression, protocol, n, len(p), Repr(got), err)
				}
			}
		}
	}
}

func TestErrorText(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"N(\x85.", "pickle: at byte 2, TUPLE1: the stack holds too little: the data is damaged"},
		{"N", "pickle: at byte 1: the pickle is cut short: unexpected EOF"},
		{"K", "pickle: at byte 0, BININT1: the pickle is cut short: unexpected EOF"},
		{"X\x02\x00\x00\x00ab", "pickle: at byte 7: the pickle is cut short: unexpected EOF"},
		{"X\x03\x00\x00\x00ab", "pickle: at byte 0, BINUNICODE: the pickle is cut short: unexpected EOF"},
		{"\x00", "pickle: at byte 0: byte 0x00 is no opcode: the data is damaged or is no pickle"},
		{"Nr\x07\x00\x00\x00.", "pickle: at byte 1, LONG_BINPUT: memo number beyond the length of the pickle: limit exceeded"},
		{"Nr\xff\xff\xff\xff.", "pickle: at byte 1, LONG_BINPUT: memo number beyond the length of the pickle: limit exceeded"},
	} {
		_, err := Decode([]byte(c.in), Limits{})
		if err == nil || err.Error() != c.want {
			t.Errorf("%q:\ngot  %v\nwant %s", c.in, err, c.want)
		}
	}
	if v, err := Decode([]byte("Nr\x06\x00\x00\x00."), Limits{}); v != nil || err != nil {
		t.Errorf("the largest memo number: %v, %v", v, err)
	}
}

// A str of Python 2 is ASCII, up to its last character, and may be empty.
func TestPython2Text(t *testing.T) {
	for in, want := range map[string]any{
		"S'\\x41'\n.": "A", "S'\\x4'\n.": nil, "S''\n.": "", "S\"\"\n.": "", "S'\x7f'\n.": "\x7f", "U\x01\x7f.": "\x7f",
		"S'\n.": nil, "S\n.": nil, "S'\x80'\n.": nil, "U\x01\x80.": nil,
	} {
		v, err := Decode([]byte(in), Limits{})
		if v != want || (err == nil) != (want != nil) {
			t.Errorf("%q: %q, %v, want %q", in, v, err, want)
		}
	}
}

func TestGet(t *testing.T) {
	big1, big2 := new(big.Int).Lsh(big.NewInt(1), 100), new(big.Int).Lsh(big.NewInt(1), 100)
	d := &Dict{Pairs: []Pair{
		{"a", int64(1)}, {int64(5), "five"}, {nil, "none"}, {true, "yes"}, {1.5, "float"},
		{[]byte("k"), "bytes"}, {big1, "big"}, {&Tuple{}, "tuple"}, {"a", int64(2)},
	}}
	if v, ok := (&Dict{Pairs: []Pair{{"first", 1}, {"a", 2}}}).Get("first"); !ok || v != 1 {
		t.Errorf("Get of the first key = %v, %v", v, ok)
	}
	for _, c := range []struct{ key, want any }{
		{"a", int64(2)}, {5, "five"}, {int64(5), "five"}, {nil, "none"}, {true, "yes"}, {1.5, "float"},
		{[]byte("k"), "bytes"}, {big2, "big"},
	} {
		if got, ok := d.Get(c.key); !ok || got != c.want {
			t.Errorf("Get(%#v) = %v, %v, want %v", c.key, got, ok, c.want)
		}
	}
	for _, key := range []any{"b", 6, false, 2.5, math.NaN(), []byte("x"), big.NewInt(5), &Tuple{}, []any{}, uint(5)} {
		if got, ok := d.Get(key); ok || got != nil {
			t.Errorf("Get(%#v) = %v", key, got)
		}
	}
}
