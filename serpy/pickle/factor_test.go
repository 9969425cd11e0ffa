package pickle

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// elements are what a list may be full of, as Python writes it in protocol 5,
// and what each then occupies on 64 bits: its place in the list, its value, and
// its place in the memo.
var elements = []struct {
	name, pickle string
	memory       int
	strict       bool // a list of them fits four times its pickle
}{
	{"None, bool, ()", "N", 16, false},
	{"int up to 255", "K\x07", 16, false},
	{"int up to 65,535", "M\x00\x07", 16 + 8, false},
	{"int of 32 bits", "J\x00\x00\x00\x07", 16 + 8, false},
	{"int of 64 bits", "\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x07", 16 + 8, true},
	{"float", "G\x3f\xf8\x00\x00\x00\x00\x00\x00", 16 + 8, true},
	{"str of 1 letter", "\x8c\x01a\x94", 16 + 16 + 8 + 16, false},
	{"str of 8 letters", "\x8c\x08abcdefgh\x94", 16 + 16 + 8 + 16, false},
	{"str of 64 letters", "\x8c\x40" + strings.Repeat("abcdefgh", 8) + "\x94", 16 + 16 + 64 + 16, true},
	{"bytes of 64", "C\x40" + strings.Repeat("abcdefgh", 8) + "\x94", 16 + 24 + 64 + 16, true},
	{"empty list, empty set", "]\x94", 16 + 24 + 16, false},
	{"empty dict", "}\x94", 16 + 32 + 16, false},
}

// What the page about serpy says an element costs is what it costs, and what
// it says fits four times the pickle does.
func TestElements(t *testing.T) {
	page, err := os.ReadFile(filepath.FromSlash("../../docs/protocol/serpy.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range elements {
		if row := fmt.Sprintf("| %s | %d | %d | %.1f |", e.name, len(e.pickle), e.memory, float64(e.memory)/float64(len(e.pickle))); !strings.Contains(string(page), row) {
			t.Errorf("the page does not have %s", row)
		}
		for _, n := range []int{50_000, 100_000, 130_000} {
			in := []byte("\x80\x05]\x94" + strings.Repeat("("+strings.Repeat(e.pickle, 1000)+"e", n/1000) + ".")
			d := decoder{in: in, limits: Limits{MaxMemory: math.MaxInt}}
			if _, err := d.decode(); err != nil {
				t.Fatal(err)
			}
			// What grows has room for up to half as much again, in the list
			// and in the memo.
			if wordSize == 8 && (d.spent < n*e.memory || d.spent > n*(e.memory+16)+defaultExtra) {
				t.Errorf("%d × %s: %d bytes, %.1f each, want %d", n, e.name, d.spent, float64(d.spent)/float64(n), e.memory)
			}
			_, err := Decode(in, Limits{MaxFactor: 4})
			if e.strict && err != nil {
				t.Errorf("%d × %s: %v", n, e.name, err)
			}
			if !e.strict && wordSize == 8 && !errors.Is(err, ErrLimit) {
				t.Errorf("%d × %s in four times the pickle: %v", n, e.name, err)
			}
		}
	}
}

// Verifies: PICKLE-06
func TestMaxFactor(t *testing.T) {
	const n = 1000
	for _, c := range []struct {
		limits Limits
		want   int
	}{
		{Limits{MaxFactor: 4}, 4*n + 64<<10},
		{Limits{MaxFactor: 4, MaxMemory: 5000}, 5000},
		{Limits{MaxFactor: 4, MaxMemory: 1 << 20}, 4*n + 64<<10},
		{Limits{MaxFactor: math.MaxInt}, math.MaxInt},
		{Limits{MaxMemory: 7}, 7},
		{Limits{}, 48*n + 64<<10},
	} {
		if got := c.limits.orDefaults(n).MaxMemory; got != c.want {
			t.Errorf("%+v: %d bytes for a pickle of %d, want %d", c.limits, got, n, c.want)
		}
	}
}
