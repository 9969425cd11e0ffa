package cluster

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parley-net/parley/bus"
)

// The times of a node's entry in the registry.
const (
	nodeTTL    = 15 * time.Second       // it is gone so long after its last word
	nodeBeat   = 5 * time.Second        // it says so that it is there
	nodeSoon   = 100 * time.Millisecond // it tells a change after so long
	askTimeout = 2 * time.Second        // a node that has not answered by then is silent
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
	// Logger is told what happens; nil: nobody.
	Logger *slog.Logger
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

	mu     sync.Mutex
	closed bool
	rooms  map[string]*Room
	nodes  map[string]NodeInfo // as told by the registry, by key; this one too
	sends  map[uint64]*sending // big messages under way, by number
	bans   map[netip.Addr]time.Time
	last   uint64 // number of the last Attach
}

// NodeInfo is a node's entry in the registry.
type NodeInfo struct {
	Name        string              `json:"node"`
	Incarnation string              `json:"incarnation"` // of its process
	Host        string              `json:"host"`
	PID         int                 `json:"pid"`
	Version     string              `json:"version,omitempty"`
	Started     time.Time           `json:"started"`
	URLs        []string            `json:"urls,omitempty"`
	Rooms       map[string]RoomInfo `json:"rooms,omitempty"`
}

// RoomInfo is what a node tells of a room.
type RoomInfo struct {
	Members int    `json:"members"`
	Seq     uint64 `json:"seq"` // of its last message there
}

// Start makes the process a node. The bus stays the caller's: Close does not close it.
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
	if len(o.Name) > 200 {
		return nil, fmt.Errorf("cluster: a node's name of %d bytes, at most 200", len(o.Name))
	}
	n := &Node{
		bus: b, o: o, log: o.Logger, incarnation: binary.BigEndian.Uint64(random[:]), started: time.Now(),
		changed: make(chan struct{}, 1), rooms: make(map[string]*Room), nodes: make(map[string]NodeInfo),
		sends: make(map[uint64]*sending), bans: make(map[netip.Addr]time.Time),
	}
	if n.log == nil {
		n.log = slog.New(slog.DiscardHandler)
	}
	if err := n.join(ctx, host); err != nil {
		n.leave(ctx)
		return nil, fmt.Errorf("cluster: node %s: %w", o.Name, err)
	}
	return n, nil
}

// join subscribes and enters the registry.
func (n *Node) join(ctx context.Context, host string) (err error) {
	if n.registry, err = n.bus.Bucket(ctx, "parley_"+bus.Token(n.o.Namespace)+"_nodes", bus.BucketOptions{TTL: nodeTTL}); err != nil {
		return err
	}
	running, stop := context.WithCancel(context.Background())
	n.stop = stop
	if err = n.claim(ctx); err != nil {
		return err
	}
	if n.asked, err = n.bus.Subscribe(n.subject("node", n.o.Name, "req"), bus.SubscribeOptions{}, n.answer); err != nil {
		return err
	}
	if n.acked, err = n.bus.Subscribe(n.subject("node", n.o.Name, "ack"), bus.SubscribeOptions{}, n.ack); err != nil {
		return err
	}
	if err = n.registry.Watch(running, n.told); err != nil {
		return err
	}
	n.ended.Go(func() { n.beat(running, host) })
	return nil
}

// claim takes the node's key. One that is there belongs to another process, which may
// have died a moment ago: then it does not answer.
func (n *Node) claim(ctx context.Context) error {
	_, err := n.registry.Create(ctx, n.key(), n.entry(""))
	if !errors.Is(err, bus.ErrConflict) {
		return err
	}
	ask, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	if _, err := n.bus.Request(ask, n.subject("node", n.o.Name, "req"), []byte(`{"op":"ping"}`)); err == nil {
		return ErrNameTaken
	}
	_, err = n.registry.Put(ctx, n.key(), n.entry(""))
	return err
}

