package device

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
)

// kind is the type of a variable.
type kind uint8

const (
	kindAny kind = iota // the short form: what was last set
	kindFloat
	kindInt
	kindBool
	kindText
)

// maxText is the longest text that a variable holds, so that a device whose
// replies build upon what they have set stays bounded.
const maxText = 1 << 20

// variable is a variable of [state]: what it may hold and how it is shown. It
// does not change; its values are in a state.
type variable struct {
	name     string
	kind     kind
	unit     string
	format   string // "": as Python's str() shows it
	verb     byte   // of the format
	first    any
	min, max *float64
	step     float64     // 0: none
	valid    []any       // "": anything
	lo, hi   int         // channels; both 0: it has none
	selects  string      // the variable that holds the channel which counts where none is named
	each     []*variable // the channels, where they differ in their limits
}

func (v *variable) hasChannels() bool { return v.hi > 0 }

// of returns the variable as the channel has it.
func (v *variable) of(ch int) *variable {
	if v.each == nil {
		return v
	}
	return v.each[ch-v.lo]
}

// parse returns the value that a text of a request sets, where was is the
// value before.
func (v *variable) parse(text string, was any) (any, error) {
	switch v.kind {
	case kindFloat, kindInt:
		f, err := v.parseNumber(text, was)
		if err != nil {
			return nil, err
		}
		return v.fit(f)
	case kindBool:
		return parseBool(text)
	case kindText:
		return v.fitText(text)
	}
	if len(text) > maxText {
		return nil, scpiErrors.tooMuchData
	}
	return sameType(text, was), nil
}

// parseNumber reads a number or one of the words that stand for one.
func (v *variable) parseNumber(text string, was any) (float64, error) {
	text = strings.TrimSpace(text)
	word := func(form string) bool { return isMnemonic(form, text) }
	switch {
	case word("MINimum") && v.min != nil:
		return *v.min, nil
	case word("MAXimum") && v.max != nil:
		return *v.max, nil
	case word("DEFault"):
		return number(v.first), nil
	case word("UP") && v.step > 0:
		return number(was) + v.step, nil
	case word("DOWN") && v.step > 0:
		return number(was) - v.step, nil
	}
	return parseNumber(text, v.unit)
}

// fit returns a number as the variable holds it, rounded to its step.
func (v *variable) fit(f float64) (any, error) {
	if v.min != nil && f < *v.min || v.max != nil && f > *v.max || math.IsNaN(f) {
		return nil, scpiErrors.outOfRange
	}
	if v.step > 0 {
		f = math.Round(f/v.step) * v.step
		f, _ = strconv.ParseFloat(strconv.FormatFloat(f, 'g', 12, 64), 64)
	}
	if v.kind == kindInt {
		if f = math.Round(f); math.Abs(f) > 1<<53 {
			return nil, scpiErrors.outOfRange
		}
	}
	if v.min != nil {
		f = max(f, *v.min)
	}
	if v.max != nil {
		f = min(f, *v.max)
	}
	if len(v.valid) > 0 && !v.isValid(f) {
		return nil, scpiErrors.illegalValue
	}
	if v.kind == kindInt {
		return int64(f), nil
	}
	return f, nil
}

func (v *variable) isValid(f float64) bool {
	for _, one := range v.valid {
		if number(one) == f {
			return true
		}
	}
	return false
}

// fitText returns a text as the variable holds it: the short form of the word
// that it is, where only some are valid.
func (v *variable) fitText(text string) (any, error) {
	if len(text) > maxText {
		return nil, scpiErrors.tooMuchData
	}
	if len(v.valid) == 0 {
		return text, nil
	}
	text = strings.TrimSpace(text)
	for _, one := range v.valid {
		if isPath(one.(string), text) {
			return shortPath(one.(string)), nil
		}
	}
	return nil, scpiErrors.illegalValue
}

// parseBool reads ON, OFF, true, false and numbers, of which 0 is off.
func parseBool(text string) (any, error) {
	switch strings.ToUpper(strings.TrimSpace(text)) {
	case "ON", "TRUE":
		return true, nil
	case "OFF", "FALSE":
		return false, nil
	}
	f, err := parseNumber(text, "")
	if err != nil {
		return nil, scpiErrors.illegalValue
	}
	return math.Round(f) != 0, nil
}

// accept returns a value that a file or an expression gives, as the variable
// holds it.
func (v *variable) accept(value any, was any) (any, error) {
	if v.kind == kindAny {
		if s, ok := value.(string); ok && len(s) > maxText {
			return nil, scpiErrors.tooMuchData
		}
		return value, nil
	}
	switch value := value.(type) {
	case int64, float64:
		switch v.kind {
		case kindFloat, kindInt:
			return v.fit(number(value))
		case kindBool:
			return number(value) != 0, nil
		}
		return v.fitText(show(value))
	case bool:
		if v.kind == kindBool {
			return value, nil
		}
	case string:
		return v.parse(value, was)
	}
	return nil, scpiErrors.dataType
}

// show returns a value of the variable as text.
func (v *variable) show(value any) string {
	if v.format == "" {
		return show(value)
	}
	switch {
	case strings.IndexByte("dxXob", v.verb) >= 0:
		return fmt.Sprintf(v.format, int64(math.Round(number(value))))
	case v.verb == 's' || v.verb == 'q':
		return fmt.Sprintf(v.format, show(value))
	}
	return fmt.Sprintf(v.format, number(value))
}

// formatForm is a format with one verb, whose width is bounded.
const formatForm = `^(?:[^%]|%%)*%[-+# 0]*[0-9]{0,3}(?:\.[0-9]{0,3})?([eEfFgGdxXobsq])(?:[^%]|%%)*$`

// formatVerb returns the letter of a format's verb, or what is wrong with it.
func formatVerb(format string) (byte, error) {
	m := regexp.MustCompile(formatForm).FindStringSubmatch(format)
	if m == nil {
		return 0, errors.New(`a format has one verb, as in "%.3f", "%+.8E", "%d", "%s"`)
	}
	return m[1][0], nil
}
