package recording

import (
	"strings"
	"testing"
)

// What a pickle can't carry unchanged is refused with the reason; what it can comes
// back.
//
// Verifies: FILES-02
func TestFromJSON(t *testing.T) {
	for _, text := range []string{
		`null`, `true`, `[1,-5,123456789012345678901234567890]`, `{"b":1,"a":[0.1,1.5e+300,5e-324,-0.0]}`,
		`"gr\u00fcn \ud83d\ude00 \\\\ud800 \" \n"`, `{"a":{"a":1},"b":{"a":1}}`, "\"\ufffd\"", `0e999999999`, `1.50`, ` [ ] `,
	} {
		v, err := FromJSON([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		again, ok := ToJSON(v)
		if w, err := FromJSON(again); !ok || err != nil {
			t.Errorf("%s comes back as %s, %v: %v", text, again, w, err)
		} else if twice, _ := ToJSON(w); string(twice) != string(again) {
			t.Errorf("%s comes back as %s and then as %s", text, again, twice)
		}
	}
	for text, want := range map[string]string{
		`{"a":1,"b":2,"a":3}`:          `byte 16: the key "a" is there twice`,
		`[{"x":{"a":1,"\u0061":1}}]`:   `the key "a" is there twice`,
		`"a\ud800"`:                    `byte 2: \ud800 is half of a surrogate pair`,
		`"\ud800\u0041"`:               `byte 1: \ud800 is half`,
		`"\ude00\ud83d"`:               `byte 1: \ude00 is half`,
		`"\ud83d\\ude00"`:              `byte 1: \ud83d is half`,
		`{"\udfff":1}`:                 `byte 2: \udfff is half`,
		"\"a\xff\"":                    "byte 2: 0xff is no UTF-8",
		`1e400`:                        "1e400 is out of a float's range",
		`-1e999999999`:                 "out of a float's range",
		`1e-400`:                       "too near to 0",
		`1e-999999999`:                 "too near to 0",
		`3.14159265358979323846`:       "more digits than a float, it would become 3.141592653589793",
		`12345678901234567890.5`:       "more digits than a float",
		`[NaN]`:                        "JSON has no NaN",
		`-Infinity`:                    "JSON has no Infinity",
		`1 2`:                          "invalid character '2' after top-level value",
		``:                             "unexpected end",
		`[1`:                           "unexpected end",
		strings.Repeat("[", 1_000_000): "exceeded max depth",
	} {
		if v, err := FromJSON([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, %v, want an error with %q", text, v, err, want)
		}
	}
}
