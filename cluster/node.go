package cluster

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-net/parley/bus"
)

// The times of a node's entry in the registry.
const (
	nodeTTL    = 14 * time.Second       // so that it is gone 15 s after its last word
	nodeBeat   = 5 * time.Second        // it says so that it is there
	nodeSoon   = 100 * time.Millisecond // it tells a change after so long
	enterFor   = 5 * time.Second        // a bus that can't do it by then is taken for away
	nodeAgain  = 500 * time.Millisecond // it tries again to enter the registry after so long
	askTimeout = 2 * time.Second        // a node that has not answered by then is silent
	staleAfter = 10 * time.Second       // two of its words are missing: what is known of it is old
)

// Options are a node's. The zero value is good.
type Options struct {
	// Namespace keeps those apart who share a bus and are not to meet; "default".
	Namespace string
	// Name is what others call the node; the host's name and four digits by chance.
	Name string
	// Version is what the node tells of its program.
	Version string
	// URLs are where the node serves, for people.
	URLs []string
	// Observer: it only looks who is there. No other node sees it, and it enters no room.
	Observer bool
	// Logger is told what happens; nil: nobody.
	Logger *slog.Logger
}

// Check returns an error if the options are none that a node can have.
func (o *Options) Check() error {
	const most = 200
	if len(o.Name) > most {
		return fmt.Errorf("cluster: a node's name has at most %d bytes, not %d", most, len(o.Name))
	}
	if n := len(bus.Token(o.Namespace)); n > most {
		return fmt.Errorf("cluster: a namespace has at most %d bytes as a part of a subject, where each that is none of a-z, 0-9, _ and - takes three, not %d", most, n)
	}
	return nil
}

// Node is this process on the bus. All methods may be called concurrently.
type Node struct {
	bus         bus.Bus
	o           Options
	log         *slog.Logger
	incarnation uint64
	registry    bus.Bucket
	started     time.Time
	asked       bus.Subscription
	acked       bus.Subscription
	stop        context.CancelFunc
	ended       sync.WaitGroup
	changed     chan struct{} // the registry's entry is to be told soon
	host        string
	claimed     bool          // the key is ours; changed by the goroutine that beats, before it by Start
	lastCall    atomic.Uint64 // number of the last call that was passed on
	current     chan struct{} // closed when all that the registry had has been told

	mu     sync.Mutex
	closed bool
	rooms  map[string]*Room
	parts  map[*Owner]struct{} // its parts in the ownership of devices
	nodes  map[string]*known   // as told by the registry, by key; this one too
	calls  map[string]struct{} // of other nodes, under way here
	sends  map[uint64]*sending // big messages under way, by number
	bans   map[netip.Addr]time.Time
	last   uint64 // number of the last Attach

	strange limit // how often an entry that is not understood is logged
}

// NodeInfo is what a node tells of itself.
type NodeInfo struct {
	Name        string              `json:"node"`
	Incarnation string              `json:"incarnation"` // of its process
	Host        string              `json:"host"`
	PID         int                 `json:"pid"`
	Version     string              `json:"version,omitempty"`
	Started     time.Time           `json:"started"`
	URLs        []string            `json:"urls,omitempty"`
	Rooms       map[string]RoomInfo `json:"rooms,omitempty"`
	Owns        []string            `json:"owns,omitempty"` // devices that it has
	// Stale: it has not been heard of for 10 s, has not answered when it was asked last, or
	// the bus is away. The rest is how it was known then.
	Stale bool `json:"stale,omitempty"`
}

// RoomInfo is what a node tells of a room.
type RoomInfo struct {
	Members int    `json:"members"`
	Seq     uint64 `json:"seq"` // of its last message there
	// What it knows of whether the room is kept, since when by Unix's nanoseconds, and
	// whether it wants it itself.
	KeepAt int64 `json:"keep_at,omitempty"`
	Keep   bool  `json:"keep,omitempty"`
	Wants  bool  `json:"wants_keep,omitempty"`
}

