package words

import (
	"slices"
	"testing"
)

func TestSplitWords(t *testing.T) {
	for line, want := range map[string][]string{
		`a`:                   {"a"},
		"  a \t b\n":          {"a", "b"},
		`a 'b c' "d e"`:       {"a", "b c", "d e"},
		`a'b'"c"d`:            {"abcd"},
		`'' ""`:               {"", ""},
		`a\ b \\ \"`:          {"a b", `\`, `"`},
		`'a\b' "a\b" "a\"\\"`: {`a\b`, `a\b`, `a"\`},
		`$HOME *.txt`:         {"$HOME", "*.txt"},
		`ä 'ö ü'`:             {"ä", "ö ü"},
	} {
		got, err := Split(line)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %q, %v; want %q", line, got, err, want)
		}
	}
	for _, line := range []string{"", "  ", `'a`, `"a`, `a\`} {
		if got, err := Split(line); err == nil {
			t.Errorf("%s: got %q, want an error", line, got)
		}
	}
}
