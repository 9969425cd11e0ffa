package reliability

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/parley-net/parley/internal/netsim"
	"github.com/parley-net/parley/tinyproto"
)

// Both ends send at the same instant, with every pair of sizes around the
// edges where tinyproto changes its ways, in every combination of eager and
// strict, pulled and pushed: nothing is lost or reordered, and nobody waits for
// ever.
//
// Verifies: TINYPROTO-06, TINYPROTO-07, TINYPROTO-08, TINYPROTO-09, TINYPROTO-10, TINYPROTO-12
func TestBothSendAtOnce(t *testing.T) {
	const copied = 16 << 10
	edges := []int{0, 3, copied, copied + 1, tinyproto.EagerLimit - 1, tinyproto.EagerLimit, tinyproto.EagerLimit + 1, 3 * tinyproto.EagerLimit}
	eachMemoryDriver(t, func(t *testing.T, d driver) {
		for _, k := range kinds() {
			if k.traits().Lockstep {
				continue // only one end speaks of its own accord
			}
			t.Run(k.name, func(t *testing.T) {
				t.Parallel()
				// Each seed is one pair of sizes, so a multiple of all pairs.
				pairs := len(edges) * len(edges)
				seeds(t, scale((10_000/pairs+1)*pairs, pairs), func(seed uint64) []string {
					s := newSim(k, d, seed)
					rng := rand.New(rand.NewPCG(seed, 3))
					s.plan = plan{
						ending: endQuiet,
						pull:   [2]bool{rng.IntN(2) == 0, rng.IntN(2) == 0},
						tasks:  [2]int{1, 1},
						faults: netsim.Faults{Cut: rng.IntN(2) == 0, Pause: time.Microsecond, Latency: time.Duration(1 + rng.IntN(1_000_000)), Window: 1 << 12 << rng.IntN(8)},
						quiet:  true,
					}
					pair := int(seed) % pairs
					s.plan.sizes = [2][]int{{edges[pair%len(edges)]}, {edges[pair/len(edges)]}}
					for range rng.IntN(4) { // and a few more behind them
						side := rng.IntN(2)
						s.plan.sizes[side] = append(s.plan.sizes[side], edges[rng.IntN(len(edges))])
					}
					problems, _ := simulate(t, s)
					return problems
				})
			})
		}
	})
}

// Several callers on one connection get each their own answer, also from a
// server that asks back before it answers.
//
// Verifies: RUNTIME-18, RUNTIME-25, ONELINE-09
func TestSimulatedCalls(t *testing.T) {
	eachMemoryDriver(t, func(t *testing.T, d driver) {
		for _, k := range kinds() {
			t.Run(k.name, func(t *testing.T) {
				t.Parallel()
				seeds(t, scale(2000, 20), func(seed uint64) []string {
					s := newSim(k, d, seed)
					s.plan.ending, s.plan.cancel, s.plan.streams, s.plan.small = endQuiet, false, false, false
					s.plan.faults.ResetAfter = [2]int64{}
					s.plan.pull[dialing] = true
					s.plan.most = min(s.plan.most, 70_000)
					s.plan.calls = true
					problems, _ := simulate(t, s)
					return problems
				})
			})
		}
	})
}
