package main

import (
	"io"
	"strings"
	"testing"
)

// Alone it offers a newcomer three commands, which are right, and says where to go on.
//
// Verifies: FIRST-01
func TestAlone(t *testing.T) {
	code, out, errs := runParley(t, "")
	lines := strings.Split(strings.TrimSuffix(out, "\n"), "\n")
	for _, l := range lines {
		if len(l) > 80 || strings.ContainsFunc(l, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%q is too long, or not plain", l)
		}
	}
	if code != 0 || errs != "" || len(lines) > 24 {
		t.Errorf("exit code %d, %d lines, %s", code, len(lines), errs)
	}
	offered := 0
	for _, l := range lines {
		if l, ok := strings.CutPrefix(l, "  parley "); ok {
			offered++
			words, _, _ := strings.Cut(l, "  ")
			if cmd, args, err := rootCmd(newApp(nil, io.Discard, io.Discard)).Find(strings.Fields(words)); err != nil || !cmd.HasParent() || cmd.ParseFlags(args) != nil {
				t.Errorf("there is no parley %s: %v", words, err)
			}
		}
	}
	if offered != 3 {
		t.Errorf("%d commands are offered", offered)
	}
}
