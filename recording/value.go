package recording

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"unicode/utf8"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy/pickle"
)

// Of returns the value of m: text where its bytes are valid UTF-8 or a number, JSON for
// an object that JSON can carry unchanged, and base64 otherwise.
func Of(m parley.Message) Value {
	v := Value{Kind: m.Type().String(), Invalid: oneline.Invalid(m)}
	if mode, ok := serpy.Mode(m); ok {
		v.Mode = &mode
	}
	p := Payload(m)
	if j, ok := ToJSON(m.Object()); ok && m.Type() == parley.TypeObject {
		v.JSON = j
	} else if utf8.Valid(p) {
		text := string(p)
		v.Text = &text
	} else {
		v.B64 = p
	}
	return v
}

// Payload returns the bytes of a message: for numbers and objects those of their text.
func Payload(m parley.Message) []byte {
	switch m.Type() {
	case parley.TypeBytes, parley.TypeText:
		return m.Bytes()
	case parley.TypeObject:
		return []byte(pickle.Repr(m.Object()))
	}
	return m.AppendText(nil)
}

// Recorded returns how a recording has m. Of a pickle that was not looked into it has
// both the value, for people, and the exact bytes.
func Recorded(m parley.Message) Value {
	var exact []byte
	if IsPickle(m) {
		exact = m.Bytes()
		mode, _ := serpy.Mode(m)
		v, err := pickle.Decode(exact, pickle.Limits{})
		if err != nil {
			return Value{Kind: "object", Pickle: exact, Mode: &mode}
		}
		m = serpy.WithMode(FromPickle(v), mode)
	}
	v := Of(m)
	v.Pickle = exact
	return v
}

// Message returns the message that v says. A pickle that says the same needs no
// value beside it. Its bytes are v's.
func (v Value) Message() (parley.Message, error) {
	isObject := v.Kind == "object" || v.Kind == "" && v.Text == nil
	if v.Pickle != nil && isObject && v.JSON == nil && v.B64 == nil {
		if v.Mode == nil || *v.Mode < 4 {
			return parley.Message{}, errors.New(`a "pickle" needs "mode": 4 or 5`)
		}
		obj, err := pickle.Decode(v.Pickle, pickle.Limits{})
		if err != nil {
			obj = &pickle.Call{} // it is sent as it is
		}
		if v.Text != nil && *v.Text != pickle.Repr(obj) {
			return parley.Message{}, errors.New(`an object's "text" only describes its "pickle": to change it, write "json" in its place`)
		}
		return serpy.WithMode(FromPickle(obj), *v.Mode), nil
	}
	return v.plain()
}

// plain returns the message of a value that is no pickle.
func (v Value) plain() (parley.Message, error) {
	given := 0
	for _, g := range []bool{v.Text != nil, v.B64 != nil, v.JSON != nil} {
		if g {
			given++
		}
	}
	if given != 1 {
		return parley.Message{}, errors.New(`want one of "text", "b64" and "json"`)
	}
	m, err := v.typed()
	if err != nil {
		return m, err
	}
	if v.Mode != nil {
		if *v.Mode < 0 || *v.Mode > 5 {
			return m, fmt.Errorf("mode %d: want 0 to 5", *v.Mode)
		}
		m = serpy.WithMode(m, *v.Mode)
	}
	return m, nil
}

func (v Value) typed() (parley.Message, error) {
	switch {
	case v.JSON != nil:
		if v.Kind != "" && v.Kind != "object" {
			return parley.Message{}, fmt.Errorf(`kind %q with "json": want object`, v.Kind)
		}
		obj, err := FromJSON(v.JSON)
		return parley.Object(obj), err
	case v.B64 != nil:
		switch v.Kind {
		case "", "bytes":
			return parley.Bytes(v.B64), nil
		case "text":
			return parley.Text(string(v.B64)), nil
		}
		return parley.Message{}, fmt.Errorf(`kind %q with "b64": want bytes or text`, v.Kind)
	}
	switch v.Kind {
	case "", "text":
		return parley.Text(*v.Text), nil
	case "bytes":
		return parley.Bytes([]byte(*v.Text)), nil
	case "int":
		i, ok := new(big.Int).SetString(*v.Text, 0)
		if !ok {
			return parley.Message{}, fmt.Errorf("int:%.40s: want an integer: 5, -5, 0xff", *v.Text)
		}
		return parley.BigInt(i), nil
	case "float":
		f, err := strconv.ParseFloat(*v.Text, 64)
		if err != nil {
			return parley.Message{}, fmt.Errorf("float:%.40s: want a number: 1.5, 1e-3, inf, nan", *v.Text)
		}
		return parley.Float(f), nil
	case "object":
		return parley.Message{}, errors.New(`an object needs "json": its text alone does not tell the value`)
	}
	return parley.Message{}, fmt.Errorf("kind %q: want text, bytes, int, float or object", v.Kind)
}

// IsPickle reports whether a message of a serpy connection that does not look
// into pickles is one.
func IsPickle(m parley.Message) bool {
	mode, ok := serpy.Mode(m)
	return ok && mode >= 4 && m.Type() == parley.TypeBytes
}

// FromPickle returns the message that a pickled value arrives as.
func FromPickle(v any) parley.Message {
	switch v := v.(type) {
	case []byte:
		return parley.Bytes(v)
	case string:
		return parley.Text(v)
	case int64:
		return parley.Int(v)
	case *big.Int:
		return parley.BigInt(v)
	case float64:
		return parley.Float(v)
	}
	return parley.Object(v)
}
