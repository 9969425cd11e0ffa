package search

import "testing"

func TestMark(t *testing.T) {
	for _, c := range []struct {
		p, mark string
		n       int
		found   bool
	}{
		{"", "##", 0, false},
		{"abc", "##", 3, false},
		{"ab#", "##", 2, false},
		{"ab##c", "##", 2, true},
		{"#", "##", 0, false},
		{"xabab", "abac", 3, false},
		{"xaba", "abac", 1, false},
		{"ababac", "abac", 2, true},
		{"aa", "a", 0, true},
		{"bb", "a", 2, false},
	} {
		if n, found := Mark([]byte(c.p), c.mark); n != c.n || found != c.found {
			t.Errorf("%q in %q: %d, %v, want %d, %v", c.mark, c.p, n, found, c.n, c.found)
		}
	}
}
