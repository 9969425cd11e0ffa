// Package netsim is a network in memory whose misbehaviour a seed decides.
//
// A connection of it behaves as TCP does, and is never kind: a write is cut
// into parts, each part takes its time, a read brings a few bytes, a close with
// unread input is a reset that destroys what the peer has not read. It uses
// nothing but goroutines and time, so that a test in a testing/synctest bubble
// runs it in virtual time.
//
// Every read and every write first takes a random moment of nanoseconds of its
// own. Two things therefore hardly ever happen at the same virtual instant, the
// seed decides what comes first, and a program whose goroutines pause likewise
// behaves the same whenever it is run with the same seed. [Net.Fingerprint]
// tells whether it did.
package netsim

import (
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// Faults says how the connections of a Net behave. The zero value is a network
// with no delay and no surprises.
type Faults struct {
	// Cut: reads and writes are cut into pieces, most of them of a few bytes.
	Cut bool
	// Pause is the longest time that one read, or one part of a write, takes.
	Pause time.Duration
	// Latency is the longest time that a part is under way. Parts keep their
	// order.
	Latency time.Duration
	// Stall: one part in fifty is under way for this much longer.
	Stall time.Duration
	// Window is how many bytes may be under way in one direction before a
	// write blocks; 64 KiB if it is zero.
	Window int
	// ResetAfter resets a connection when this many bytes have been read from
	// it at one end, for each direction: from the dialling end, and to it.
	// Zero is never.
	ResetAfter [2]int64
}

// Net is a simulated network. Its methods may be called concurrently.
type Net struct {
	seed   uint64
	faults Faults

	mu     sync.Mutex
	pairs  []*pair
	start  time.Time
	accept chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// New returns a network that misbehaves as faults say, in its details as seed
// says. It must be called inside the bubble in which it is used.
func New(seed uint64, faults Faults) *Net {
	if faults.Window <= 0 {
		faults.Window = 64 << 10
	}
	return &Net{
		seed: seed, faults: faults, start: time.Now(),
		accept: make(chan net.Conn), closed: make(chan struct{}),
	}
}

// Pipe returns the two ends of a new connection.
func (n *Net) Pipe() (dialing, accepting *Conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	p := &pair{net: n, changed: make(chan struct{})}
	id := uint64(len(n.pairs))
	for i := range p.ends {
		end := uint64(i)
		p.ends[i] = Conn{
			pair: p, side: i,
			reads:  half{rng: rand.New(rand.NewPCG(n.seed, id<<2|end<<1))},
			writes: half{rng: rand.New(rand.NewPCG(n.seed, id<<2|end<<1|1))},
		}
	}
	n.pairs = append(n.pairs, p)
	return &p.ends[0], &p.ends[1]
}

// Dial connects to whoever accepts connections from Listener.
func (n *Net) Dial() (*Conn, error) {
	ours, theirs := n.Pipe()
	select {
	case n.accept <- theirs:
		return ours, nil
	case <-n.closed:
		return nil, net.ErrClosed
	}
}

// Listener returns the net's listener, for a server. There is one.
func (n *Net) Listener() net.Listener { return listener{n} }

// Fingerprint returns a digest of all reads and writes so far: when they ended,
// at which end, and how many bytes they moved. Two runs with the same
// fingerprint were the same as seen from the network.
func (n *Net) Fingerprint() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	var sum uint64
	for _, p := range n.pairs {
		p.mu.Lock()
		for i := range p.ends {
			sum = mix(sum, p.ends[i].reads.digest)
			sum = mix(sum, p.ends[i].writes.digest)
		}
		p.mu.Unlock()
	}
	return sum
}

// mix adds v to a digest.
func mix(sum, v uint64) uint64 {
	sum = (sum ^ v) * 0x9e3779b97f4a7c15
	return sum ^ sum>>29
}

type listener struct{ net *Net }

func (l listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.net.accept:
		return c, nil
	case <-l.net.closed:
		return nil, net.ErrClosed
	}
}

func (l listener) Close() error {
	l.net.once.Do(func() { close(l.net.closed) })
	return nil
}

func (l listener) Addr() net.Addr { return addr("listener") }

type addr string

func (addr) Network() string  { return "netsim" }
func (a addr) String() string { return "netsim:" + string(a) }
