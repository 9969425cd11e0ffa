package device

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"

	"github.com/parley-net/parley/wire"
)

// Values of pyvisa-sim are Python's: a *big.Int, a float64 or a string.

// errValue is Python's ValueError.
var errValue = errors.New("ValueError")

func valueError(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errValue, fmt.Sprintf(format, args...))
}

func isValueError(err error) bool { return errors.Is(err, errValue) }

var (
	pyIntForm   = regexp.MustCompile(`^[+-]?[0-9]+(?:_[0-9]+)*$`)
	pyFloatForm = regexp.MustCompile(`(?i)^[+-]?(?:(?:[0-9]+(?:_[0-9]+)*\.?(?:[0-9]+(?:_[0-9]+)*)?|\.[0-9]+(?:_[0-9]+)*)(?:e[+-]?[0-9]+(?:_[0-9]+)*)?|inf|infinity|nan)$`)
)

// maxDigits is how many digits Python makes an integer of.
const maxDigits = 4300

// pyInt is int(s).
func pyInt(s string) (*big.Int, error) {
	t := strings.TrimSpace(s)
	if !pyIntForm.MatchString(t) || len(t) > maxDigits {
		return nil, valueError("%q is no whole number", short(s))
	}
	i, _ := new(big.Int).SetString(strings.ReplaceAll(t, "_", ""), 10)
	return i, nil
}

// pyFloat is float(s).
func pyFloat(s string) (float64, error) {
	t := strings.TrimSpace(s)
	if !pyFloatForm.MatchString(t) {
		return 0, valueError("%q is no number", short(s))
	}
	f, _ := strconv.ParseFloat(strings.ReplaceAll(t, "_", ""), 64) // beyond the range it is infinite
	return f, nil
}

// pyStr is str(v).
func pyStr(v any) string {
	switch v := v.(type) {
	case *big.Int:
		return v.String()
	case float64:
		return wire.Float(v).Text()
	}
	return fmt.Sprint(v)
}

// visaProperty is a property, and what it may be.
type visaProperty struct {
	name     string
	kind     string // int, float, str; "": whatever it is given
	min, max any
	valid    []any
	first    any
}

// newVisaProperty reads default and specs.
func newVisaProperty(name string, n *yamlNode) (*visaProperty, error) {
	p := &visaProperty{name: name}
	text := ""
	at := n
	if d := n.get("default"); d != nil {
		var err error
		if text, err = d.str(); err != nil {
			return nil, err
		}
		at = d
	}
	specs := n.get("specs")
	if specs != nil && (len(specs.keys) > 0 || specs.form != yamlMap) {
		if err := p.readSpecs(specs); err != nil {
			return nil, err
		}
	}
	var err error
	if p.first, err = p.accept(text); err != nil {
		return nil, at.errorf("default of %s: %w", name, err)
	}
	return p, nil
}

// readSpecs reads type, min, max and valid.
func (p *visaProperty) readSpecs(n *yamlNode) error {
	t, err := n.need("type")
	if err != nil {
		return err
	}
	switch t.text {
	case "int", "float", "str":
		p.kind = t.text
	default:
		return t.errorf("type %q: want int, float or str", t.text)
	}
	for _, limit := range []struct {
		key string
		to  *any
	}{{"min", &p.min}, {"max", &p.max}} {
		v := n.get(limit.key)
		if v == nil {
			continue
		}
		if *limit.to, err = p.convert(v.text); err != nil {
			return v.errorf("%s: %w", limit.key, err)
		}
	}
	if list := n.get("valid"); list != nil {
		for _, item := range list.items {
			v, err := p.convert(item.text)
			if err != nil {
				return item.errorf("valid: %w", err)
			}
			p.valid = append(p.valid, v)
		}
	}
	return nil
}

// convert makes a value of the property's type.
func (p *visaProperty) convert(v any) (any, error) {
	switch p.kind {
	case "str":
		return pyStr(v), nil
	case "float":
		switch v := v.(type) {
		case *big.Int:
			f, _ := new(big.Float).SetInt(v).Float64()
			if math.IsInf(f, 0) {
				return nil, errors.New("OverflowError: int too large to convert to float")
			}
			return f, nil
		case string:
			return pyFloat(v)
		}
	case "int":
		switch v := v.(type) {
		case float64:
			if math.IsNaN(v) {
				return nil, valueError("cannot convert float NaN to integer")
			}
			if math.IsInf(v, 0) {
				return nil, errors.New("OverflowError: cannot convert float infinity to integer")
			}
			i, _ := big.NewFloat(v).Int(nil)
			return i, nil
		case string:
			return pyInt(v)
		}
	}
	return v, nil
}

// accept makes a value of the property's type, and checks what it may be.
func (p *visaProperty) accept(v any) (any, error) {
	v, err := p.convert(v)
	if err != nil || p.kind == "" {
		return v, err
	}
	if p.min != nil && pyCompare(v, p.min) < 0 {
		return nil, valueError("%s: %s is less than the minimum %s", p.name, pyStr(v), pyStr(p.min))
	}
	if p.max != nil && pyCompare(v, p.max) > 0 {
		return nil, valueError("%s: %s is more than the maximum %s", p.name, pyStr(v), pyStr(p.max))
	}
	if len(p.valid) == 0 {
		return v, nil
	}
	for _, one := range p.valid {
		if pyCompare(v, one) == 0 {
			return v, nil
		}
	}
	return nil, valueError("%s: %s is none of the valid values", p.name, pyStr(v))
}

