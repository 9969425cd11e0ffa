package parley

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-net/parley/internal/session"

	"github.com/parley-net/parley/internal/bufpool"
)

// Budget bounds what many connections hold in memory together: unfinished
// messages, received ones that wait for the program or are being handled, and
// output that waits for its peer, all by the capacity of their buffers; what a
// Broadcast sends to many of them counts once. Servers and Dialers that are given
// the same Budget share it. Its methods may be called concurrently.
//
// From three quarters on nothing is read ahead of messages that wait, little output is
// taken for each connection, and patient limits count; beyond the limit the connection that holds
// most is cut, with ErrFull.
//
// A Budget does not bound the memory of the process: the garbage collector lets the
// heap grow to about twice of what is in use. A program that must stay within a
// limit sets runtime/debug.SetMemoryLimit, a third above the Budget's, and may call
// debug.FreeOSMemory when Used has fallen: the library does neither.
type Budget struct {
	limit int64
	used  atomic.Int64
	high  atomic.Int64 // the most that used has been since High

	relief relief[*Conn] // of a shortage

	mu sync.Mutex // guards by
	by map[*Conn]share
}

// share is what one connection has of a Budget.
type share struct {
	own    int64 // it alone holds
	shared int64 // it holds with others
	doomed bool  // it is being cut
}

// NewBudget returns a Budget of limit bytes.
func NewBudget(limit int64) *Budget {
	b := &Budget{limit: limit, by: make(map[*Conn]share)}
	b.relief.relieves(shortageOf("memory", b.missing, b.holders))
	return b
}

// Limit returns the limit in bytes.
func (b *Budget) Limit() int64 { return b.limit }

// Used returns how many bytes are held.
func (b *Budget) Used() int64 { return b.used.Load() }

// High returns the most that has been held since the last call of High.
func (b *Budget) High() int64 { return max(b.high.Swap(b.used.Load()), b.used.Load()) }

// add changes used.
func (b *Budget) add(n int64) int64 {
	used := b.used.Add(n)
	for high := b.high.Load(); used > high && !b.high.CompareAndSwap(high, used); {
		high = b.high.Load()
	}
	if b.tight() {
		b.relief.begin()
	}
	return used
}

// Reserve takes n bytes for the program itself, for instance for what it keeps of
// the messages. It reports whether there was room: if not, nothing is taken.
func (b *Budget) Reserve(n int64) bool {
	if b.add(n) > b.limit {
		b.used.Add(-n)
		return false
	}
	return true
}

// Release gives n reserved bytes back.
func (b *Budget) Release(n int64) { b.used.Add(-n) }

const (
	// budgetStep is the accuracy of the account, in bytes: a connection that holds
	// less takes no part, so that an ordinary message never touches the budget.
	budgetStep = session.Weighty
)

// tight: little is left. Who has something to serve need not read more ahead of it,
// and who has something to send waits until it leaves.
func (b *Budget) tight() bool { return b != nil && b.used.Load() > b.limit/4*3 }

// missing returns how many bytes must become free.
func (b *Budget) missing() int64 { return max(0, b.used.Load()-b.limit/4*3) }

// holders returns who holds something.
func (b *Budget) holders() (all []candidate[*Conn]) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for c, s := range b.by {
		if !s.doomed {
			all = append(all, candidate[*Conn]{c, s.own})
		}
	}
	return all
}

// set says what c holds, and returns the connections to be cut so that the others
// may stay.
func (b *Budget) set(c *Conn, own, shared int64) (victims []*Conn) {
	b.mu.Lock()
	defer b.mu.Unlock()
	was := b.by[c]
	used := b.add(own - was.own)
	if own+shared == 0 {
		delete(b.by, c)
	} else {
		b.by[c] = share{own, shared, was.doomed}
	}
	most := b.limit
	if used > b.limit/2*3 { // who has to go takes a moment, in which others have grown
		most /= 2
	}
	for used > b.limit {
		var victim *Conn
		var largest share
		free := used
		for other, s := range b.by {
			if s.doomed {
				free -= s.own // it will be gone soon
			} else if victim == nil || s.own+s.shared > largest.own+largest.shared {
				victim, largest = other, s
			}
		}
		if free <= most || victim == nil {
			break
		}
		largest.doomed = true
		b.by[victim] = largest
		victims = append(victims, victim)
	}
	return victims
}

// share returns p as bytes that several connections hold together, which count once.
func (b *Budget) share(p []byte) *bufpool.Shared {
	if b == nil {
		return bufpool.Share(p, nil)
	}
	return bufpool.Share(p, func(n int64) {
		if n > 0 {
			b.add(n)
		} else {
			b.used.Add(n)
		}
	})
}

// holds tells the budget how much c holds. It is called whenever that may have
// changed by much. Who has to go for it goes soon, as two connections are never
// locked together.
func (a *activity) holds() {
	if b := a.owner.cfg.budget; b != nil && a.weight.of(&a.s) {
		if victims := b.set(a.owner, a.weight.holding, a.weight.sharing); victims != nil {
			go b.cut(victims)
		}
	}
}

// emptied tells the budget that the connection, which has ended, holds nothing any more.
func (a *activity) emptied() {
	if !a.weight.idle() {
		a.owner.cfg.budget.set(a.owner, 0, 0)
	}
	a.weight.drop()
}

// Freed tells the budget that a message that has waited was taken.
func (h *host) Freed(n int64) {
	if h.weight.holding > 0 {
		h.weight.free(n)
		h.owner.cfg.budget.set(h.owner, h.weight.holding, h.weight.sharing)
	}
}

// holdsLess is holds for who has let go of something.
func (a *activity) holdsLess() {
	if a.weight.holding > 0 || a.weight.sharing > 0 {
		a.holds()
	}
}

// settleUp is holds for the reader before it waits, which releases the lock for it:
// nobody reads on while others have to go.
func (c *Conn) settleUp() {
	b := c.cfg.budget
	if b == nil {
		return
	}
	c.weight.keeps(c.s.In().Kept()) // nobody else may look at it while it is being read into
	if c.weight.of(&c.s) {
		if victims := b.set(c, c.weight.holding, c.weight.sharing); victims != nil {
			c.unlock()
			b.cut(victims)
			c.lock()
		}
	}
	// Who holds much reads on when there is room again. A loop has others to serve.
	for range 100 {
		if b.Used() <= b.limit || c.weight.holding < session.ReadSize || c.driver.onLoop() || c.s.Life().Err() != nil {
			return
		}
		c.unlock()
		time.Sleep(5 * time.Millisecond)
		c.lock()
	}
}

// cut ends connections that hold most of the budget.
func (b *Budget) cut(victims []*Conn) {
	for _, c := range victims {
		c.lock()
		c.s.Abort(fmt.Errorf("%w: the unfinished and the waiting messages and the output of all connections hold more than %d bytes, this one most of them", ErrFull, b.limit))
		c.unlock()
	}
}
