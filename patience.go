package parley

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/parley-net/parley/internal/session"
)

// A slow peer is not an attacker as long as there is room. Timeouts.Write and
// Progress, where they are left at zero, are patient: they count only while the
// server is short of places or of memory. This file decides, relief.go acts.

// patienceOf returns the clocks that are left at zero. Who has set the least speed
// of a message wants it kept.
func patienceOf(l Limits, t Timeouts) session.Patience {
	return session.Patience{Write: t.Write == 0, Progress: t.Progress == 0 && l.MinRate == 0, Answer: t.Answer == 0}
}

// pace is how a connection fares at one look, as far as its clocks are patient.
type pace struct {
	ended    bool
	arriving bool   // a message has begun, and its rest is waited for
	messages uint64 // that have arrived
	in       uint64 // bytes that have
	waiting  bool   // output waits
	taken    int64  // bytes the peer has taken
}

// bounds are the limits that count in a shortage; 0 and below: none.
type bounds struct {
	write, progress time.Duration
	rate            int // bytes per second, over progress
}

// clock is what is known of one connection during a shortage.
type clock struct {
	arrival, taking session.Tracker
	from            uint64 // pace.in when arrival began
	look            int    // the last one that has seen it
}

// seen notes that the given look has seen it.
func (k *clock) seen(look int) { k.look = look }

// slowness is how slow a connection is whose time is over.
type slowness struct {
	field session.Limit // that says so; none: it is not
	rate  float64       // bytes per second
	since time.Time
}

// over returns how slow the connection is if its time is over.
func (k *clock) over(now time.Time, p pace, b bounds) slowness {
	if !k.arrival.On() || k.arrival.Mark() != p.messages {
		k.from = p.in
	}
	if k.arrival.Stuck(now, p.arriving && b.progress > 0, p.messages, b.progress) {
		since := k.arrival.Since()
		rate := float64(p.in-k.from) / now.Sub(since).Seconds()
		if rate < float64(b.rate) {
			return slowness{session.LimitProgress, rate, since}
		}
		k.arrival.Restart(now)
		k.from = p.in
	}
	if k.taking.Stuck(now, p.waiting && b.write > 0, uint64(p.taken), b.write) {
		return slowness{session.LimitWrite, 0, k.taking.Since()}
	}
	return slowness{}
}

// slowly says how slow it has been until now.
func (s slowness) slowly(now time.Time) string {
	lasted := now.Sub(s.since).Round(time.Second)
	if s.field == session.LimitWrite {
		return fmt.Sprintf("it took nothing for %v", lasted)
	}
	return fmt.Sprintf("a message that had begun brought %.0f bytes a second over %v", s.rate, lasted)
}

// overdue is a connection whose time is over.
type overdue[K any] struct {
	candidate[K]
	slowness
}

// slowest returns who has to go of those whose time is over: the slowest first, and
// of equals who has been slow for longest, until they give up what is needed.
func slowest[K any](over []overdue[K], need int64) []overdue[K] {
	slices.SortStableFunc(over, func(a, b overdue[K]) int {
		return cmp.Or(cmp.Compare(a.rate, b.rate), a.since.Compare(b.since))
	})
	for i := range over {
		if need <= 0 {
			return over[:i]
		}
		need -= over[i].worth
	}
	return over
}

// scarce returns how many of limit places must become free when so many are used: a
// quarter is to be.
func scarce(limit, used int) int64 {
	return max(0, int64(limit+3)/4-int64(limit-used))
}
