package reliability

import (
	"math/rand/v2"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/frame"
	"github.com/parley-net/parley/internal/netsim"
	"github.com/parley-net/parley/line"
)

// A die decides: a seed's randomness, or what a fuzzer has written down.
type die interface{ IntN(n int) int }

// script is a die whose throws are its bytes, two for more than 256 sides. Behind them
// it throws 0.
type script struct{ throws []byte }

func (s *script) next() (v int) {
	if len(s.throws) > 0 {
		v, s.throws = int(s.throws[0]), s.throws[1:]
	}
	return v
}

// IntN returns a number below n.
func (s *script) IntN(n int) int {
	v := s.next()
	if n > 256 {
		v = v<<8 | s.next()
	}
	return v % n
}

// An ordealPlan is one server with its guests, and what goes wrong there.
type ordealPlan struct {
	network netsim.Faults
	netSeed uint64
	pull    bool          // the server's program receives
	limits  parley.Limits // of both ends
	news    int           // how often something is told to all, unasked
	early   bool          // the server shuts down at a random moment
	guests  []guestPlan
}

// A guestPlan is one connection.
type guestPlan struct {
	habit     habit
	halfClose side // who ends its own direction behind what it has to say
	questions int
	most      int // bytes of an answer
	pull      bool
	rest      time.Duration // how long a guest that pauses takes nothing
	flaw      flaw
}

// side is one end of a connection, or none.
type side int

const (
	noSide side = iota
	dialingSide
	acceptingSide
	sides
)

// habit is how a guest behaves.
type habit int

const (
	prompt   habit = iota // takes what comes
	pauses                // takes nothing for a while, and then all
	deaf                  // takes nothing
	resets                // asks, and resets its connection
	stranger              // speaks no wire, and ends its direction
	habits
)

// flaw is what is wrong with one end of a connection.
type flaw struct {
	where place
	how   misdeed
	side  side
	after int // how many calls of that place go well
}

// place is whose code has a flaw.
type place int

const (
	nowhere place = iota
	inNew         // of the protocol
	inMachine
	inPlugin
	inHandler
	inOpen
	inClose
	places
)

// misdeed is what the flaw does.
type misdeed int

const (
	panics     misdeed = iota
	goexits            // as t.FailNow does
	impossible         // a machine's Receive has consumed more than it was given, or less than nothing
	misdeeds
)

func (p place) String() string {
	return [...]string{"nowhere", "New", "a machine", "a plugin", "a handler", "OnOpen", "OnClose"}[p]
}

func (m misdeed) String() string { return [...]string{"panic", "Goexit", "impossible n"}[m] }

// ordealKinds are the simulation's wires, and those of devices.
func ordealKinds() []kind {
	return append(kinds(),
		kind{name: "line", protocol: line.Protocol{}},
		kind{name: "frame", protocol: frame.Protocol{Size: frame.U32BE, Strip: frame.Head}})
}

// newOrdealPlan lets d decide. The first guest is honest.
func newOrdealPlan(k kind, d die) ordealPlan {
	chance := func(n int) bool { return d.IntN(n) == n-1 }
	p := ordealPlan{
		network: netsim.Faults{
			Cut:     chance(2),
			Pause:   time.Duration(1 + d.IntN(20_000)),
			Latency: time.Duration(1+d.IntN(2000)) * time.Microsecond,
			Window:  []int{65_536, 10_000, 1000, 100}[d.IntN(4)],
		},
		netSeed: uint64(d.IntN(1 << 16)),
		pull:    chance(3),
		early:   chance(8),
	}
	if chance(10) {
		p.network.Stall = time.Second
	}
	if chance(2) { // so that everything blocks now and then
		// A program that sends has to hear the peer's consent behind the questions that
		// wait: four times as much may wait for it then.
		p.limits = parley.Limits{MaxOutput: 1 + d.IntN(5000), MaxInput: 500 + d.IntN(5000), MaxQueue: 2 + d.IntN(3)}
	}
	if !k.traits().Lockstep {
		p.news = max(0, d.IntN(6)-2)
	}
	for range 2 + d.IntN(3) {
		p.guests = append(p.guests, newGuestPlan(k, d, p.pull))
	}
	p.guests[0].habit, p.guests[0].flaw = prompt, flaw{}
	return p
}

func newGuestPlan(k kind, d die, served bool) guestPlan {
	p := guestPlan{
		questions: 1 + d.IntN(6),
		most:      []int{20, 2000, 20_000, 40_000}[d.IntN(4)],
		halfClose: max(noSide, side(d.IntN(5)-2)),
		pull:      d.IntN(2) == 0,
		habit:     max(prompt, habit(d.IntN(int(habits)+4)-4)),
		rest:      time.Duration(1+d.IntN(20_000)) * time.Millisecond,
	}
	f := flaw{
		where: max(nowhere, place(d.IntN(int(places)+2)-2)),
		how:   misdeed(d.IntN(int(misdeeds))),
		side:  dialingSide + side(d.IntN(2)),
		after: d.IntN(40),
	}
	if f.where == inPlugin && (!k.traits().Opaque || k.plugins != nil) {
		f.where = inMachine
	}
	pulled := served
	if f.side == dialingSide {
		pulled = p.pull
	}
	if f.where == inHandler && pulled { // there is none
		f.where = inMachine
	}
	switch f.where {
	case inMachine:
	case inHandler, inPlugin:
		f.after %= p.questions
		f.how %= impossible
	default:
		f.after = 0
		f.how %= impossible
	}
	if p.habit == deaf {
		p.pull = true
		if f.where == inHandler && f.side == dialingSide {
			f.where = nowhere
		}
	}
	p.flaw = f
	return p
}

// seeded is the die of a seed.
func seeded(seed uint64) die { return rand.New(rand.NewPCG(seed, 4)) }
