package cluster

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/parley-net/parley/bus"
)

// question is what a node asks another one.
type question struct {
	Op     string `json:"op"`               // ping, who, kill or call
	Room   string `json:"room,omitempty"`   // who: only this one; "" all
	ID     string `json:"id,omitempty"`     // kill: whom; call: is it under way?
	Reason string `json:"reason,omitempty"` // kill
	Ban    int64  `json:"ban,omitempty"`    // kill: its address is refused for so many milliseconds
}

// reply is what it answers.
type reply struct {
	Members []Member `json:"members,omitempty"`
	Error   string   `json:"error,omitempty"`
	NoConn  bool     `json:"noconn,omitempty"`
}

// answer answers other nodes.
func (n *Node) answer(msg bus.Message) {
	if msg.Respond == nil {
		return
	}
	var q question
	r := reply{}
	if err := json.Unmarshal(msg.Data, &q); err != nil {
		r.Error = "the question is not of a version that is known here"
	} else {
		r = n.reply(q)
	}
	b, err := json.Marshal(r)
	if err == nil {
		err = msg.Respond(b)
	}
	if err != nil {
		n.log.Warn("a question of another node could not be answered", "op", q.Op, "err", err)
	}
}

func (n *Node) reply(q question) reply {
	switch q.Op {
	case "ping":
		return reply{}
	case "who":
		return reply{Members: n.members(q.Room)}
	case "kill":
		err := n.kill(q)
		if err != nil {
			return reply{Error: err.Error(), NoConn: errors.Is(err, ErrNoConn)}
		}
		return reply{}
	case "call":
		n.mu.Lock()
		defer n.mu.Unlock()
		_, here := n.calls[q.ID]
		return reply{NoConn: !here}
	}
	return reply{Error: fmt.Sprintf("this node does not know %q", q.Op)}
}

// members returns those of this node in one room, or in all.
func (n *Node) members(room string) []Member {
	var all []Member
	for _, r := range n.roomsHere(room) {
		all = append(all, r.Members()...)
	}
	return all
}

// roomsHere returns the rooms of this node, or the one.
func (n *Node) roomsHere(name string) []*Room {
	n.mu.Lock()
	defer n.mu.Unlock()
	var rooms []*Room
	for _, r := range n.rooms {
		if name == "" || r.name == name {
			rooms = append(rooms, r)
		}
	}
	return rooms
}

// kill ends a connection of this node.
func (n *Node) kill(q question) error {
	var member Member
	var end func(error)
	for _, r := range n.roomsHere("") {
		r.each(func(m Member, kill func(error)) {
			if m.ID == q.ID {
				member, end = m, kill
			}
		})
	}
	if end == nil {
		return fmt.Errorf("%w: %s", ErrNoConn, q.ID)
	}
	if q.Ban > 0 {
		if err := n.ban(member.Peer, time.Duration(q.Ban)*time.Millisecond); err != nil {
			return err
		}
	}
	reason := error(ErrKilled)
	if q.Reason != "" {
		reason = fmt.Errorf("%w: %s", ErrKilled, q.Reason)
	}
	n.log.Info("a connection is ended by an operator", "id", q.ID, "peer", member.Peer, "reason", q.Reason, "ban", time.Duration(q.Ban)*time.Millisecond)
	end(reason)
	return nil
}

// ask asks a node.
func (n *Node) ask(ctx context.Context, node string, q question) (reply, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	b, err := json.Marshal(q)
	if err != nil {
		return reply{}, err
	}
	answer, err := n.bus.Request(ctx, n.subject("node", node, "req"), b)
	if errors.Is(err, bus.ErrNoResponder) || errors.Is(err, context.DeadlineExceeded) {
		return reply{}, fmt.Errorf("%w: %s: %w", ErrNoNode, node, err)
	}
	if err != nil {
		return reply{}, err
	}
	var r reply
	if err := json.Unmarshal(answer, &r); err != nil {
		return reply{}, fmt.Errorf("cluster: node %s answers in another version's form: %w", node, err)
	}
	switch {
	case r.NoConn:
		return r, fmt.Errorf("%w: %s/%s", ErrNoConn, node, q.ID)
	case r.Error != "":
		return r, fmt.Errorf("cluster: node %s: %s", node, r.Error)
	}
	return r, nil
}

// Who returns who is in the room on all nodes; "" means all rooms. silent are the nodes
// that should know and have not answered within 2 s: their members are those of their
// last word, at most a hundred of each room, and marked as stale.
func (n *Node) Who(ctx context.Context, room string) (members []Member, silent []string) {
	var mu sync.Mutex
	var all sync.WaitGroup
	members = n.members(room) // at their source, also before the registry knows
	for _, info := range n.Nodes() {
		if _, in := info.Rooms[room]; room != "" && !in || info.Name == n.o.Name {
			continue
		}
		all.Go(func() {
			r, err := n.ask(ctx, info.Name, question{Op: "who", Room: room})
			if err != nil && ctx.Err() == nil {
				r.Members = n.quiet(info, room, err)
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				silent = append(silent, info.Name)
			}
			members = append(members, r.Members...)
		})
	}
	all.Wait()
	slices.SortFunc(members, func(a, b Member) int {
		return cmp.Or(strings.Compare(a.Node, b.Node), strings.Compare(a.ID, b.ID))
	})
	slices.Sort(silent)
	return members, silent
}

// Kill ends a connection of any node, named NODE/ID, and has its address refused there
// for ban, if that is above zero. The connection's error has the reason.
func (n *Node) Kill(ctx context.Context, id, reason string, ban time.Duration) error {
	node, conn, ok := strings.Cut(id, "/")
	if !ok || node == "" || conn == "" {
		return fmt.Errorf("cluster: %q does not name a connection: NODE/ID, as Who has them", id)
	}
	q := question{Op: "kill", ID: conn, Reason: reason, Ban: ban.Milliseconds()}
	if node == n.o.Name {
		return n.kill(q)
	}
	_, err := n.ask(ctx, node, q)
	return err
}
