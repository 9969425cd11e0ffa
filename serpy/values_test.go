package serpy

import (
	"bytes"
	"testing"

	"github.com/parley-net/parley/internal/recorded"
	"github.com/parley-net/parley/serpy/pickle"
	"github.com/parley-net/parley/wire"
)

func list(items ...any) *pickle.List   { return &pickle.List{Items: items} }
func tuple(items ...any) *pickle.Tuple { return &pickle.Tuple{Items: items} }
func dict(pairs ...any) *pickle.Dict {
	d := &pickle.Dict{}
	for i := 0; i < len(pairs); i += 2 {
		d.Pairs = append(d.Pairs, pickle.Pair{Key: pairs[i], Value: pairs[i+1]})
	}
	return d
}

// objects are the Python values in the transcripts that have no other form
// there than their repr().
func objects(repr string) (v any, ok bool) {
	switch repr {
	case "[1]":
		return list(1), true
	case "[6]":
		return list(6), true
	case "[7]":
		return list(7), true
	case "[1, 2, 3]":
		return list(1, 2, 3), true
	case "[1, [2, [3]]]":
		return list(1, list(2, list(3))), true
	case "[]":
		return list(), true
	case "{}":
		return dict(), true
	case "()":
		return tuple(), true
	case "(1, 'two', None)":
		return tuple(1, "two", nil), true
	case "{'a': 1}":
		return dict("a", 1), true
	case "{'a': [1, 2]}":
		return dict("a", list(1, 2)), true
	case "{'a': 1, 'b': [1, 2.5, 'x']}":
		return dict("a", 1, "b", list(1, 2.5, "x")), true
	case "{'n': {'m': [{'k': (1,)}]}}":
		return dict("n", dict("m", list(dict("k", tuple(1))))), true
	case "{1, 2, 3}":
		return &pickle.Set{Items: []any{1, 2, 3}}, true
	case "1j":
		return complex(0, 1), true
	}
	return nil, false
}

// toMessage returns the message for a value that an original was given.
func toMessage(t testing.TB, v recorded.Value) wire.Message {
	switch v.Type {
	case "bytes", "str", "int", "float":
		return v.Message()
	case "bool":
		return wire.Object(v.Bool)
	case "none":
		return wire.Object(nil)
	}
	o, ok := objects(v.Repr)
	if !ok {
		t.Fatalf("no value for %s", v.Repr)
	}
	return wire.Object(o)
}

// checkMessages compares what our side received with what an original did.
func checkMessages(t *testing.T, got []wire.Message, want []recorded.Value) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d messages %v, want %d", len(got), got, len(want))
	}
	for i, m := range got {
		v := want[i]
		var same bool
		switch v.Type {
		case "bytes":
			// A bytearray stands in the transcripts as bytes.
			b := m.Bytes()
			if array, ok := m.Object().(*pickle.ByteArray); ok {
				b = array.Bytes
			}
			same = m.Type() != wire.TypeText && bytes.Equal(b, v.Bytes)
		case "str":
			same = m.Type() == wire.TypeText && m.Text() == v.Text
		case "bool":
			same = m.Type() == wire.TypeObject && m.Object() == v.Bool
		case "none":
			same = m.Type() == wire.TypeObject && m.Object() == nil
		default:
			same = m.Type() == wire.TypeObject && pickle.Repr(m.Object()) == v.Repr
		}
		if !same {
			t.Errorf("message %d is %v (%s), want %s %s%s % x", i, m, pickle.Repr(m.Object()), v.Type, v.Repr, v.Text, v.Bytes)
		}
	}
}
