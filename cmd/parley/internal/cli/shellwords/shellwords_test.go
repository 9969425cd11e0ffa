package shellwords

import (
	"slices"
	"testing"
	"unicode/utf8"
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

// What Quote has written Split reads as it was.
func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "a", "a b", "it's", `C:\x`, `"`, "$HOME", "ä\n", "''"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !utf8.ValidString(s) {
			return // a command line is text
		}
		if got, err := Split("x " + Quote(s)); err != nil || len(got) != 2 || got[1] != s {
			t.Errorf("%q is written %s, which is %q, %v", s, Quote(s), got, err)
		}
	})
}
