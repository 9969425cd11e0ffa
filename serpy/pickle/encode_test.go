package pickle

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math"
	"math/big"
	"strings"
	"testing"
)

// native holds Go's own types, the Python expression of the same value, and
// its repr.
func native() []struct {
	v          any
	expression string
	repr       string
} {
	long := strings.Repeat("long", 100)
	list := &List{Items: []any{1}}
	deep := any([]any{})
	for range maxNative - 1 {
		deep = []any{deep}
	}
	manyKeys := &Dict{}
	for i := range 300 {
		manyKeys.Pairs = append(manyKeys.Pairs, Pair{fmt.Sprint("key", i), fmt.Sprint("key", i)})
	}
	return []struct {
		v          any
		expression string
		repr       string
	}{
		{int(-1), "-1", "-1"},
		{int8(-8), "-8", "-8"},
		{int16(-16), "-16", "-16"},
		{int32(-32), "-32", "-32"},
		{int64(math.MinInt64), "-2**63", "-9223372036854775808"},
		{uint(1), "1", "1"},
		{uint8(8), "8", "8"},
		{uint16(math.MaxUint16), "65535", "65535"},
		{uint32(math.MaxUint32), "2**32-1", "4294967295"},
		{uint64(math.MaxUint64), "2**64-1", "18446744073709551615"},
		{uint64(math.MaxInt64), "2**63-1", "9223372036854775807"},
		{big.NewInt(5), "5", "5"},
		{new(big.Int).Neg(new(big.Int).Lsh(big.NewInt(1), 71)), "-2**71", "-2361183241434822606848"},
		{float32(1.5), "1.5", "1.5"},
		{complex64(1 + 2i), "1+2j", "(1+2j)"},
		{[]byte(nil), "b''", "b''"},
		{[]any(nil), "[]", "[]"},
		{[]any{1, "a", []any{nil}}, "[1, 'a', [None]]", "[1, 'a', [None]]"},
		{map[string]any{"b": 1, "a": []any{}, "c": map[string]any{}}, "{'a': [], 'b': 1, 'c': {}}", "{'a': [], 'b': 1, 'c': {}}"},
		{&List{}, "[]", "[]"},
		{&Tuple{}, "()", "()"},
		{&Dict{}, "{}", "{}"},
		{&Dict{Ordered: true}, "collections.OrderedDict()", "OrderedDict({})"},
		{&Set{}, "set()", "set()"},
		{&FrozenSet{}, "frozenset()", "frozenset()"},
		{&ByteArray{}, "bytearray()", "bytearray(b'')"},
		{&Dict{Pairs: []Pair{{"a", 1}, {"a", 2}}}, "{'a': 2}", "{'a': 1, 'a': 2}"},
		{&Set{Items: []any{long, &Tuple{Items: []any{long}}}}, "", ""},
		{&Tuple{Items: []any{list, list, long, long, []byte(long)}},
			"([1], [1], 'long'*100, 'long'*100, b'long'*100)",
			"([1], [1], '" + long + "', '" + long + "', b'" + long + "')"},
		{&Dict{Pairs: []Pair{{long, long}}}, "{'long'*100: 'long'*100}", "{'" + long + "': '" + long + "'}"},
		{deep, "", strings.Repeat("[", 100) + "..." + strings.Repeat("]", 100)},
		{[]any{manyKeys, &Dict{Pairs: manyKeys.Pairs}}, "[{'key%d' % i: 'key%d' % i for i in range(300)}] * 2", ""},
	}
}

// Verifies: PICKLE-02, PICKLE-03
func TestNative(t *testing.T) {
	for _, c := range native() {
		for _, protocol := range []int{2, 4, 5} {
			p, err := Append([]byte("x"), c.v, protocol)
			if err != nil || p[0] != 'x' {
				t.Errorf("%T %s: %q, %v", c.v, c.expression, p, err)
				continue
			}
			got, err := Decode(p[1:], Limits{})
			if err != nil || c.repr != "" && Repr(got) != c.repr {
				t.Errorf("%T protocol %d: %.200s, %v, want %.200s", c.v, protocol, Repr(got), err, c.repr)
			}
		}
	}
}

// The oracle: Python reads Go's own types as we say, and keys, long texts and
// lists that occur twice are one object there.
func TestPythonReadsNative(t *testing.T) {
	var ask strings.Builder
	var want []string
	add := func(v any, expression string) {
		for _, protocol := range []int{2, 4, 5} {
			p, err := AppendCalls(nil, v, protocol)
			if err != nil {
				t.Fatal(err)
			}
			ask.WriteString(expression + "\t" + hex.EncodeToString(p) + "\n")
			want = append(want, expression)
		}
	}
	for _, c := range native() {
		if c.expression != "" {
			add(c.v, c.expression)
		}
	}
	answers := strings.Split(strings.TrimSuffix(python(t, ask.String(), "check"), "\n"), "\n")
	if len(answers) != len(want) {
		t.Fatalf("%d answers to %d questions", len(answers), len(want))
	}
	reprs := strings.Split(strings.TrimSuffix(python(t, strings.Join(want, "\n")+"\n", "show"), "\n"), "\n")
	for i := range want {
		if answers[i] != reprs[i] {
			t.Errorf("%s: Python reads %s", want[i], answers[i])
		}
	}
}

