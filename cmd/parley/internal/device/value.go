package device

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/parley-net/parley/wire"
)

// A value of the state is an int64, a float64, a string or a bool.

// isScalar reports whether v, out of a file, can be a value of the state.
func isScalar(v any) bool {
	switch v.(type) {
	case string, int64, float64, bool:
		return true
	}
	return false
}

func isNumber(v any) bool {
	switch v.(type) {
	case int64, float64:
		return true
	}
	return false
}

// number returns a value as a number; text that is none is 0.
func number(v any) float64 {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	case string:
		f, _ := strconv.ParseFloat(v, 64)
		return f
	case bool:
		if v {
			return 1
		}
	}
	return 0
}

// show returns a value as text.
func show(v any) string {
	if f, ok := v.(float64); ok {
		return wire.Float(f).Text()
	}
	return fmt.Sprint(v)
}

// sum adds two numbers; two integers stay one.
func sum(a, b any) any {
	i, ok := a.(int64)
	j, ok2 := b.(int64)
	if ok && ok2 {
		return i + j
	}
	return number(a) + number(b)
}

// sameType makes of s a number if the former value was one and s is too.
func sameType(s string, was any) any {
	switch was.(type) {
	case int64:
		if i, err := strconv.ParseInt(s, 10, 64); err == nil {
			return i
		}
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return f
		}
	case float64:
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return f
		}
	}
	return s
}

// asArgument returns a captured text as an expression sees it: as a number if
// it is one.
func asArgument(s string) any {
	t := strings.TrimSpace(s)
	if i, err := strconv.Atoi(t); err == nil {
		return i
	}
	if n, rest := scanNumber(t); n > 0 && rest == "" {
		if f, err := strconv.ParseFloat(t, 64); err == nil {
			return f
		}
	}
	return s
}

// scanNumber returns how many bytes of s are a decimal number (NRf: 1, -1.5,
// .5, 1e3), and what is behind it.
func scanNumber(s string) (n int, rest string) {
	digits := func(i int) int {
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		return i
	}
	start := 0
	if start < len(s) && (s[start] == '+' || s[start] == '-') {
		start++
	}
	end := digits(start)
	found := end > start
	if end < len(s) && s[end] == '.' {
		frac := digits(end + 1)
		if found = found || frac > end+1; found {
			end = frac
		}
	}
	if !found {
		return 0, s
	}
	if end < len(s) && (s[end] == 'e' || s[end] == 'E') {
		exp := end + 1
		if exp < len(s) && (s[exp] == '+' || s[exp] == '-') {
			exp++
		}
		if e := digits(exp); e > exp {
			end = e
		}
	}
	return end, s[end:]
}

// multipliers are the prefixes of a unit, as IEEE 488.2 has them: case does not
// count, M is milli and MA is mega.
var multipliers = []struct {
	name   string
	factor float64
}{
	{"", 1}, {"EX", 1e18}, {"PE", 1e15}, {"T", 1e12}, {"G", 1e9}, {"MA", 1e6}, {"K", 1e3},
	{"M", 1e-3}, {"U", 1e-6}, {"N", 1e-9}, {"P", 1e-12}, {"F", 1e-15}, {"A", 1e-18},
}

// factor returns what a suffix multiplies a number in unit with.
func factor(suffix, unit string) (float64, error) {
	suffix, unit = strings.ToUpper(strings.TrimSpace(suffix)), strings.ToUpper(unit)
	if suffix == "" {
		return 1, nil
	}
	if unit == "" {
		return 0, scpiErrors.suffixNotAllowed
	}
	prefix, ok := strings.CutSuffix(suffix, unit)
	if !ok {
		return 0, scpiErrors.invalidSuffix
	}
	if prefix == "M" && (unit == "HZ" || unit == "OHM") {
		return 1e6, nil // the two where M is mega
	}
	for _, m := range multipliers {
		if m.name == prefix {
			return m.factor, nil
		}
	}
	return 0, scpiErrors.invalidSuffix
}

// parseNumber reads a number as SCPI has it, with a unit behind it if unit is
// not "": 1.5, 1e3, 1.5V, 10 mA, #HFF.
func parseNumber(s, unit string) (float64, error) {
	s = strings.TrimSpace(s)
	if i, ok, err := parseBased(s); ok {
		return float64(i), err
	}
	n, rest := scanNumber(s)
	if n == 0 {
		return 0, scpiErrors.dataType
	}
	f, err := strconv.ParseFloat(s[:n], 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, scpiErrors.dataType
	}
	by, err := factor(rest, unit)
	if err != nil {
		return 0, err
	}
	if by < 1 { // exactly what a person would write: 10 m is 10/1000
		f /= math.Round(1 / by)
	} else {
		f *= by
	}
	if math.IsInf(f, 0) {
		return 0, scpiErrors.outOfRange
	}
	return f, nil
}

// parseBased reads #HFF, #Q17 and #B101.
func parseBased(s string) (i int64, ok bool, err error) {
	if len(s) < 3 || s[0] != '#' {
		return 0, false, nil
	}
	base := map[byte]int{'H': 16, 'Q': 8, 'B': 2}[s[1]&^0x20]
	if base == 0 {
		return 0, false, nil
	}
	i, err = strconv.ParseInt(s[2:], base, 64)
	if err != nil {
		return 0, true, scpiErrors.dataType
	}
	return i, true, nil
}
