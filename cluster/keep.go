package cluster

import (
	"context"
	"time"
)

// keepLook is how often it is looked whether all nodes keep what is said.
const keepLook = 10 * time.Millisecond

// keeping is whether what is said in a room is kept in its log, which all its nodes do or
// none. The last word counts; each node repeats it in its entry in the registry, so that it is
// known as long as one of them is there.
type keeping struct {
	at    time.Time // when it was said
	on    bool
	wants int     // on this node: who wants it on, whatever others say
	log   *keeper // nil: off
}

// Keep has what is said in the room kept from now on, by all its nodes, until Take has it:
// also if a node dies, this one too. Without the bus it is kept here as long as there is room.
func (r *Room) Keep() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.want()
}

// want notes one more who wants it, with the lock held.
func (r *Room) want() {
	r.keep.wants++
	if !r.keep.on {
		r.say(true)
	}
	r.node.change()
}

// unwant notes one less; if it was the last one of all nodes, nothing more is kept.
func (r *Room) unwant() {
	others := r.wantedElsewhere()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.keep.wants--
	if r.keep.wants == 0 && !others && !r.closed {
		r.say(false)
	}
	r.node.change()
}

// say says whether it is kept, with the lock held.
func (r *Room) say(on bool) {
	now := time.Now()
	if !now.After(r.keep.at) { // another one's clock is ahead
		now = r.keep.at.Add(time.Nanosecond)
	}
	r.hearKeep(now, on)
}

// hearKeep takes what was said at a time about whether it is kept, with the lock held.
func (r *Room) hearKeep(at time.Time, on bool) {
	if r.closed || !at.After(r.keep.at) {
		return
	}
	changed := r.keep.on != on
	r.keep.at, r.keep.on = at, on
	switch {
	case on && r.keep.log == nil:
		r.keep.log = startKeeper(r)
	case !on && r.keep.wants > 0:
		r.say(true)
	case !on && r.keep.log != nil:
		go r.keep.log.close()
		r.keep.log = nil
	}
	if changed {
		r.node.change()
	}
}

// heardKeep takes what another node's entry says.
func (r *Room) heardKeep(in RoomInfo) {
	if in.KeepAt == 0 {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hearKeep(time.Unix(0, in.KeepAt), in.Keep)
}

// tellKeep puts into a node's entry what is to be known.
func (r *Room) tellKeep(info *RoomInfo) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.keep.at.IsZero() {
		return
	}
	info.KeepAt, info.Keep, info.Wants = r.keep.at.UnixNano(), r.keep.on, r.keep.wants > 0
}

// wantedElsewhere reports whether another node wants it.
func (r *Room) wantedElsewhere() bool {
	for _, n := range r.node.Nodes() {
		if n.Name != r.node.o.Name && n.Rooms[r.name].Wants {
			return true
		}
	}
	return false
}

// Unkept waits until every node of the room keeps what is said there, which takes a moment
// after Keep or Take, and returns the names of those that do not when ctx ends.
func (r *Room) Unkept(ctx context.Context) (nodes []string) {
	select {
	case <-r.node.current: // all nodes are known
	case <-ctx.Done():
	}
	for {
		nodes = r.node.notKeeping(r.name)
		r.mu.Lock()
		if !r.keep.on {
			nodes = append(nodes, r.node.o.Name)
		}
		r.mu.Unlock()
		if len(nodes) == 0 || !sleep(ctx, keepLook) {
			return nodes
		}
	}
}

// KeepError returns why what is said here is not kept now; nil if it is, or is not to be.
func (r *Room) KeepError() error {
	r.mu.Lock()
	k := r.keep.log
	r.mu.Unlock()
	if k == nil {
		return nil
	}
	return k.problem()
}
