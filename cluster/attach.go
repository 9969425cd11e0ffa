package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/parley-net/parley"
)

// Attachment says how a server is part of a room. The zero value is good.
type Attachment struct {
	// Convert returns what m, which came on the wire named proto ("": from a program),
	// becomes on the server's own. nil: as it is. An error means that it has no form
	// there: the server's connections don't get it.
	Convert func(m parley.Message, proto string) (parley.Message, error)
	// Name returns what a connection's peer calls itself, for those who ask who is
	// there; nil: nothing is known.
	Name func(*parley.Conn) string
}

// attached is a server that is part of a room.
type attached struct {
	Attachment
	srv    *parley.Server
	number uint64 // of the server on this node
}

// Attach makes srv part of the room: its Handler gives what its connections say to all
// others in the room, these connections included, and they get what others say. Call
// it before the server's first method. What the server has as a Handler is replaced, its
// hooks are kept.
func (r *Room) Attach(srv *parley.Server, o Attachment) {
	n := r.node
	n.mu.Lock()
	n.last++
	a := &attached{Attachment: o, srv: srv, number: n.last}
	n.mu.Unlock()
	srv.Handler = parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
		err := r.publish(ctx, m, sender{conn: c, id: a.id(c), proto: c.Protocol().Name()})
		if err != nil && !errors.Is(err, ErrTooLarge) && ctx.Err() == nil {
			n.log.Debug("other nodes did not get a message", "room", r.name, "err", err)
			return nil // those here have it, and the others are told
		}
		return err
	})
	opened, closed := srv.Hooks.OnOpen, srv.Hooks.OnClose
	srv.Hooks.OnOpen = func(ctx context.Context, c *parley.Conn) error {
		if err := n.admit(c); err != nil {
			return err
		}
		n.change()
		if opened != nil {
			return opened(ctx, c)
		}
		return nil
	}
	srv.Hooks.OnClose = func(c *parley.Conn, err error) {
		n.change()
		if closed != nil {
			closed(c, err)
		}
	}
	r.mu.Lock()
	r.attached = append(r.attached, a)
	r.mu.Unlock()
}

// broadcast gives a message to the server's connections but its sender.
func (a *attached) broadcast(e *envelope, from *parley.Conn) error {
	m := e.m
	if a.Convert != nil {
		var err error
		if m, err = a.Convert(m, e.proto); err != nil {
			return err
		}
	}
	var except []*parley.Conn
	if from != nil {
		except = []*parley.Conn{from}
	}
	_, err := a.srv.Broadcast(m, except...)
	return err
}

// id is a connection's name on this node.
func (a *attached) id(c *parley.Conn) string {
	return strconv.FormatUint(a.number, 10) + "." + strconv.FormatUint(c.ID(), 10)
}

// Member is somebody who is in a room.
type Member struct {
	Node string `json:"node"`
	ID   string `json:"id"` // on its node; Kill takes it
	Room string `json:"room,omitempty"`
	Peer string `json:"peer"` // IP:PORT
	Name string `json:"name"` // what it calls itself
	Wire string `json:"wire,omitempty"`
	// Stale: its node does not answer, so this is how it was known.
	Stale bool `json:"stale,omitempty"`
}

// visitor is a member that no attached server knows of.
type visitor struct {
	Member
	kill func(reason error)
}

// Enter adds a member that no attached server knows of, a browser say, until leave is
// called. kill is called when an operator ends it.
func (r *Room) Enter(m Member, kill func(reason error)) (leave func()) {
	v := &visitor{m, kill}
	v.Node, v.Room = r.node.o.Name, r.name
	r.mu.Lock()
	r.visitors[v] = struct{}{}
	r.mu.Unlock()
	r.node.change()
	return func() {
		r.mu.Lock()
		delete(r.visitors, v)
		r.mu.Unlock()
		r.node.change()
	}
}

// Members returns those who are in the room on this node.
func (r *Room) Members() []Member {
	var all []Member
	r.each(func(m Member, _ func(error)) { all = append(all, m) })
	return all
}

// each calls fn for each member of this node, with what ends it.
func (r *Room) each(fn func(Member, func(error))) {
	r.mu.Lock()
	attached := append([]*attached(nil), r.attached...)
	visitors := make([]*visitor, 0, len(r.visitors))
	for v := range r.visitors {
		visitors = append(visitors, v)
	}
	r.mu.Unlock()
	for _, a := range attached {
		for _, c := range a.srv.Conns() {
			m := Member{Node: r.node.o.Name, Room: r.name, ID: a.id(c), Peer: c.RemoteAddr().String(), Wire: c.Protocol().Name()}
			if a.Name != nil {
				m.Name = a.Name(c)
			}
			fn(m, func(reason error) {
				c.CloseWith(reason)
				time.AfterFunc(killFor, func() { c.CloseNow() })
			})
		}
	}
	for _, v := range visitors {
		fn(v.Member, v.kill)
	}
}

// killFor is how long the farewell of a connection that an operator ends may take.
const killFor = time.Second

// admit returns an error for a connection of a banned address.
func (n *Node) admit(c *parley.Conn) error {
	if n.Banned(c.RemoteAddr().String()) {
		return ErrBanned
	}
	return nil
}

// Banned reports whether addr, IP or IP:PORT, is banned at this node.
func (n *Node) Banned(addr string) bool {
	ip, ok := address(addr)
	if !ok {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	until, banned := n.bans[ip]
	if banned && time.Now().After(until) {
		delete(n.bans, ip)
		return false
	}
	return banned
}

// maxBans bounds what is remembered of them; the one that ends first goes.
const maxBans = 10_000

func (n *Node) ban(addr string, d time.Duration) error {
	ip, ok := address(addr)
	if !ok {
		return fmt.Errorf("cluster: %q is no address that can be banned", addr)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.bans) >= maxBans {
		first := ip
		for other, until := range n.bans {
			if until.Before(n.bans[first]) || first == ip {
				first = other
			}
		}
		delete(n.bans, first)
	}
	n.bans[ip] = time.Now().Add(d)
	return nil
}

// address returns the IP of addr.
func address(addr string) (netip.Addr, bool) {
	if ap, err := netip.ParseAddrPort(addr); err == nil {
		return ap.Addr().Unmap().WithZone(""), true
	}
	ip, err := netip.ParseAddr(addr)
	return ip.Unmap().WithZone(""), err == nil
}
