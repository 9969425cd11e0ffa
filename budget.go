package parley

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// budget bounds what unfinished messages, and received ones that wait, hold in
// memory over all connections of a server. Only connections that hold more than budgetStep take part.
type budget struct {
	limit int64

	used atomic.Int64

	mu sync.Mutex // guards by, and changes of used
	by map[*Conn]int64
}

// budgetStep is the accuracy of the account, in bytes: what one read brings is
// below it, so an ordinary message never touches the budget.
const budgetStep = 2 * readSize

// set says that c holds n bytes. If that is more than the budget allows it
// returns the connection that holds most.
func (b *budget) set(c *Conn, n int64) (victim *Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	used := b.used.Add(n - b.by[c])
	if n == 0 {
		delete(b.by, c)
	} else {
		b.by[c] = n
	}
	if used <= b.limit {
		return nil
	}
	for other, held := range b.by {
		if victim == nil || held > b.by[victim] {
			victim = other
		}
	}
	return victim
}

// tight says that little is left: who has something to serve need not read more
// ahead of it.
func (b *budget) tight() bool { return b != nil && b.used.Load() > b.limit/4*3 }

// freed tells the budget that a message that has waited was taken.
func (c *Conn) freed(n int) {
	c.holding = max(0, c.holding-int64(n))
	c.cfg.budget.set(c, c.holding)
}

// holds tells the budget how much c holds. It is called by the reader before it
// waits.
func (c *Conn) holds() {
	b := c.cfg.budget
	if b == nil {
		return
	}
	in := cap(c.in.b)
	if c.in.kind == inputLent { // the buffer is everybody's
		in = c.in.len()
	}
	n := int64(cap(c.asm.buf) + in + c.inbox.bytes)
	if n < budgetStep || c.err != nil {
		n = 0
	}
	if n == c.holding {
		return
	}
	c.holding = n
	victim := b.set(c, n)
	if victim == nil {
		return
	}
	err := fmt.Errorf("%w: the unfinished and the waiting messages of all connections hold more than %d bytes, this one most of them", ErrFull, b.limit)
	if victim == c {
		c.cut(err)
		return
	}
	go func() { // two connections are never locked together
		victim.lock()
		victim.cut(err)
		victim.unlock()
	}()
}