// Python's `is` on what we write.
func TestPythonSharing(t *testing.T) {
	long := strings.Repeat("x", 100)
	longBytes := []byte(long)
	integer := new(big.Int).Lsh(big.NewInt(1), 1000)
	global := &Global{"datetime", "timedelta"}
	call := &Call{Func: global, Args: &Tuple{Items: []any{1}}}
	var ask strings.Builder
	var asked []any
	for _, v := range []any{
		&List{Items: []any{1}}, &Tuple{Items: []any{1}}, &Tuple{Items: []any{1, 2, 3, 4, 5}}, &Dict{Pairs: []Pair{{1, 2}}},
		&Dict{Ordered: true}, &Set{Items: []any{1}}, &FrozenSet{Items: []any{1}}, &ByteArray{Bytes: []byte("a")},
		long, longBytes, integer, global, call,
	} {
		for _, protocol := range []int{2, 4, 5} {
			p, err := AppendCalls(nil, []any{v, v}, protocol)
			if err != nil {
				t.Fatal(err)
			}
			ask.WriteString(hex.EncodeToString(p) + "\n")
			asked = append(asked, v)
		}
	}
	answers := strings.Fields(python(t, ask.String(), "same"))
	if len(answers) != len(asked) {
		t.Fatalf("%d answers to %d questions", len(answers), len(asked))
	}
	for i, v := range asked {
		if answers[i] != "True" {
			t.Errorf("%s twice is not one object in Python", Repr(v))
		}
	}
}

// Verifies: PICKLE-04, PICKLE-10
func TestAppendErrors(t *testing.T) {
	loop := []any{nil}
	loop[0] = loop
	pure := &Tuple{Items: []any{nil}}
	pure.Items[0] = pure
	frozen := &FrozenSet{Items: []any{nil}}
	frozen.Items[0] = frozen
	call := &Call{Func: &Global{"a", "b"}, Args: &Tuple{Items: []any{nil}}}
	call.Args.Items[0] = call
	kwargs := &Call{Func: &Global{"a", "b"}, New: true, Kwargs: &Dict{}}
	for _, c := range []struct {
		v         any
		protocols []int
		want      string
	}{
		{1, []int{-1, 0, 1, 3, 6}, "can't write protocol"},
		{struct{}{}, nil, "can't write a struct {}"},
		{List{}, nil, "can't write a pickle.List"},
		{[]string{}, nil, "can't write a []string"},
		{new(int), nil, "can't write a *int"},
		{(*List)(nil), nil, "can't write a nil *pickle.List"},
		{(*big.Int)(nil), nil, "can't write a nil *big.Int"},
		{"\xff", nil, "not valid UTF-8"},
		{"\xed\xa0\x80", nil, "not valid UTF-8"},
		{map[string]any{"\xff": 1}, nil, "not valid UTF-8"},
		{&Dict{Pairs: []Pair{{&List{}, 1}}}, nil, "a *pickle.List can't be a key"},
		{&Dict{Pairs: []Pair{{[]any{}, 1}}}, nil, "a []interface {} can't be a key"},
		{&Set{Items: []any{&Dict{}}}, nil, "a *pickle.Dict can't be a key or an element of a set"},
		{&FrozenSet{Items: []any{&ByteArray{}}}, nil, "a *pickle.ByteArray can't be a key or an element of a set"},
		{loop, nil, "nested deeper than 1000"},
		{pure, nil, "*pickle.Tuple contains itself"},
		{frozen, nil, "*pickle.FrozenSet contains itself"},
		{[]any{1, &Global{"os", "system"}}, nil, "*pickle.Global would make the reader execute code"},
		{&List{Items: []any{&Call{}}}, nil, "*pickle.Call would make the reader execute code"},
	} {
		if c.protocols == nil {
			c.protocols = []int{2, 4, 5}
		}
		for _, protocol := range c.protocols {
			dst := []byte("x")
			got, err := Append(dst, c.v, protocol)
			if err == nil || !strings.HasPrefix(err.Error(), "pickle: ") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%T, protocol %d: %v, want %q", c.v, protocol, err, c.want)
			}
			if string(got) != "x" {
				t.Errorf("%T, protocol %d: %q was appended", c.v, protocol, got)
			}
		}
	}
	for _, c := range []struct {
		v        any
		protocol int
		want     string
	}{
		{call, 4, "*pickle.Call contains itself"},
		{&Call{}, 4, "the Func of a Call is a <nil>"},
		{kwargs, 2, "needs New and protocol 4 or 5"},
		{&Call{Func: &Global{"a", "b"}, Kwargs: &Dict{}}, 5, "needs New and protocol 4 or 5"},
		{&Global{"a\n", "b"}, 2, "can't be named in protocol 2"},
		{&Global{"a", "b.c"}, 2, "can't be named in protocol 2"},
		{&Global{"__builtin__", "b"}, 2, "can't be named in protocol 2"},
		{&Global{"builtins", "long"}, 2, "can't be named in protocol 2"},
		{&Global{"a", "b\xff"}, 2, "can't be named in protocol 2"},
		{&Global{"a", "b\xff"}, 4, "not valid UTF-8"},
	} {
		if _, err := AppendCalls(nil, c.v, c.protocol); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%T, protocol %d: %v, want %q", c.v, c.protocol, err, c.want)
		}
	}
}

