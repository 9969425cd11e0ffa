package parley

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/internal/session"
)

// Which clocks count always: those that are set, and all of a peer of which nobody
// tells whether it lives.
//
// Verifies: RUNTIME-85
func TestPatienceOf(t *testing.T) {
	set := Timeouts{Write: time.Second, Progress: time.Second, Answer: time.Second}
	for _, c := range []struct {
		name    string
		limits  Limits
		given   Timeouts
		vital   session.Vital
		waiting bool
		want    session.Patience
	}{
		{"nothing set", Limits{}, Timeouts{}, session.VitalAlways, true, session.Patience{Write: true, Progress: true, Answer: true}},
		{"nothing set, at rest", Limits{}, Timeouts{}, session.VitalAlways, false, session.Patience{Write: true, Progress: true, Answer: true}},
		{"all set", Limits{}, set, session.VitalAlways, true, session.Patience{}},
		{"switched off", Limits{}, Timeouts{Write: -1, Progress: -1, Answer: -1}, session.VitalAlways, true, session.Patience{}},
		{"Write set", Limits{}, Timeouts{Write: time.Second}, session.VitalAlways, true, session.Patience{Progress: true, Answer: true}},
		{"Progress set", Limits{}, Timeouts{Progress: time.Second}, session.VitalAlways, true, session.Patience{Write: true, Answer: true}},
		{"MinRate set", Limits{MinRate: 10}, Timeouts{}, session.VitalAlways, true, session.Patience{Write: true, Answer: true}},
		{"keep-alive alone, nothing waits", Limits{}, Timeouts{}, session.VitalIdle, false, session.Patience{Write: true, Progress: true, Answer: true}},
		{"keep-alive alone, output waits", Limits{}, Timeouts{}, session.VitalIdle, true, session.Patience{}},
		{"nobody tells", Limits{}, Timeouts{}, session.VitalNothing, false, session.Patience{}},
	} {
		if got := patienceOf(c.limits, c.given).With(c.vital, c.waiting); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// Verifies: RUNTIME-85
func TestScarce(t *testing.T) {
	for _, c := range []struct {
		limit, used int
		want        int64
	}{
		{1000, 0, 0}, {1000, 750, 0}, {1000, 751, 1}, {1000, 1000, 250},
		{1, 0, 0}, {1, 1, 1}, {3, 2, 0}, {3, 3, 1}, {5, 3, 0}, {5, 4, 1}, {8, 6, 0}, {8, 7, 1}, {8, 8, 2},
	} {
		if got := scarce(c.limit, c.used); got != c.want {
			t.Errorf("%d of %d places used: %d are missing, want %d", c.used, c.limit, got, c.want)
		}
	}
}

// The clocks of a shortage, look by look.
//
// Verifies: RUNTIME-85
func TestClock(t *testing.T) {
	b := bounds{write: 10 * time.Second, progress: 30 * time.Second, rate: 1024}
	const never = -1
	for _, c := range []struct {
		name  string
		b     bounds
		at    func(s int) pace // after s seconds
		field session.Limit
		after int // seconds
	}{
		{"idle", b, func(int) pace { return pace{} }, session.LimitNone, never},
		{"a byte a second", b, func(s int) pace { return pace{arriving: true, in: uint64(s)} }, session.LimitProgress, 30},
		{"nothing", b, func(int) pace { return pace{arriving: true} }, session.LimitProgress, 30},
		{"1,023 bytes a second", b, func(s int) pace { return pace{arriving: true, in: uint64(s) * 1023} }, session.LimitProgress, 30},
		{"1,024 bytes a second", b, func(s int) pace { return pace{arriving: true, in: uint64(s) * 1024} }, session.LimitNone, never},
		{"fast, then nothing", b, func(s int) pace { return pace{arriving: true, in: uint64(min(s, 40)) * 2000} }, session.LimitProgress, 60},
		{"a small message every 29 s", b, func(s int) pace { return pace{arriving: true, messages: uint64(s / 29), in: uint64(s)} }, session.LimitNone, never},
		{"never for 30 s in a message", b, func(s int) pace { return pace{arriving: s%20 != 0} }, session.LimitNone, never},
		{"takes nothing", b, func(int) pace { return pace{waiting: true, taken: 7} }, session.LimitWrite, 10},
		{"takes a byte every 9 s", b, func(s int) pace { return pace{waiting: true, taken: int64(s / 9)} }, session.LimitNone, never},
		{"takes all now and then", b, func(s int) pace { return pace{waiting: s%9 != 0} }, session.LimitNone, never},
		{"takes nothing and brings a byte a second", b, func(s int) pace { return pace{arriving: true, in: uint64(s), waiting: true} }, session.LimitWrite, 10},
		{"no bounds", bounds{write: -1, progress: -1, rate: 1024}, func(int) pace { return pace{arriving: true, waiting: true} }, session.LimitNone, never},
		{"any rate", bounds{progress: 30 * time.Second, rate: -1}, func(int) pace { return pace{arriving: true} }, session.LimitNone, never},
	} {
		var k clock
		got, after := slowness{}, never
		for s := 0; s < 300 && got.field == session.LimitNone; s++ {
			if got = k.over(time.Unix(int64(s), 0), c.at(s), c.b); got.field != session.LimitNone {
				after = s
			}
		}
		if got.field != c.field || after != c.after {
			t.Errorf("%s: %q after %d s, want %q after %d s", c.name, got.field, after, c.field, c.after)
		}
	}
}

// Whose time is over stays so until it brings something, and the slowest go first.
//
// Verifies: RUNTIME-85
func TestSlowest(t *testing.T) {
	at := func(who string, rate float64, since int64, worth int64) overdue[string] {
		return overdue[string]{candidate[string]{who, worth}, slowness{session.LimitProgress, rate, time.Unix(since, 0)}}
	}
	all := []overdue[string]{at("a", 5, 0, 1), at("b", 0, 9, 1), at("c", 0, 3, 1), at("d", 900, 0, 1)}
	for _, c := range []struct {
		need int64
		want string
	}{{0, ""}, {1, "c"}, {2, "cb"}, {3, "cba"}, {4, "cbad"}, {99, "cbad"}, {-1, ""}} {
		got := ""
		for _, o := range slowest(slices.Clone(all), c.need) {
			got += o.who
		}
		if got != c.want {
			t.Errorf("%d are needed: %q, want %q", c.need, got, c.want)
		}
	}
	large := []overdue[string]{at("small", 1, 0, 10), at("large", 2, 0, 1000), at("more", 3, 0, 1000)}
	if got := slowest(large, 500); len(got) != 2 || got[1].who != "large" {
		t.Errorf("500 bytes are needed: %v", got)
	}
}

// A shortage: nobody has to go before it, nor without it; the clocks stand still
// while there is none, and are forgotten when it has long been over.
//
// Verifies: RUNTIME-85
func TestRelief(t *testing.T) {
	type crowd struct {
		relief  relief[string]
		missing atomic.Int64
		mu      sync.Mutex // guards what is below
		gone    map[string]time.Duration
		why     string
	}
	begin := func(t *testing.T) *crowd {
		c := &crowd{gone: make(map[string]time.Duration)}
		start := time.Now()
		c.relief.relieves(shortage[string]{"places",
			c.missing.Load,
			func() []candidate[string] {
				return []candidate[string]{{"slow", 1}, {"idle", 1}, {"stuck", 1}, {"slower", 1}}
			},
			func(who string) (pace, bounds) {
				c.mu.Lock()
				defer c.mu.Unlock()
				_, gone := c.gone[who]
				s := uint64(time.Since(start) / time.Second)
				p := map[string]pace{"slow": {arriving: true, in: 2 * s}, "slower": {arriving: true, in: s}, "stuck": {waiting: true}}[who]
				p.ended = gone
				return p, bounds{10 * time.Second, 30 * time.Second, 1024}
			},
			func(who string, f session.Limit, why string) {
				c.mu.Lock()
				defer c.mu.Unlock()
				c.gone[who] = time.Since(start)
				c.missing.Add(-1)
				c.why = why
			}})
		return c
	}
	after := func(t *testing.T, c *crowd, who string, want time.Duration) {
		t.Helper()
		c.mu.Lock()
		defer c.mu.Unlock()
		if got, gone := c.gone[who]; !gone || got < want || got > want+time.Second {
			t.Errorf("%s has gone after %v (%v), want %v", who, got, gone, want)
		}
	}
	pass := func(d time.Duration) { // what was due by then has been looked at
		time.Sleep(d)
		synctest.Wait()
	}
	bubble := func(name string, f func(t *testing.T)) {
		t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
	}
	bubble("one place", func(t *testing.T) {
		c := begin(t)
		c.missing.Store(1)
		c.relief.begin()
		pass(time.Hour)
		if after(t, c, "stuck", 10*time.Second); len(c.gone) != 1 {
			t.Errorf("gone: %v", c.gone)
		}
		if want := "it took nothing for 10s while the server is short of places"; c.why != want {
			t.Errorf("it says %q, want %q", c.why, want)
		}
		if c.relief.lookers.Load() != 0 || c.relief.clocks != nil {
			t.Error("it still looks, or holds something, an hour later")
		}
	})
	bubble("all", func(t *testing.T) {
		c := begin(t)
		c.missing.Store(100)
		c.relief.begin()
		c.relief.begin() // nothing more
		pass(10 * time.Minute)
		after(t, c, "stuck", 10*time.Second)
		after(t, c, "slower", 30*time.Second)
		after(t, c, "slow", 30*time.Second)
		if _, gone := c.gone["idle"]; gone {
			t.Error("an idle one had to go")
		}
		c.missing.Store(-1) // and let the bubble end
		pass(time.Minute)
	})
	bubble("ended", func(t *testing.T) { // what it had is free when nobody refers to it
		c := begin(t)
		c.missing.Store(1)
		c.relief.begin()
		pass(12 * time.Second)
		after(t, c, "stuck", 10*time.Second)
		synctest.Wait() // there is a look at this moment as well
		if _, held := c.relief.clocks["stuck"]; held || len(c.relief.clocks) == 0 {
			t.Errorf("two seconds after it was over these are held: %v", c.relief.clocks)
		}
		pass(time.Minute)
	})
	bubble("interrupted", func(t *testing.T) {
		c := begin(t)
		for range 3 {
			c.missing.Store(1)
			c.relief.begin()
			pass(4 * time.Second)
			c.missing.Store(0)
			pass(20 * time.Second)
		}
		after(t, c, "stuck", 50*time.Second) // of which ten have counted
	})
	bubble("over and over, with long pauses", func(t *testing.T) {
		c := begin(t)
		for range 20 {
			c.missing.Store(1)
			c.relief.begin()
			pass(8 * time.Second)
			c.missing.Store(0)
			pass(time.Minute)
		}
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.gone) > 0 {
			t.Errorf("gone: %v, though no shortage has lasted for ten seconds", c.gone)
		}
	})
}
