package cluster

import (
	"strconv"
	"time"
)

// origin is what a room knows of another node's messages.
type origin struct {
	node string
	last uint64 // number of the newest message that has arrived or was counted as missed
	told uint64 // number that the node's entry in the registry had the time before
	big  *assembly
}

// follow notes that message seq of a node is here, and returns how many before it are
// missing. ok is false for one that was counted already.
func (r *Room) follow(incarnation uint64, node string, seq uint64) (missed uint64, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.origins[incarnation]
	if o == nil { // what was said before this node came is nobody's loss
		r.origins[incarnation] = &origin{node: node, last: seq, told: seq}
		return 0, true
	}
	if seq <= o.last {
		return 0, false
	}
	missed = seq - o.last - 1
	o.last = seq
	return missed, true
}

// heard takes what a node's entry says of the room. What it had said the time before
// must be here by now.
func (r *Room) heard(info NodeInfo) {
	incarnation, err := strconv.ParseUint(info.Incarnation, 16, 64)
	in, ok := info.Rooms[r.name]
	if err != nil || incarnation == r.node.incarnation || !ok {
		return
	}
	r.mu.Lock()
	o := r.origins[incarnation]
	if o == nil {
		o = &origin{node: info.Name, last: in.Seq, told: in.Seq}
		r.origins[incarnation] = o
	}
	var missed uint64
	if o.big == nil && o.last < o.told {
		missed = o.told - o.last
		o.last = o.told
	}
	o.told = max(o.told, in.Seq)
	r.mu.Unlock()
	r.tellMissed(info.Name, missed)
}

// gone forgets a node that is not there any more.
func (r *Room) gone(info NodeInfo) {
	incarnation, err := strconv.ParseUint(info.Incarnation, 16, 64)
	if err != nil {
		return
	}
	r.mu.Lock()
	o := r.origins[incarnation]
	delete(r.origins, incarnation)
	var missed uint64
	if o != nil {
		if o.last < o.told {
			missed = o.told - o.last
		}
		if o.big != nil {
			o.big.end()
			missed = max(missed, 1)
			r.stats.Incomplete++
		}
	}
	r.mu.Unlock()
	r.tellMissed(info.Name, missed)
}

// pieceTimeout is how long a big message may stand still.
const pieceTimeout = 5 * time.Second
