package wiretest

import (
	"math/rand/v2"
	"testing"

	"github.com/parley-net/parley/wire"
)

// A Pair is two machines joined by a simulated wire that cuts the streams at
// seeded random places.
type Pair struct {
	Dialing, Accepting *Driver

	rng   *rand.Rand
	moved [2]int // how much of each side's Out the other has seen, by role
}

// NewPair joins a machine of each protocol value; they may differ in options.
func NewPair(tb testing.TB, dialing, accepting wire.Protocol, limits wire.Limits, seed uint64) *Pair {
	return &Pair{
		Dialing:   NewDriver(tb, dialing, wire.Dialing, limits),
		Accepting: NewDriver(tb, accepting, wire.Accepting, limits),
		rng:       rand.New(rand.NewPCG(seed, 1)),
	}
}

// Run moves bytes in both directions until there are none under way.
func (p *Pair) Run() {
	for {
		d, a := p.under(p.Dialing, wire.Dialing), p.under(p.Accepting, wire.Accepting)
		switch {
		case len(d) == 0 && len(a) == 0:
			return
		case len(a) == 0 || len(d) > 0 && p.rng.IntN(2) == 0:
			p.move(d, p.Accepting, wire.Dialing)
		default:
			p.move(a, p.Dialing, wire.Accepting)
		}
	}
}

func (p *Pair) under(from *Driver, role wire.Role) []byte { return from.Out[p.moved[role]:] }

// move takes a segment from one side to the other: often a few bytes, to cut
// headers, sometimes all there is.
func (p *Pair) move(b []byte, to *Driver, from wire.Role) {
	n := len(b)
	switch p.rng.IntN(4) {
	case 0:
	case 1:
		n = min(n, 1+p.rng.IntN(1<<14))
	default:
		n = min(n, 1+p.rng.IntN(9))
	}
	p.moved[from] += n
	to.Feed(b[:n])
}