// A Call is written as it was read.
//
// Verifies: PICKLE-04
func TestCallRoundTrip(t *testing.T) {
	inner := &Call{Func: &Global{"a", "f"}}
	c := &Call{
		Func: inner, New: true, Args: &Tuple{Items: []any{int64(1)}},
		Kwargs: &Dict{Pairs: []Pair{{"k", "v"}}},
		Items:  []any{"i", "j"}, Pairs: []Pair{{"p", "q"}}, State: &Dict{},
	}
	c.Items = append(c.Items, c) // recursive
	c.State.(*Dict).Pairs = []Pair{{"self", c}}
	const want = "<<a.f()>.__new__(1, **{'k': 'v'}) items=['i', 'j', ...] pairs={'p': 'q'} state={'self': ...}>"
	if Repr(c) != want {
		t.Fatal(Repr(c))
	}
	for _, protocol := range []int{4, 5} {
		p, err := AppendCalls(nil, c, protocol)
		if err != nil {
			t.Fatal(err)
		}
		v, err := Decode(p, Limits{})
		if err != nil || Repr(v) != want {
			t.Fatal(Repr(v), err)
		}
		got := v.(*Call)
		if got.Items[2] != any(got) || got.State.(*Dict).Pairs[0].Value != any(got) {
			t.Error("another object inside")
		}
	}
	// One that is complete only after a list inside its arguments has been
	// written with it: it is written as a part of itself, and once.
	list := &List{}
	c = &Call{Func: &Global{"a", "b"}, Args: &Tuple{Items: []any{list}}, Items: []any{int64(1)}, State: int64(2)}
	list.Items = []any{c}
	for _, protocol := range []int{2, 4, 5} {
		p, err := AppendCalls(nil, c, protocol)
		if err != nil {
			t.Fatal(err)
		}
		v, err := Decode(p, Limits{})
		if want := "<a.b([...]) items=[1] state=2>"; err != nil || Repr(v) != want {
			t.Error(Repr(v), err)
		}
		if got, ok := v.(*Call); !ok || got.Args.Items[0].(*List).Items[0] != any(got) {
			t.Error("another object inside")
		}
	}
}

// A tuple with many lists that contain it is written in time and space
// proportional to its size, or refused.
func TestEntangled(t *testing.T) {
	tuple := func(n int) *Tuple {
		t := &Tuple{}
		for range n {
			t.Items = append(t.Items, &List{Items: []any{t}})
		}
		return t
	}
	p, err := Append(nil, tuple(maxEntangled-1), 4)
	if err != nil {
		t.Fatal(err)
	}
	v, err := Decode(p, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for _, item := range v.(*Tuple).Items {
		if list := item.(*List); len(list.Items) != 1 || list.Items[0] != v {
			t.Fatal("another object inside")
		}
	}
	if _, err := Append(nil, tuple(100_000), 4); err == nil || !strings.Contains(err.Error(), "contains itself") {
		t.Error(err)
	}
}

// What is shared is not written out again and again.
func TestNoBlowUp(t *testing.T) {
	var in bytes.Buffer
	in.WriteString("(X\x00\x00\x10\x00" + strings.Repeat("x", 1<<20) + "q\x00B\x00\x00\x10\x00" + strings.Repeat("x", 1<<20) + "q\x01" +
		"\x8b\x00\x00\x10\x00" + strings.Repeat("x", 1<<20) + "q\x02")
	in.WriteString(strings.Repeat("h\x00h\x01h\x02", 1000) + "l.")
	v, err := Decode(in.Bytes(), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	for _, protocol := range []int{2, 4, 5} {
		p, err := Append(nil, v, protocol)
		if err != nil || len(p) > 2*in.Len() {
			t.Errorf("protocol %d: %d bytes become %d, %v", protocol, in.Len(), len(p), err)
		}
	}
}

func TestAppendAllocation(t *testing.T) {
	dst := make([]byte, 0, 1000)
	payload := any(bytes.Repeat([]byte("x"), 500))
	for _, v := range []any{nil, true, 1 << 30, 1.5, "text", payload} {
		if n := testing.AllocsPerRun(100, func() {
			if _, err := Append(dst, v, 5); err != nil {
				t.Error(err)
			}
		}); n != 0 {
			t.Errorf("%T: %v allocations", v, n)
		}
	}
}
