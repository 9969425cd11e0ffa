package app

import (
	"testing"
)

func TestSize(t *testing.T) {
	for text, want := range map[string]Size{
		"1": 1, "4096": 4096, "64K": 64 << 10, "64k": 64 << 10, "64KB": 64 << 10, "64KiB": 64 << 10, "1.5M": 3 << 19,
		"2G": 2 << 30, "1T": 1 << 40, "10B": 10,
	} {
		var got Size
		if err := got.Set(text); err != nil || got != want {
			t.Errorf("%s: got %d, %v; want %d", text, got, err, want)
		}
		var again Size
		if err := again.Set(got.String()); err != nil || again != got {
			t.Errorf("%s: shown as %s, read again as %d, %v", text, got.String(), again, err)
		}
	}
	for _, text := range []string{"", "K", "-1", "0", "1X", "1MM", "1 2", "9999999T", "1e3"} {
		var got Size
		if err := got.Set(text); err == nil {
			t.Errorf("%s: got %d, want an error", text, got)
		}
	}
}
