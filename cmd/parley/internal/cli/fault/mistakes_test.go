package fault

import (
	"testing"
)

func TestDistance(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		want int
	}{
		{"", "", 0}, {"a", "", 1}, {"", "ab", 2}, {"send", "send", 0}, {"snd", "send", 1}, {"sned", "send", 1},
		{"sendd", "send", 1}, {"bend", "send", 1}, {"timout", "timeout", 1}, {"ärger", "arger", 1}, {"SEND", "send", 0},
	} {
		if got := distance(tt.a, tt.b); got != tt.want || distance(tt.b, tt.a) != got {
			t.Errorf("%q to %q: %d, want %d", tt.a, tt.b, got, tt.want)
		}
	}
}
