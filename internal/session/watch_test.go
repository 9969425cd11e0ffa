package session

import (
	"testing"
	"time"
)

// A peer is alive as long as its kernel answers, however long its program does not.
//
// Verifies: RUNTIME-86
func TestSilence(t *testing.T) {
	const span = 75 * time.Second
	for _, c := range []struct {
		name  string
		at    func(s int) (asked bool, last int) // seconds
		after int
	}{
		{"takes all", func(int) (bool, int) { return false, 0 }, 0},
		{"nobody has asked", func(s int) (bool, int) { return false, s }, 0},
		{"vanished", func(s int) (bool, int) { return true, s }, 75},
		{"vanished later", func(s int) (bool, int) { return s >= 20, max(0, s-20) }, 95},
		{"answers each probe, the pauses grow to two minutes", func(s int) (bool, int) { return s%120 == 0, s % 120 }, 0},
		{"seen with a probe under way, each time", func(s int) (bool, int) { return true, s % 60 }, 0},
		{"a lossy network", func(s int) (bool, int) { return s%3 > 0, s % 3 }, 0},
	} {
		var w Watch
		after := 0
		for s := 0; s < 3600 && after == 0; s++ {
			asked, last := c.at(s)
			if w.silent(time.Unix(int64(s), 0), asked, time.Duration(last)*time.Second, span) {
				after = s
			}
		}
		if after < c.after || after > c.after+2 {
			t.Errorf("%s: found after %d s, want %d", c.name, after, c.after)
		}
	}
}