// pyCompare compares two values of one type. A NaN compares with nothing: it
// is neither below nor above, and is not equal.
func pyCompare(a, b any) int {
	switch a := a.(type) {
	case *big.Int:
		return a.Cmp(b.(*big.Int))
	case float64:
		b := b.(float64)
		switch {
		case a < b:
			return -1
		case a > b:
			return 1
		case a == b:
			return 0
		}
		return 2
	}
	return strings.Compare(a.(string), b.(string))
}

// visaParser reads values out of a query as its format string would write
// them, as the module stringparser of pyvisa-sim does.
type visaParser struct {
	pattern *regexp.Regexp
	fields  []visaField
}

type visaField struct {
	name    string
	convert func(string) (any, error)
}

// visaValue is a value that a query has, under its name or number.
type visaValue struct {
	name  string
	value any
}

// newVisaParser reads a format string.
func newVisaParser(format string) (*visaParser, error) {
	pieces, err := pyPieces(format)
	if err != nil {
		return nil, err
	}
	p := &visaParser{}
	var pattern strings.Builder
	pattern.WriteString("^")
	number := 0
	for _, piece := range pieces {
		pattern.WriteString(regexp.QuoteMeta(piece.literal))
		if !piece.isField {
			continue
		}
		form, convert, err := fieldForm(piece.spec)
		if err != nil {
			return nil, err
		}
		if piece.field == "_" {
			pattern.WriteString("(?:" + form + ")")
			continue
		}
		name := piece.field
		if name == "" {
			name = strconv.Itoa(number)
			number++
		}
		if strings.ContainsAny(name, ".[") {
			return nil, fmt.Errorf("field %q: attributes and items are not read", name)
		}
		pattern.WriteString("(" + form + ")")
		p.fields = append(p.fields, visaField{name, convert})
	}
	pattern.WriteString(`\n?$`) // Python's $ is before a last line feed, too
	p.pattern, err = regexp.Compile(pattern.String())
	return p, err
}

// parse returns the values of a query; ok says that it is one of the parser's.
func (p *visaParser) parse(q string) (values []visaValue, ok bool, err error) {
	groups := p.pattern.FindStringSubmatch(q)
	if groups == nil {
		return nil, false, nil
	}
	for i, f := range p.fields {
		v, err := f.convert(groups[i+1])
		if isValueError(err) {
			return nil, false, nil
		}
		if err != nil {
			return nil, false, err
		}
		values = append(values, visaValue{f.name, v})
	}
	return values, true, nil
}

// fieldForm returns the pattern of a field, and what makes a value of it.
func fieldForm(spec string) (string, func(string) (any, error), error) {
	text := func(s string) (any, error) { return s, nil }
	if spec == "" {
		return ".*?", text, nil
	}
	base := func(b int) func(string) (any, error) {
		return func(s string) (any, error) {
			t := strings.TrimPrefix(strings.TrimPrefix(s, "-"), "+")
			if b != 10 { // 0x1f where the form has it
				t = strings.TrimLeft(t, " ")
				if len(t) > 2 && t[0] == '0' && strings.ContainsRune("xXob", rune(t[1])) {
					t = t[2:]
				}
			}
			i, ok := new(big.Int).SetString(strings.TrimSpace(t), b)
			if !ok || len(t) > maxDigits && b == 10 {
				return nil, valueError("%q", short(s))
			}
			if strings.HasPrefix(s, "-") {
				i.Neg(i)
			}
			return i, nil
		}
	}
	real := func(s string) (any, error) { return pyFloat(s) }
	percent := func(s string) (any, error) {
		f, err := pyFloat(strings.TrimSuffix(s, "%"))
		return f / 100, err
	}
	m := pySpec.FindStringSubmatch(spec)
	if m == nil {
		return "", nil, fmt.Errorf("format %q", spec)
	}
	sign, alternate, kind := m[pySpec.SubexpIndex("sign")], m[pySpec.SubexpIndex("alt")], m[pySpec.SubexpIndex("type")]
	forms := map[string]struct {
		pattern string
		convert func(string) (any, error)
	}{
		"": {".*?", text}, "s": {".*?", text},
		"d": {"[0-9]+?", base(10)}, "b": {"[0-1]+?", base(2)}, "o": {"[0-7]+?", base(8)},
		"x": {"[0-9a-f]+?", base(16)}, "X": {"[0-9A-F]+?", base(16)},
		"e": {`[0-9]+\.?[0-9]+(?:e[-+]?[0-9]+)?`, real}, "E": {`[0-9]+\.?[0-9]+(?:E[-+]?[0-9]+)?`, real},
		"f": {`[0-9]+\.?[0-9]+`, real}, "F": {`[0-9]+\.?[0-9]+`, real},
		"g": {`[0-9]+\.?[0-9]+(?:[eE][-+]?[0-9]+)?`, real}, "G": {`[0-9]+\.?[0-9]+(?:[eE][-+]?[0-9]+)?`, real},
		"%": {`[0-9]+\.?[0-9]+%`, percent},
	}
	f, ok := forms[kind]
	if !ok {
		return "", nil, fmt.Errorf("%q is no type of a value that can be read", kind)
	}
	if alternate != "" {
		if !strings.Contains("oxXb", kind) || kind == "" {
			return "", nil, fmt.Errorf("# is not for the type %q", kind)
		}
		f.pattern = "0" + kind + f.pattern
	}
	switch sign {
	case "+":
		f.pattern = "[-+]" + f.pattern
	case " ":
		f.pattern = "[- ]" + f.pattern
	default:
		f.pattern = "[-]?" + f.pattern
	}
	return f.pattern, f.convert, nil
}
