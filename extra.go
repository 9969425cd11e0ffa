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
