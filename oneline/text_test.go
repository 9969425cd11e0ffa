package oneline

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/parley-net/parley/wire"
)

// pythonSpaces is every character for which Python's str.isspace holds.
var pythonSpaces = []rune{
	0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x1C, 0x1D, 0x1E, 0x1F, 0x20, 0x85, 0xA0, 0x1680,
	0x2000, 0x2001, 0x2002, 0x2003, 0x2004, 0x2005, 0x2006, 0x2007, 0x2008, 0x2009, 0x200A,
	0x2028, 0x2029, 0x202F, 0x205F, 0x3000,
}

// Verifies: ONELINE-19
func TestSpacesArePythons(t *testing.T) {
	python := map[rune]bool{}
	for _, r := range pythonSpaces {
		python[r] = true
	}
	for r := range rune(utf8.MaxRune + 1) {
		if isSpace(r) != python[r] {
			t.Errorf("isSpace(%U) = %v", r, isSpace(r))
		}
		if !utf8.ValidRune(r) {
			continue
		}
		line := []byte(string(r) + "a " + string(r) + "b" + string(r) + string(r))
		want := line
		if python[r] {
			want = []byte("a " + string(r) + "b")
		}
		if got := trimSpace(line); !bytes.Equal(got, want) {
			t.Fatalf("trimSpace(%q) = %q", line, got)
		}
		if python[r] && len(trimSpace([]byte(string(r)))) != 0 {
			t.Errorf("%U alone is not trimmed", r)
		}
	}
}

// The table above is what this Python says.
func TestSpacesAgainstPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is missing: the table of its white space is not compared with the original")
	}
	out, err := exec.Command(python, "-c",
		`print(*["%04X" % i for i in range(0x110000) if chr(i).isspace() and chr(i).strip() == ""])`).Output()
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, r := range pythonSpaces {
		want = append(want, fmt.Sprintf("%04X", r))
	}
	if got := strings.TrimSpace(string(out)); got != strings.Join(want, " ") {
		t.Errorf("Python says %s", got)
	}
}

func TestReserved(t *testing.T) {
	for _, word := range []string{ping, disconnect, shutdown} {
		if got := reserved([]byte(word)); got != word {
			t.Errorf("reserved(%q) = %q", word, got)
		}
		for i := range len(word) + 1 {
			mixed := []byte(word[:i] + "\xff\x80" + word[i:])
			if got := reservedAmong(mixed); got != word {
				t.Errorf("reservedAmong(%q) = %q", mixed, got)
			}
			other := []byte(word[:i] + "x" + word[min(i+1, len(word)):])
			if reserved(other) != "" || reservedAmong(append(other, 0xff)) != "" {
				t.Errorf("%q is reserved", other)
			}
		}
	}
}

// Verifies: WIRE-01, WIRE-02
func TestInvalidTag(t *testing.T) {
	m := WithInvalid(wire.Text("a"))
	if !Invalid(m) || Invalid(wire.Text("a")) || Invalid(wire.Text("a").WithTag(1)) || Invalid(m.WithTag(0)) {
		t.Errorf("%v", m)
	}
	if got := wire.Describe(Protocol{}, m); got != `text[1] "a" invalid` {
		t.Error(got)
	}
}
