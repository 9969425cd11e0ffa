package demo

import (
	"strings"
	"testing"
)

// The demo holds every conversation and says so.
func TestDemo(t *testing.T) {
	var out strings.Builder
	if err := demo(t.Context(), &out, true); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{
		`client 1 hears text[3] "ack"`, `nak - unknown cmd`, `Echo back: hello`, `[2] **joined the chat`,
		"image of 512 × 512 float32", "file of 9437184 bytes back, SHA-256", "5 of 5 conversations as they should be",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the demo does not say %q", want)
		}
	}
}

// Without -v there is the summary, on one screen.
//
// Verifies: FIRST-02
func TestDemoSummary(t *testing.T) {
	var out strings.Builder
	if err := demo(t.Context(), &out, false); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	lines := strings.Split(out.String(), "\n")
	fits(t, lines)
	if len(lines) > 24 || !strings.HasPrefix(lines[0], "oneline ") {
		t.Errorf("%d lines, the first is %q", len(lines), lines[0])
	}
}

// fits checks that lines can be shown by any terminal of 80 columns.
func fits(t *testing.T, lines []string) {
	t.Helper()
	for _, l := range lines {
		if len(l) > 80 || strings.ContainsFunc(l, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%q is too long, or not plain", l)
		}
	}
}