// Start makes the process a node. The bus stays the caller's: Close does not close it. While
// the bus is away the node is alone: it joins the others when they can be reached.
func Start(ctx context.Context, b bus.Bus, o Options) (*Node, error) {
	host, _ := os.Hostname()
	var random [10]byte
	rand.Read(random[:])
	if o.Namespace == "" {
		o.Namespace = "default"
	}
	if o.Name == "" {
		o.Name = fmt.Sprintf("%s-%x", host, random[8:])
	}
	if err := o.Check(); err != nil {
		return nil, err
	}
	n := &Node{
		bus: b, o: o, log: o.Logger, host: host, current: make(chan struct{}), incarnation: binary.BigEndian.Uint64(random[:]), started: time.Now(),
		changed: make(chan struct{}, 1), rooms: make(map[string]*Room), parts: make(map[*Owner]struct{}), calls: make(map[string]struct{}), nodes: make(map[string]*known),
		sends: make(map[uint64]*sending), bans: make(map[netip.Addr]time.Time), strange: limit{every: 10 * time.Second},
	}
	if n.log == nil {
		n.log = slog.New(slog.DiscardHandler)
	}
	if err := n.join(ctx); err != nil {
		n.leave(ctx)
		return nil, fmt.Errorf("cluster: node %s: %w", o.Name, err)
	}
	return n, nil
}

