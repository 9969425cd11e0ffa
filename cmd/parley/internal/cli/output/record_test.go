package output

import (
	"bytes"
	"math"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy/pickle"
)

// A record carries a message unchanged, as far as there is anything to carry.
func TestRecords(t *testing.T) {
	list := &pickle.List{Items: []any{int64(1), 1.0, 1e300, nil, true, "é\n<>", new(big.Int).Lsh(big.NewInt(1), 70), &pickle.List{}, &pickle.Dict{}}}
	dict := &pickle.Dict{Pairs: []pickle.Pair{{Key: "b", Value: list}, {Key: "a", Value: int64(-5)}}}
	for _, m := range []parley.Message{
		parley.Text(""), parley.Text("hello"), parley.Text("<grüß>\n\x00"), parley.Text("\xff"),
		parley.Bytes(nil), parley.Bytes([]byte("hello")), parley.Bytes([]byte{0, 0xff}),
		parley.Int(-5), parley.BigInt(new(big.Int).Lsh(big.NewInt(-1), 99)),
		parley.Float(1.5), parley.Float(math.Inf(-1)), parley.Float(math.Copysign(0, -1)), parley.Float(5e-324),
		parley.Object(dict), parley.Object(nil), parley.Object("x"), parley.Object(list),
		serpy.WithMode(parley.Text("x"), 3), serpy.WithMode(parley.Object(dict), 5),
	} {
		line, err := NewRecord(m).AppendLine(nil)
		if err != nil {
			t.Errorf("%v: %v", m, err)
			continue
		}
		r, err := ParseRecord(line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		got, err := r.Message()
		mode, ok := serpy.Mode(m)
		gotMode, gotOK := serpy.Mode(got)
		if err != nil || got.Type() != m.Type() || got.Text() != m.Text() || !bytes.Equal(got.Bytes(), m.Bytes()) ||
			mode != gotMode || ok != gotOK || !reflect.DeepEqual(got.Object(), m.Object()) {
			t.Errorf("%v became %v through %s (%v)", m, got, line, err)
		}
	}
}

// What JSON can't carry unchanged is shown, not changed.
func TestObjectsWithoutJSON(t *testing.T) {
	loop := &pickle.List{}
	loop.Items = []any{loop}
	wide := any(int64(1))
	for range 40 {
		wide = &pickle.List{Items: []any{wide, wide}}
	}
	for _, v := range []any{
		[]byte("x"), &pickle.Tuple{}, math.NaN(), math.Inf(1), loop, wide, &pickle.Dict{Ordered: true},
		&pickle.Dict{Pairs: []pickle.Pair{{Key: int64(1), Value: nil}}}, &pickle.List{Items: []any{&pickle.Set{}}},
	} {
		r := NewRecord(parley.Object(v))
		if r.JSON != nil || r.Text == nil {
			t.Errorf("%.40s: got %s", pickle.Repr(v), r.JSON)
			continue
		}
		if _, err := r.Message(); err == nil {
			t.Errorf("%.40s: its record can be sent", pickle.Repr(v))
		}
	}
}

func TestRecordMistakes(t *testing.T) {
	for line, want := range map[string]string{
		``:                             "EOF",
		`{}`:                           "want one of",
		`[]`:                           "cannot unmarshal",
		`{"text":"a"} {}`:              "more than one",
		`{"text":"a","b64":"AA=="}`:    "want one of",
		`{"text":"a","kind":"word"}`:   `kind "word"`,
		`{"text":"a","kind":"object"}`: `needs "json"`,
		`{"text":"a","kind":"int"}`:    "want an integer",
		`{"text":"a","mode":6}`:        "mode 6",
		`{"b64":"A"}`:                  "illegal base64",
		`{"b64":"AA==","kind":"int"}`:  `kind "int"`,
		`{"json":1,"kind":"int"}`:      `kind "int"`,
		`{"json":1e999}`:               "out of a float's range",
		`{"txet":"a"}`:                 "unknown field",
	} {
		r, err := ParseRecord([]byte(line))
		if err == nil {
			_, err = r.Message()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
}
