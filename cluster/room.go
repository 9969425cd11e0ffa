package cluster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/bus"
)

// MaxMessage is the largest message of a room, in bytes of its form on the bus.
const MaxMessage = 64 << 20

const (
	// onePiece is the largest message that is one publication.
	onePiece = 1 << 20
)

// RoomOptions are a room's on this node.
type RoomOptions struct {
	// Latest: who is slow sees fewer messages, not late ones. For cameras.
	Latest bool
	// Keep is Room.Keep, from the first message on.
	Keep bool
}

// Room is a conversation that has a name. All methods may be called concurrently.
type Room struct {
	node *Node
	name string
	o    RoomOptions

	sending sync.Mutex // held while a message of this node is published: they leave in order
	seq     uint64     // of the last one; guarded by mu, changed with sending held too

	mu        sync.Mutex
	sub       bus.Subscription // nil until the first message may have come
	closed    bool
	receivers []*Receiver
	attached  []*attached
	visitors  map[*visitor]struct{}
	origins   map[uint64]*origin // by incarnation
	dropped   uint64             // of sub, as far as told
	stats     RoomStats
	strange   limit // how often what is not understood is logged
	keep      keeping
}

// RoomStats counts what a room did on this node.
type RoomStats struct {
	Published  uint64 // messages of this node's members
	Arrived    uint64 // messages of other nodes
	Missed     uint64 // messages of other nodes that did not arrive
	Unsent     uint64 // of Published, those that the bus did not take
	Misfits    uint64 // messages that had no form on an attached server's protocol, each server counted
	Kept       uint64 // of Published, those that are in the room's log, if it has one
	Unkept     uint64 // of Published, those that are not, as they were too many or too large
	Incomplete uint64 // of Missed, big ones whose publisher or whose way has ended in the middle
}

// Delivery is what a receiver gets: a message, or an error that says what is missing.
type Delivery struct {
	Message parley.Message // its bytes belong to all receivers: not to be changed
	Err     error          // a *MissedError; then there is no message
	At      time.Time      // when it was published, by the publisher's clock
	Node    string         // the publisher's
	Conn    string         // its connection there, as in Member.ID; "" for a program's own
	Proto   string         // the protocol on which it came, "" for a program's own
	Local   bool           // it was published on this node
}

// Room enters the room of this name, or returns the one that was entered.
func (n *Node) Room(name string, o RoomOptions) (*Room, error) {
	if name == "" || len(name) > 200 {
		return nil, fmt.Errorf("cluster: a room's name has 1 to 200 bytes, not %d", len(name))
	}
	if n.o.Observer {
		return nil, errors.New("cluster: an observer enters no room")
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.closed {
		return nil, ErrClosed
	}
	if r := n.rooms[name]; r != nil {
		return r, nil
	}
	r := &Room{node: n, name: name, o: o, visitors: make(map[*visitor]struct{}), origins: make(map[uint64]*origin), strange: limit{every: 10 * time.Second}}
	sub, err := n.bus.Subscribe(n.subject("room", name, "*"), bus.SubscribeOptions{Latest: o.Latest}, r.arrive)
	if err != nil {
		return nil, fmt.Errorf("cluster: room %s: %w", name, err)
	}
	n.rooms[name] = r
	r.mu.Lock()
	r.sub = sub
	if o.Keep {
		r.want()
	}
	for _, info := range n.nodes {
		if in := info.Rooms[name]; in.KeepAt != 0 {
			r.hearKeep(time.Unix(0, in.KeepAt), in.Keep)
		}
	}
	r.mu.Unlock()
	n.change()
	return r, nil
}

// Name is the room's name.
func (r *Room) Name() string { return r.name }

// Node is the node whose room it is.
func (r *Room) Node() *Node { return r.node }

func (r *Room) sequence() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.seq
}

// Stats returns the room's counters.
func (r *Room) Stats() RoomStats {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stats
}

// Publish says m to all others in the room. Those of this node have it, or have been
// found too slow, when Publish returns, whatever the error. The error says that other nodes
// may not get it: ErrTooLarge, or bus.ErrNoBus; they are told that they missed it.
// m is not kept.
func (r *Room) Publish(ctx context.Context, m parley.Message) error {
	return r.publish(ctx, m, sender{})
}

// sender is who says something on this node. It does not hear itself.
type sender struct {
	id, proto string
	conn      *parley.Conn // of an attached server
	receiver  *Receiver
}

func (r *Room) publish(ctx context.Context, m parley.Message, from sender) error {
	e := envelope{incarnation: r.node.incarnation, node: r.node.o.Name, conn: from.id, proto: from.proto, at: time.Now(), m: m}
	r.sending.Lock()
	defer r.sending.Unlock()
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return ErrClosed
	}
	r.seq++
	e.seq = r.seq
	r.stats.Published++
	keeper := r.keep.log
	r.mu.Unlock()
	r.deliver(&e, from)
	p, err := e.form()
	if keeper != nil {
		keeper.put(e.seq, p)
	}
	if err == nil {
		err = r.publishAway(ctx, e.seq, p)
	}
	if err != nil {
		r.mu.Lock()
		r.stats.Unsent++
		r.mu.Unlock()
	}
	return err
}