// join enters the registry, now or when the bus is there.
func (n *Node) join(ctx context.Context) error {
	running, stop := context.WithCancel(context.Background())
	n.stop = stop
	first, cancel := context.WithTimeout(ctx, enterFor)
	defer cancel()
	err := n.enter(first, running)
	away := errors.Is(err, bus.ErrNoBus) || errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil
	if err != nil && (!away || n.o.Observer) {
		return err
	}
	if n.o.Observer {
		select {
		case <-n.current:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if away {
		n.log.Warn("the bus is away: those here are served, the others are joined when it is there", "node", n.o.Name, "err", err)
	}
	n.ended.Go(func() { n.beat(running, !away) })
	return nil
}

// enter takes the node's key and listens.
func (n *Node) enter(ctx, running context.Context) (err error) {
	if n.registry, err = n.bus.Bucket(ctx, "parley_"+bus.Token(n.o.Namespace)+"_nodes", bus.BucketOptions{TTL: nodeTTL}); err != nil {
		return err
	}
	if !n.o.Observer {
		if err = n.claim(ctx); err != nil {
			return err
		}
		n.claimed = true
		if n.asked == nil {
			if n.asked, err = n.bus.Subscribe(n.subject("node", n.o.Name, "req"), bus.SubscribeOptions{}, n.answer); err != nil {
				return err
			}
		}
		if n.acked == nil {
			if n.acked, err = n.bus.Subscribe(n.subject("node", n.o.Name, "ack"), bus.SubscribeOptions{}, n.ack); err != nil {
				return err
			}
		}
	}
	return n.registry.Watch(running, n.told)
}

// claim takes the node's key. One that is there belongs to another process, which may
// have died a moment ago: then it does not answer.
func (n *Node) claim(ctx context.Context) error {
	if n.claimed {
		return nil
	}
	_, err := n.registry.Create(ctx, n.key(), n.entry())
	if !errors.Is(err, bus.ErrConflict) {
		return err
	}
	ask, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if _, err := n.bus.Request(ask, n.subject("node", n.o.Name, "req"), []byte(`{"op":"ping"}`)); err == nil {
		return ErrNameTaken
	}
	_, err = n.registry.Put(ctx, n.key(), n.entry())
	return err
}

// subject returns one below the node's namespace.
func (n *Node) subject(kind, name, end string) string {
	return "parley.v1." + bus.Token(n.o.Namespace) + "." + kind + "." + bus.Token(name) + "." + end
}

func (n *Node) key() string { return bus.Token(n.o.Name) }

// Name is the node's name.
func (n *Node) Name() string { return n.o.Name }

// change has the registry told soon.
func (n *Node) change() {
	select {
	case n.changed <- struct{}{}:
	default:
	}
}

// beat writes the node's entry until ctx ends. entered says that it is in the registry.
func (n *Node) beat(ctx context.Context, entered bool) {
	n.change()
	told := limit{every: 30 * time.Second}
	away := !entered
	for {
		pause := nodeBeat
		if !entered {
			pause = nodeAgain
		}
		status := n.bus.Status()
		select {
		case <-n.changed:
			if !sleep(ctx, nodeSoon) { // for what changes together
				return
			}
		case <-status.Changed:
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
		put, cancel := context.WithTimeout(ctx, nodeBeat)
		err := n.say(put, ctx, entered)
		cancel()
		entered = entered || err == nil
		if up := n.bus.Status().Up; up == away && (up == (err == nil)) {
			if away = !up; away {
				n.log.Warn("the bus is away: those here are served, others are told later what they missed", "node", n.o.Name, "err", n.bus.Status().Err)
			} else {
				n.log.Warn("the bus is there again", "node", n.o.Name)
			}
		}
		if err != nil && ctx.Err() == nil {
			n.log.Debug("the registry does not know that this node is here", "node", n.o.Name, "err", err)
			if errors.Is(err, ErrNameTaken) && told.ok() {
				n.log.Error("those here are served alone: give this node another name", "node", n.o.Name, "err", err)
			}
			if status.Changed == nil && !sleep(ctx, nodeAgain) {
				return // a bus that was closed
			}
		}
	}
}

// say writes the entry. A registry that has vanished, with a hub that keeps nothing beyond
// its end, is made again.
func (n *Node) say(ctx, running context.Context, entered bool) error {
	if !entered {
		return n.enter(ctx, running)
	}
	_, err := n.registry.Put(ctx, n.key(), n.entry())
	if err != nil && n.bus.Status().Up {
		if again, openErr := n.bus.Bucket(ctx, "parley_"+bus.Token(n.o.Namespace)+"_nodes", bus.BucketOptions{TTL: nodeTTL}); openErr == nil {
			_, err = again.Put(ctx, n.key(), n.entry())
		}
	}
	return err
}

// limit lets one through in a while.
type limit struct {
	every time.Duration
	last  time.Time
}

func (l *limit) ok() bool {
	if time.Since(l.last) < l.every {
		return false
	}
	l.last = time.Now()
	return true
}

// Serves tells the others where this node serves, for people.
func (n *Node) Serves(urls ...string) {
	n.mu.Lock()
	n.o.URLs = slices.Clone(urls)
	n.mu.Unlock()
	n.change()
}

// Status tells whether the bus is there: while it is not, what Nodes returns is old.
func (n *Node) Status() bus.Status { return n.bus.Status() }

// Close leaves the rooms and the registry: others know at once.
func (n *Node) Close(ctx context.Context) error {
	n.mu.Lock()
	if n.closed {
		n.mu.Unlock()
		return nil
	}
	n.closed = true
	rooms := slices.Collect(maps.Values(n.rooms))
	n.mu.Unlock()
	for _, r := range rooms {
		r.Close()
	}
	return n.leave(ctx)
}

// leave undoes what join has done.
func (n *Node) leave(ctx context.Context) error {
	if n.stop == nil {
		return nil
	}
	n.stop()
	n.ended.Wait()
	var err error
	if n.claimed && n.bus.Status().Up {
		// A bus that has gone meanwhile, or is too slow: they see it by the entry's age.
		if err = n.registry.Delete(ctx, n.key(), 0); errors.Is(err, bus.ErrNoBus) || errors.Is(err, context.DeadlineExceeded) {
			n.log.Warn("the others know only later that this node has left, when its entry is old", "node", n.o.Name, "err", err)
			err = nil
		}
	}
	if n.asked != nil {
		n.asked.Close()
	}
	if n.acked != nil {
		n.acked.Close()
	}
	return err
}
