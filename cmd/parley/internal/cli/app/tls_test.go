package app

import (
	"bytes"
	"strings"
	"testing"
)

func TestFingerprints(t *testing.T) {
	plain := strings.Repeat("ab", 32)
	colons := strings.ToUpper("sha256:" + strings.TrimSuffix(strings.Repeat("ab:", 32), ":"))
	got, err := parsePins([]string{plain, "sha256:" + plain, colons})
	if err != nil || len(got) != 3 || !bytes.Equal(got[0], got[1]) || !bytes.Equal(got[0], got[2]) || got[0][0] != 0xab {
		t.Errorf("got %x, %v", got, err)
	}
	for _, bad := range []string{"", "ab", plain + "ab", "sha1:" + plain, strings.Repeat("xy", 32)} {
		if got, err := parsePins([]string{bad}); err == nil {
			t.Errorf("%s: got %x, want an error", bad, got)
		}
	}
}
