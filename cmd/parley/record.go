package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/serpy"
	"io"
	"math"
	"math/big"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy/pickle"
)

// record is a message as one line of JSON.
type record struct {
	TS    *time.Time `json:"ts,omitempty"`
	Conn  uint64     `json:"conn,omitempty"`
	Dir   string     `json:"dir,omitempty"` // "in" or "out"
	Proto string     `json:"proto,omitempty"`
	Kind  string     `json:"kind,omitempty"`
	Len   int        `json:"len"`
	// One of these three: text where the payload is valid UTF-8 or a number,
	// JSON for an object that JSON can carry unchanged.
	Text *string         `json:"text,omitempty"`
	B64  *[]byte         `json:"b64,omitempty"`
	JSON json.RawMessage `json:"json,omitempty"`
	// Mode is serpy's; Invalid is oneline's.
	Mode    *int     `json:"mode,omitempty"`
	Invalid bool     `json:"invalid,omitempty"`
	Delta   *float64 `json:"delta,omitempty"` // seconds since the message before
	RTT     *float64 `json:"rtt,omitempty"`   // seconds since the last message sent
}

// newRecord returns the record of m, without time, place and direction.
func newRecord(m parley.Message) record {
	r := record{Kind: m.Type().String(), Invalid: oneline.Invalid(m)}
	if mode, ok := serpy.Mode(m); ok {
		r.Mode = &mode
	}
	p := payload(m)
	r.Len = len(p)
	if j, ok := toJSON(m.Object()); ok && m.Type() == parley.TypeObject {
		r.JSON = j
	} else if utf8.Valid(p) {
		text := string(p)
		r.Text = &text
	} else {
		r.B64 = &p
	}
	return r
}

// payload returns the bytes of a message: for numbers and objects those of
// their text.
func payload(m parley.Message) []byte {
	switch m.Type() {
	case parley.TypeBytes, parley.TypeText:
		return m.Bytes()
	case parley.TypeObject:
		return []byte(pickle.Repr(m.Object()))
	}
	return m.AppendText(nil)
}

// appendLine appends the record and a line feed to dst. What could act on a
// terminal is written as \u, which means the same in JSON.
func (r record) appendLine(dst []byte) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(r)
	for _, c := range b.String() {
		if c == '\n' || unicode.IsPrint(c) {
			dst = utf8.AppendRune(dst, c)
			continue
		}
		for _, unit := range utf16.AppendRune(nil, c) {
			dst = fmt.Appendf(dst, `\u%04x`, unit)
		}
	}
	return dst, err
}

// parseRecord reads a line that newRecord could have made, or a shorter one:
// {"text":"hello"}, {"kind":"int","text":"5"}, {"b64":"AP8="}, {"json":[1,2]}.
func parseRecord(line []byte) (record, error) {
	var r record
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return r, err
	}
	if _, err := d.Token(); err != io.EOF {
		return r, errors.New("more than one JSON value on the line")
	}
	return r, nil
}

// message returns the message that the record describes.
func (r record) message() (parley.Message, error) {
	given := 0
	for _, g := range []bool{r.Text != nil, r.B64 != nil, r.JSON != nil} {
		if g {
			given++
		}
	}
	if given != 1 {
		return parley.Message{}, errors.New(`want one of "text", "b64" and "json"`)
	}
	m, err := r.value()
	if err != nil {
		return m, err
	}
	if r.Mode != nil {
		if *r.Mode < 0 || *r.Mode > 5 {
			return m, fmt.Errorf("mode %d: want 0 to 5", *r.Mode)
		}
		m = serpy.WithMode(m, *r.Mode)
	}
	return m, nil
}

