package parley

import "time"

// tracker tells how long something has not moved.
type tracker struct {
	since time.Time // zero: it is off
	mark  uint64
}

func (t *tracker) on() bool { return !t.since.IsZero() }

// stuck reports whether mark has not changed for limit. A condition that is
// off is never stuck.
func (t *tracker) stuck(now time.Time, on bool, mark uint64, limit time.Duration) bool {
	switch {
	case !on:
		*t = tracker{}
	case !t.on() || mark != t.mark:
		*t = tracker{since: now, mark: mark}
	default:
		return now.Sub(t.since) >= limit
	}
	return false
}

// restart does not count what has been.
func (t *tracker) restart(now time.Time) { t.since = now }

// note changes mark, and nothing else.
func (t *tracker) note(mark uint64) { t.mark = mark }

// forgive does not count d.
func (t *tracker) forgive(d time.Duration) {
	if t.on() {
		t.since = t.since.Add(d)
	}
}
