package parley

import (
	"context"
	"time"

	"github.com/parley-net/parley/internal/session"
)

// extra is what few connections need.
type extra struct {
	values values          // of Keys
	ctx    context.Context // ConnContext's; nil: a connContext
	seldom [3]uint64       // for Stats, by session.Seldom
	talk   *session.Talk   // where the wire takes turns
	turns  *time.Timer     // of passTurnAfter
	left   chan struct{}   // closed when the conversation is out of step, if anybody asked
}

// enrich makes ctx the connection's context.
func (x *extra) enrich(ctx context.Context) { x.ctx = ctx }

// counts counts what happens seldom.
func (x *extra) counts(what session.Seldom) { x.seldom[what]++ }

// leaves has ch closed when the conversation is out of step.
func (x *extra) leaves(ch chan struct{}) { x.left = ch }

// leave closes it.
func (x *extra) leave() {
	close(x.left)
	x.left = nil
}

// asks keeps the timer of passTurnAfter.
func (x *extra) asks(t *time.Timer) { x.turns = t }

// takeTurns says that the wire takes turns.
func (x *extra) takeTurns() { x.talk = &session.Talk{} }

// more returns c.extra, which it makes if there was none.
func (c *Conn) more() *extra {
	if c.extra == nil {
		c.extra = new(extra)
	}
	return c.extra
}

// Key is a place for a value of type T on each connection: of a session, a user, a
// room. Packages don't meet, as each has Keys of its own:
//
//	var session parley.Key[*Session]
//
//	session.Set(c, s)     // in OnOpen, for instance
//	s := session.Get(c)   // in a handler; nil where nothing was set
//
// A Key is known by its address: declare it as a variable of the package, and don't
// copy it. Its methods may be called concurrently, also when the connection has ended;
// a value costs its connection 32 bytes, and what the value itself takes.
type Key[T any] struct{ id byte }

// Get returns what was set for c last, or the zero value of T.
func (k *Key[T]) Get(c *Conn) T {
	v, _ := k.Lookup(c)
	return v
}

// Lookup is Get, and reports whether anything was set.
func (k *Key[T]) Lookup(c *Conn) (v T, ok bool) {
	c.hold()
	defer c.letGo()
	if c.extra == nil {
		return v, false
	}
	if kept := c.extra.values.find(&k.id); kept != nil {
		v, _ = kept.value.(T) // nil is no T, where that is an interface
		return v, true
	}
	return v, false
}

// Set keeps v for c, in place of what was set before.
func (k *Key[T]) Set(c *Conn, v T) {
	c.hold()
	defer c.letGo()
	c.more().values.keep(&k.id, v)
}

// keyed is a value that the program keeps on a connection.
type keyed struct {
	key   *byte // the address of the Key's
	value any
	next  *keyed
}

// values is what is kept on a connection, a list.
type values struct{ first *keyed }

// find returns what was kept for key, or nil.
func (x *values) find(key *byte) *keyed {
	for v := x.first; v != nil; v = v.next {
		if v.key == key {
			return v
		}
	}
	return nil
}

// keep keeps a value for key.
func (x *values) keep(key *byte, value any) {
	if v := x.find(key); v != nil {
		v.value = value
		return
	}
	x.first = &keyed{key, value, x.first}
}