// subject returns one below the node's namespace.
func (n *Node) subject(kind, name, end string) string {
	return "parley.v1." + bus.Token(n.o.Namespace) + "." + kind + "." + bus.Token(name) + "." + end
}

func (n *Node) key() string { return bus.Token(n.o.Name) }

// Name is the node's name.
func (n *Node) Name() string { return n.o.Name }

// entry is what the registry has of this node.
func (n *Node) entry(host string) []byte {
	info := NodeInfo{
		Name: n.o.Name, Incarnation: fmt.Sprintf("%016x", n.incarnation), Host: host, PID: os.Getpid(),
		Version: n.o.Version, Started: n.started.UTC().Truncate(time.Millisecond), URLs: n.o.URLs, Rooms: make(map[string]RoomInfo),
	}
	n.mu.Lock()
	rooms := maps.Clone(n.rooms)
	n.mu.Unlock()
	for name, r := range rooms {
		info.Rooms[name] = RoomInfo{Members: len(r.Members()), Seq: r.sequence()}
	}
	b, err := json.Marshal(info)
	if err != nil {
		panic(err) // nothing in it can fail
	}
	return b
}

// change has the registry told soon.
func (n *Node) change() {
	select {
	case n.changed <- struct{}{}:
	default:
	}
}

// beat writes the node's entry until ctx ends.
func (n *Node) beat(ctx context.Context, host string) {
	n.change()
	for {
		select {
		case <-n.changed:
			select {
			case <-time.After(nodeSoon): // for what changes together
			case <-ctx.Done():
				return
			}
		case <-time.After(nodeBeat):
		case <-ctx.Done():
			return
		}
		put, cancel := context.WithTimeout(ctx, nodeBeat)
		_, err := n.registry.Put(put, n.key(), n.entry(host))
		cancel()
		if err != nil && ctx.Err() == nil {
			n.log.Debug("the registry does not know that this node is here", "node", n.o.Name, "err", err)
		}
	}
}

// told takes a change of the registry.
func (n *Node) told(e bus.Entry) {
	if e.Op == bus.OpCurrent {
		return
	}
	var info NodeInfo
	if e.Op == bus.OpPut {
		if err := json.Unmarshal(e.Value, &info); err != nil {
			n.log.Warn("an entry of the registry is not of a version that is known here", "key", e.Key, "err", err)
			return
		}
	}
	n.mu.Lock()
	old, known := n.nodes[e.Key]
	if e.Op == bus.OpPut {
		n.nodes[e.Key] = info
	} else {
		delete(n.nodes, e.Key)
	}
	rooms := slices.Collect(maps.Values(n.rooms))
	n.mu.Unlock()
	for _, r := range rooms {
		if known && (e.Op == bus.OpGone || old.Incarnation != info.Incarnation) {
			r.gone(old)
		}
		if e.Op == bus.OpPut {
			r.heard(info)
		}
	}
	if known && e.Op == bus.OpGone {
		n.log.Info("a node is gone", "node", old.Name)
	} else if !known && info.Name != n.o.Name {
		n.log.Info("a node is there", "node", info.Name)
	}
}

// Nodes returns all nodes that are there, this one too, in the order of their names.
// While the bus is away it is what was known then.
func (n *Node) Nodes() []NodeInfo {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.SortedFunc(maps.Values(n.nodes), func(a, b NodeInfo) int { return strings.Compare(a.Name, b.Name) })
}

// in returns the names of the other nodes that are in a room.
func (n *Node) in(room string) []string {
	var names []string
	for _, info := range n.Nodes() {
		if _, ok := info.Rooms[room]; ok && info.Name != n.o.Name {
			names = append(names, info.Name)
		}
	}
	return names
}

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
	if n.asked != nil { // the key is ours
		err = n.registry.Delete(ctx, n.key(), 0)
		n.asked.Close()
	}
	if n.acked != nil {
		n.acked.Close()
	}
	return err
}
