package recording

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/parley-net/parley/serpy/pickle"
)

// FromJSON returns the value of a JSON text as package pickle has it. The
// order of an object's members is kept. A text that would come back as another one
// is an error: one with a key twice, with half of a surrogate pair, with bytes that
// are no UTF-8, or with a number that no float is.
func FromJSON(text []byte) (any, error) {
	if err := carriable(text); err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	return jsonValue(d)
}

// carriable returns an error if text is no JSON, or has strings that Go's decoder
// would change.
func carriable(text []byte) error {
	if err := json.Unmarshal(text, new(json.RawMessage)); err != nil {
		for _, word := range []string{"NaN", "Infinity"} {
			if bytes.Contains(text, []byte(word)) {
				return fmt.Errorf("%w (JSON has no %s)", err, word)
			}
		}
		return err
	}
	for i := 0; i < len(text); {
		if text[i] == '\\' && text[i+1] == 'u' { // what escapes has its length, as the text is JSON
			n := escaped(text[i:])
			if n == 0 {
				return fmt.Errorf("byte %d: %s is half of a surrogate pair, which is no character", i, text[i:i+6])
			}
			i += n
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		if r == utf8.RuneError && n == 1 {
			return fmt.Errorf("byte %d: %#02x is no UTF-8", i, text[i])
		}
		if i += n; r == '\\' {
			i++
		}
	}
	return nil
}

// escaped returns the length of the \u escape, or the pair of them, that begins
// text; 0 if it is half a pair.
func escaped(text []byte) int {
	unit := func(b []byte) rune {
		if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
			return 0
		}
		n, _ := strconv.ParseUint(string(b[2:6]), 16, 16)
		return rune(n)
	}
	first := unit(text)
	switch {
	case !utf16.IsSurrogate(first):
		return 6
	case utf16.DecodeRune(first, unit(text[6:])) != utf8.RuneError:
		return 12
	}
	return 0
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
		return jsonDict(d)
	}
	return t, nil
}

// jsonDict returns the object whose brace has been read.
func jsonDict(d *json.Decoder) (any, error) {
	dict, seen := &pickle.Dict{}, make(map[string]bool)
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return nil, err
		}
		key := t.(string) // nothing else can be there in JSON
		if seen[key] {
			return nil, fmt.Errorf("byte %d: the key %q is there twice: an object has one value for it", d.InputOffset(), key)
		}
		seen[key] = true
		v, err := jsonValue(d)
		if err != nil {
			return nil, err
		}
		dict.Pairs = append(dict.Pairs, pickle.Pair{Key: key, Value: v})
	}
	_, err := d.Token()
	return dict, err
}

func jsonNumber(s string) (any, error) {
	if strings.ContainsAny(s, ".eE") {
		return jsonFloat(s)
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

// jsonFloat returns the float that s writes: the one whose shortest decimal is the
// same number.
func jsonFloat(s string) (any, error) {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return nil, fmt.Errorf("%s is out of a float's range, up to 1.8e308", s)
	}
	mantissa, _, _ := strings.Cut(strings.ToLower(s), "e")
	if f == 0 && strings.ContainsAny(mantissa, "123456789") {
		return nil, fmt.Errorf("%s is too near to 0 for a float, which has 5e-324 and more", s)
	}
	if f == 0 { // its exponent may be of any size
		return f, nil
	}
	short := strconv.FormatFloat(f, 'g', -1, 64)
	want, ok := new(big.Rat).SetString(s)
	have, _ := new(big.Rat).SetString(short)
	if !ok || want.Cmp(have) != 0 {
		return nil, fmt.Errorf("%s has more digits than a float, it would become %s", s, short)
	}
	return f, nil
}

// ToJSON returns v, a value as package pickle has it, as JSON, if JSON can
// carry it so that FromJSON gives an equal value.
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
