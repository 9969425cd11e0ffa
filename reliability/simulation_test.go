package reliability

import (
	"context"
	"fmt"
	"runtime/pprof"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/internal/netsim"
)

// simulate runs one seed in virtual time.
func simulate(t *testing.T, s *sim) (problems []string, fingerprint uint64) {
	synctest.Test(t, func(t *testing.T) {
		n := netsim.New(s.seed, s.plan.faults)
		s.venue = inMemory(n)
		if *oneSeed != 0 {
			s.log(t)
		}
		problems = s.run()
		fingerprint = n.Fingerprint()
	})
	return problems, fingerprint
}

// log prints what happens.
func (s *sim) log(t *testing.T) {
	start := time.Now()
	s.logf = func(format string, args ...any) {
		t.Logf("%12v  %s", time.Since(start), fmt.Sprintf(format, args...))
	}
	s.logf("plan: %+v, grain %v", s.plan, s.grain)
}

// seeds calls run with the seeds to be tried, until too many have failed.
func seeds(t *testing.T, count int, run func(seed uint64) (problems []string)) {
	t.Helper()
	first, last := uint64(1), uint64(count)
	if *seedCount > 0 {
		last = *seedCount
	}
	if *oneSeed > 0 {
		first, last = *oneSeed, *oneSeed
	}
	start := time.Now()
	failed := 0
	try := run
	run = func(seed uint64) (problems []string) { // if all goes down the traceback has the seed, see TestMain
		pprof.Do(context.Background(), pprof.Labels("test", t.Name(), "seed", fmt.Sprint(seed)), func(context.Context) { problems = try(seed) })
		return problems
	}
	for seed := first; seed <= last && failed < *mostFailures; seed++ {
		problems := run(seed)
		if len(problems) == 0 {
			continue
		}
		failed++
		again := 0
		for range 3 {
			if len(run(seed)) > 0 {
				again++
			}
		}
		t.Errorf("seed %d, failed again in %d of 3 replays; to see it: go test ./reliability -run '^%s$' -v -seed %d\n%s",
			seed, again, strings.ReplaceAll(t.Name(), "/", "$/^"), seed, strings.Join(problems, "\n"))
	}
	figure(t, "%d seeds, %d failed, %v", last+1-first, failed, time.Since(start).Round(time.Millisecond))
}

// Random programs on both ends of a network that cuts, delays, stalls and
// resets, with every wire: nothing is lost, reordered, repeated or changed, a
// confirmation means that the peer has the message, and nothing hangs. And servers with
// several guests, where handlers, hooks, machines and plugins panic, end their goroutine
// or tell the impossible, and peers take nothing, end one direction, reset or speak
// something else: that costs the connection that has it. All others get all answers in
// their order, hooks are called in pairs, the server shuts down, and nothing is left.
//
// Verifies: RUNTIME-16, RUNTIME-17, RUNTIME-19, RUNTIME-20, RUNTIME-21, RUNTIME-24, RUNTIME-25, RUNTIME-33, RUNTIME-35, RUNTIME-26, RUNTIME-27, RUNTIME-45, RUNTIME-57, RUNTIME-89, TINYPROTO-12, TINYPROTO-19, SERPY-19
func TestSimulation(t *testing.T) {
	eachMemoryDriver(t, func(t *testing.T, d driver) {
		for _, k := range kinds() {
			t.Run(k.name, func(t *testing.T) {
				t.Parallel()
				seeds(t, scale(10_000, 50), func(seed uint64) []string {
					problems, _ := simulate(t, newSim(k, d, seed))
					return problems
				})
			})
		}
	})
	t.Run("faults", func(t *testing.T) { // with goroutines: event loops need sockets
		for _, k := range ordealKinds() {
			t.Run(k.name, func(t *testing.T) {
				t.Parallel()
				seeds(t, scale(10_000, 40), func(seed uint64) []string {
					return endure(t, k, newOrdealPlan(k, seeded(seed)))
				})
			})
		}
	})
}

// The same over sockets, whose partial writes and readiness no simulation has.
//
// Verifies: RUNTIME-16, RUNTIME-17, RUNTIME-19, RUNTIME-20, RUNTIME-21, RUNTIME-25, RUNTIME-33
func TestSimulationOnSockets(t *testing.T) {
	eachDriver(t, func(t *testing.T, d driver) {
		for _, k := range kinds() {
			t.Run(k.name, func(t *testing.T) {
				t.Parallel()
				seeds(t, scale(1000, 8), func(seed uint64) (problems []string) {
					t.Run("", func(t *testing.T) {
						s := newSim(k, d, seed)
						s.venue = onSockets(t, s)
						if *oneSeed != 0 {
							s.log(t)
						}
						problems = s.run()
					})
					return problems
				})
			})
		}
	})
}

// A seed gives the same run whenever it is run. What is left to chance is the
// order of goroutines that wake at the same instant.
func TestSimulationReplays(t *testing.T) {
	eachMemoryDriver(t, func(t *testing.T, d driver) {
		same, total := 0, 0
		for _, k := range kinds() {
			for seed := range uint64(scale(500, 12)) {
				_, a := simulate(t, newSim(k, d, seed+1))
				_, b := simulate(t, newSim(k, d, seed+1))
				if total++; a == b {
					same++
				}
			}
		}
		figure(t, "%d of %d runs were the same when run again", same, total)
		least := 75 // three of a few dozen are chance
		if full {
			least = 95
		}
		if same*100 < total*least {
			t.Errorf("less than %d %%: a failing seed would be hard to find again", least)
		}
	})
}