func (r record) value() (parley.Message, error) {
	switch {
	case r.JSON != nil:
		if r.Kind != "" && r.Kind != "object" {
			return parley.Message{}, fmt.Errorf(`kind %q with "json": want object`, r.Kind)
		}
		v, err := fromJSON(r.JSON)
		return parley.Object(v), err
	case r.B64 != nil:
		switch r.Kind {
		case "", "bytes":
			return parley.Bytes(*r.B64), nil
		case "text":
			return parley.Text(string(*r.B64)), nil
		}
		return parley.Message{}, fmt.Errorf(`kind %q with "b64": want bytes or text`, r.Kind)
	case r.Kind == "object":
		return parley.Message{}, errors.New(`an object needs "json": its text alone does not tell the value`)
	}
	switch r.Kind {
	case "", "text", "bytes", "int", "float":
		return typedMessage(r.Kind, *r.Text)
	}
	return parley.Message{}, fmt.Errorf("kind %q: want text, bytes, int, float or object", r.Kind)
}

// fromJSON returns the value of a JSON text as package pickle has it. The
// order of an object's members is kept.
func fromJSON(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	v, err := jsonValue(d)
	if err == nil {
		if _, end := d.Token(); end != io.EOF {
			err = errors.New("more than one JSON value")
		}
	}
	if err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return v, err
}

func jsonValue(d *json.Decoder) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Number:
		return jsonNumber(string(t))
	case json.Delim:
		if t == '[' {
			list := &pickle.List{}
			for d.More() {
				v, err := jsonValue(d)
				if err != nil {
					return nil, err
				}
				list.Items = append(list.Items, v)
			}
			_, err = d.Token()
			return list, err
		}
		dict := &pickle.Dict{}
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := jsonValue(d)
			if err != nil {
				return nil, err
			}
			dict.Pairs = append(dict.Pairs, pickle.Pair{Key: key, Value: v})
		}
		_, err = d.Token()
		return dict, err
	}
	return t, nil
}

func jsonNumber(s string) (any, error) {
	if strings.ContainsAny(s, ".eE") {
		return strconv.ParseFloat(s, 64)
	}
	i, ok := new(big.Int).SetString(s, 10)
	switch {
	case !ok:
		return nil, fmt.Errorf("%q is no number", s)
	case i.IsInt64():
		return i.Int64(), nil
	}
	return i, nil
}

// toJSON returns v, a value as package pickle has it, as JSON, if JSON can
// carry it so that fromJSON gives an equal value.
func toJSON(v any) (json.RawMessage, bool) {
	budget := 100_000 // values; shared and recursive ones could be without end
	return appendJSON(nil, v, 100, &budget)
}

func appendJSON(dst []byte, v any, depth int, budget *int) ([]byte, bool) {
	if *budget--; *budget < 0 || depth < 0 {
		return nil, false
	}
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...), true
	case bool:
		return strconv.AppendBool(dst, v), true
	case int64:
		return strconv.AppendInt(dst, v, 10), true
	case *big.Int:
		return v.Append(dst, 10), true
	case float64:
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, false
		}
		n := len(dst)
		dst = strconv.AppendFloat(dst, v, 'g', -1, 64)
		if !bytes.ContainsAny(dst[n:], ".e") {
			dst = append(dst, ".0"...) // or it would be an int
		}
		return dst, true
	case string:
		s, err := json.Marshal(v)
		return append(dst, s...), err == nil
	case *pickle.List:
		dst = append(dst, '[')
		for i, item := range v.Items {
			if i > 0 {
				dst = append(dst, ',')
			}
			var ok bool
			if dst, ok = appendJSON(dst, item, depth-1, budget); !ok {
				return nil, false
			}
		}
		return append(dst, ']'), true
	case *pickle.Dict:
		if v.Ordered {
			return nil, false
		}
		dst = append(dst, '{')
		for i, pair := range v.Pairs {
			key, ok := pair.Key.(string)
			if !ok {
				return nil, false
			}
			if i > 0 {
				dst = append(dst, ',')
			}
			if dst, ok = appendJSON(dst, key, depth-1, budget); !ok {
				return nil, false
			}
			dst = append(dst, ':')
			if dst, ok = appendJSON(dst, pair.Value, depth-1, budget); !ok {
				return nil, false
			}
		}
		return append(dst, '}'), true
	}
	return nil, false
}
