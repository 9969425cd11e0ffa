package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/parley-net/parley/bus"
)

// entry is what the registry has of a node: what it tells of itself, and who is in its
// rooms, for the time when it can't be asked.
type entry struct {
	NodeInfo
	Who      map[string][]Member `json:"who,omitempty"`      // by room
	Entering bool                `json:"entering,omitempty"` // its rooms come in the next one
}

// entryMembers bounds who of a room is in an entry, which is written every 5 s.
const entryMembers = 100

// known is what this node knows of another one, or of itself.
type known struct {
	entry
	heard  time.Time // when the entry came
	silent bool      // it has not answered since
}

// entry is what the registry has of this node.
func (n *Node) entry() []byte {
	n.mu.Lock()
	rooms, parts, urls := maps.Clone(n.rooms), maps.Clone(n.parts), n.o.URLs
	n.mu.Unlock()
	e := entry{Entering: !n.claimed, Who: make(map[string][]Member), NodeInfo: NodeInfo{
		Name: n.o.Name, Incarnation: fmt.Sprintf("%016x", n.incarnation), Host: n.host, PID: os.Getpid(),
		Version: n.o.Version, Started: n.started.UTC().Truncate(time.Millisecond), URLs: urls, Rooms: make(map[string]RoomInfo),
	}}
	for name, r := range rooms {
		members := r.Members()
		in := RoomInfo{Members: len(members), Seq: r.sequence()}
		r.tellKeep(&in)
		e.Rooms[name] = in
		if len(members) > 0 {
			e.Who[name] = members[:min(len(members), entryMembers)]
		}
	}
	for o := range parts {
		if _, has := o.Holds(); has {
			e.Owns = append(e.Owns, o.device)
		}
	}
	slices.Sort(e.Owns)
	b, err := json.Marshal(e)
	if err != nil {
		panic(err) // nothing in it can fail
	}
	return b
}

// told takes a change of the registry.
func (n *Node) told(e bus.Entry) {
	if e.Op == bus.OpCurrent {
		close(n.current)
		return
	}
	now := &known{heard: time.Now()}
	if e.Op == bus.OpPut {
		if err := json.Unmarshal(e.Value, &now.entry); err != nil {
			n.mu.Lock()
			tell := n.strange.ok()
			n.mu.Unlock()
			if tell {
				n.log.Warn("an entry of the registry is not of a version that is known here", "key", e.Key, "err", err)
			}
			return
		}
	}
	n.mu.Lock()
	old := n.nodes[e.Key]
	if e.Op == bus.OpPut {
		n.nodes[e.Key] = now
	} else {
		delete(n.nodes, e.Key)
	}
	rooms := slices.Collect(maps.Values(n.rooms))
	n.mu.Unlock()
	for _, r := range rooms {
		if old != nil && (e.Op == bus.OpGone || old.Incarnation != now.Incarnation) {
			r.gone(old.NodeInfo)
		}
		if e.Op == bus.OpPut {
			r.heard(now.NodeInfo)
			r.heardKeep(now.Rooms[r.name])
		}
	}
	if old != nil && e.Op == bus.OpGone {
		n.log.Info("a node is gone", "node", old.Name)
	} else if old == nil && e.Op == bus.OpPut && now.Name != n.o.Name {
		n.log.Info("a node is there", "node", now.Name)
	}
}

// Nodes returns all nodes that are there, this one too, in the order of their names.
// While the bus is away it is what was known then, marked as stale.
func (n *Node) Nodes() []NodeInfo {
	up := n.bus.Status().Up
	n.mu.Lock()
	defer n.mu.Unlock()
	all := make([]NodeInfo, 0, len(n.nodes))
	for _, k := range n.nodes {
		info := k.NodeInfo
		info.Stale = info.Name != n.o.Name && (!up || k.silent || time.Since(k.heard) > staleAfter)
		all = append(all, info)
	}
	slices.SortFunc(all, func(a, b NodeInfo) int { return strings.Compare(a.Name, b.Name) })
	return all
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

// notKeeping returns the names of the other nodes that are in a room, or may be, and do not
// keep what is said there.
func (n *Node) notKeeping(room string) []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	var names []string
	for _, k := range n.nodes {
		in, ok := k.Rooms[room]
		if (k.Entering || ok && !in.Keep) && k.Name != n.o.Name {
			names = append(names, k.Name)
		}
	}
	slices.Sort(names)
	return names
}

// quiet notes that a node has not answered, and returns who was in the room, or in all,
// when it was heard last.
func (n *Node) quiet(info NodeInfo, room string, err error) (members []Member) {
	n.mu.Lock()
	defer n.mu.Unlock()
	k := n.nodes[bus.Token(info.Name)]
	if k == nil || k.Incarnation != info.Incarnation {
		return nil // it has gone meanwhile
	}
	if errors.Is(err, ErrNoNode) {
		k.silent = true
	}
	for name, all := range k.Who {
		if room != "" && room != name {
			continue
		}
		for _, m := range all {
			m.Stale = true
			members = append(members, m)
		}
	}
	return members
}
