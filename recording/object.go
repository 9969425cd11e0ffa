package recording

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/parley-net/parley/serpy/pickle"
)

// FromJSON returns the value of a JSON text as package pickle has it. The
// order of an object's members is kept.
func FromJSON(text []byte) (any, error) {
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

// ToJSON returns v, a value as package pickle has it, as JSON, if JSON can
// carry it so that fromJSON gives an equal value.
func ToJSON(v any) (json.RawMessage, bool) {
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
