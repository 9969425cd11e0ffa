package files

import (
	"testing"
)

func TestWrapAt(t *testing.T) {
	if got, want := wrapAt("one two three  four", 9), "one two\n  three\n  four"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
