package session

import "time"

// Tracker tells how long something has not moved.
type Tracker struct {
	since time.Time // zero: it is off
	mark  uint64
}

// On reports whether anything is tracked.
func (t *Tracker) On() bool { return !t.since.IsZero() }

// TrackerSince returns a tracker that has begun at that time.
func TrackerSince(began time.Time) Tracker { return Tracker{since: began} }

// Stuck reports whether mark has not changed for limit. A condition that is
// off is never stuck.
func (t *Tracker) Stuck(now time.Time, on bool, mark uint64, limit time.Duration) bool {
	switch {
	case !on:
		*t = Tracker{}
	case !t.On() || mark != t.mark:
		*t = Tracker{since: now, mark: mark}
	default:
		return now.Sub(t.since) >= limit
	}
	return false
}

// Restart does not count what has been.
func (t *Tracker) Restart(now time.Time) { t.since = now }

// Note changes mark, and nothing else.
func (t *Tracker) Note(mark uint64) { t.mark = mark }

// Forgive does not count d.
func (t *Tracker) Forgive(d time.Duration) {
	if t.On() {
		t.since = t.since.Add(d)
	}
}

// Since is zero: it is off.
func (t *Tracker) Since() time.Time { return t.since }

// Mark returns what it was at last.
func (t *Tracker) Mark() uint64 { return t.mark }
