package reliability

import (
	"math/rand/v2"
	"time"

	"github.com/parley-net/parley/internal/netsim"
)

// A plan is what the seed has decided for a whole run.
type plan struct {
	ending   ending
	closer   int // the end that closes, where one does
	pull     [2]bool
	streams  bool // messages above a small limit arrive as streams
	small    bool // small queues, so that everything blocks now and then
	cancel   bool // some sends are given up
	tasks    [2]int
	messages int // by task
	most     int // largest message
	faults   netsim.Faults
	calls    bool     // the client asks and the server answers
	quiet    bool     // nobody says anything but its tasks
	sizes    [2][]int // what each task sends at once, instead of random messages
}

// An ending is how a run ends.
type ending int

const (
	endQuiet    ending = iota // everything has arrived, then one end closes
	endEarly                  // one end closes when it has sent everything
	endBoth                   // both do
	endCut                    // one end cuts at a random moment
	endReset                  // the network resets the connection at a random byte
	endShutdown               // the server shuts down at a random moment
	endings
)

func (e ending) String() string {
	return [...]string{"quiet", "early close", "both close", "cut", "reset", "shutdown"}[e]
}

// newPlan lets the seed decide.
func newPlan(k kind, rng *rand.Rand) plan {
	p := plan{
		ending:   ending(rng.IntN(int(endings))),
		closer:   rng.IntN(2),
		pull:     [2]bool{rng.IntN(4) > 0, rng.IntN(2) == 0},
		tasks:    [2]int{1 + rng.IntN(3), 1 + rng.IntN(3)},
		messages: 1 + rng.IntN(8),
		most:     []int{100, 5000, 20_000, 70_000, 200_000}[rng.IntN(5)],
	}
	if rng.IntN(3) > 0 {
		p.ending = []ending{endQuiet, endEarly}[rng.IntN(2)]
	}
	p.streams = k.traits().Sized && k.plugins == nil && rng.IntN(3) == 0
	p.small = p.pull == [2]bool{true, true} && rng.IntN(3) == 0
	p.cancel = rng.IntN(6) == 0
	if k.traits().Lockstep {
		p.tasks[accepting] = 0 // a server speaks only in answer
		p.small = false
	}
	p.faults = netsim.Faults{
		Cut:     rng.IntN(5) > 0,
		Pause:   time.Duration(1 + rng.IntN(20_000)),
		Latency: time.Duration(1+rng.IntN(2_000_000)) * time.Nanosecond,
		Window:  []int{1000, 10_000, 65_536, 1 << 20}[rng.IntN(4)],
	}
	if rng.IntN(8) == 0 {
		p.faults.Stall = time.Second
	}
	if rng.IntN(20) == 0 { // one byte at a time
		p.most, p.faults.Window = 200, 1
	}
	if p.ending == endReset {
		p.faults.ResetAfter[rng.IntN(2)] = 1 + rng.Int64N(int64(p.most*p.messages)+100)
	}
	return p
}