// publishAway gives a message to the other nodes.
func (r *Room) publishAway(ctx context.Context, seq uint64, p []byte) error {
	if len(p) <= min(headMax+onePiece, r.node.bus.MaxPayload()) {
		return r.node.bus.Publish(ctx, r.node.subject("room", r.name, "m"), p)
	}
	return r.node.publishBig(ctx, r, seq, p)
}

// form is the envelope as it travels, or ErrTooLarge.
func (e *envelope) form() ([]byte, error) {
	if size := e.m.Len(); size > MaxMessage {
		return nil, fmt.Errorf("%w: %d bytes, at most %d; share it instead", ErrTooLarge, size, MaxMessage)
	}
	p, err := e.append(make([]byte, 0, headMax+e.m.Len()))
	if err != nil {
		return nil, err
	}
	if len(p) > headMax+MaxMessage {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(p), MaxMessage)
	}
	return p, nil
}

// deliver gives a message to this node's members but its sender.
func (r *Room) deliver(e *envelope, from sender) {
	r.mu.Lock()
	attached := slices.Clone(r.attached)
	receivers := slices.Clone(r.receivers)
	r.mu.Unlock()
	for _, a := range attached {
		if err := a.broadcast(e, from.conn); err != nil {
			r.mu.Lock()
			r.stats.Misfits++
			r.mu.Unlock()
			r.node.log.Debug("a message has no form in its protocol", "room", r.name, "wire", a.srv.Protocol.Name(), "err", err)
		}
	}
	if len(receivers) == 0 {
		return
	}
	d := Delivery{Message: e.m, At: e.at, Node: e.node, Conn: e.conn, Proto: e.proto, Local: e.incarnation == r.node.incarnation}
	if d.Local {
		d.Message = e.m.Clone() // the publisher's bytes are its own
	}
	for _, rec := range receivers {
		if rec != from.receiver {
			rec.queue.Put(d)
		}
	}
}

// arrive takes what other nodes have published.
func (r *Room) arrive(msg bus.Message) {
	r.tellDropped()
	if msg.Subject == r.node.subject("room", r.name, "c") {
		r.piece(msg.Data)
		return
	}
	e, err := parse(msg.Data)
	if err != nil {
		r.mu.Lock()
		tell := r.strange.ok()
		r.mu.Unlock()
		if tell {
			r.node.log.Warn("a message of the room is not understood: is a node of another version there?", "room", r.name, "err", err)
		}
		return
	}
	r.take(&e)
}

// take delivers a whole message of another node.
func (r *Room) take(e *envelope) {
	if e.incarnation == r.node.incarnation {
		return
	}
	missed, ok := r.follow(e.incarnation, e.node, e.seq)
	r.tellMissed(e.node, missed)
	if !ok {
		return
	}
	r.mu.Lock()
	r.stats.Arrived++
	r.mu.Unlock()
	r.deliver(e, sender{})
}

// tellDropped tells of what this node's own queue has dropped. Which node's messages
// they were shows when the next ones come.
func (r *Room) tellDropped() {
	r.mu.Lock()
	if r.sub == nil {
		r.mu.Unlock()
		return // it has just begun, and drops show with the next message
	}
	n := r.sub.Dropped()
	fresh := n - r.dropped
	r.dropped = n
	r.mu.Unlock()
	if fresh > 0 {
		r.node.log.Debug("this node is too slow for the room", "room", r.name, "dropped", fresh)
	}
}

// tellMissed tells all receivers that n messages of a node are missing.
func (r *Room) tellMissed(node string, n uint64) {
	if n == 0 {
		return
	}
	r.mu.Lock()
	r.stats.Missed += n
	receivers := slices.Clone(r.receivers)
	r.mu.Unlock()
	for _, rec := range receivers {
		rec.queue.Put(Delivery{Err: &MissedError{Node: node, Count: n}, At: time.Now(), Node: node})
	}
}

// Close leaves the room. Attached servers go on by themselves.
func (r *Room) Close() error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil
	}
	r.closed = true
	receivers := slices.Clone(r.receivers)
	keeper := r.keep.log
	r.keep.log = nil
	r.mu.Unlock()
	if keeper != nil {
		keeper.close()
	}
	r.node.mu.Lock()
	delete(r.node.rooms, r.name)
	r.node.mu.Unlock()
	r.node.change()
	err := r.sub.Close()
	for _, rec := range receivers {
		rec.Close()
	}
	if errors.Is(err, bus.ErrClosed) {
		return nil
	}
	return err
}
