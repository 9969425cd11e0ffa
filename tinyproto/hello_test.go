package tinyproto

import (
	"fmt"
	"strings"
	"testing"
)

// What each possible first byte of a peer that is none is taken for.
func TestFirstByte(t *testing.T) {
	for b := range 0xFF {
		want := fmt.Sprintf("begins with %02X instead of FF", b)
		switch {
		case b == 0:
			want = "refuses the connection"
		case b == 0x16:
			want = "looks like TLS"
		case b >= 0x20 && b <= 0x7E:
			want = "looks like a text protocol"
		case b == 0xFE:
			want = "connection limit"
		case b == 0xFD:
			want = "conflict"
		}
		if got := helloMeaning(byte(b)); !strings.Contains(got, want) {
			t.Errorf("%02X: %q, want %q", b, got, want)
		}
	}
}
