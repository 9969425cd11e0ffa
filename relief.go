package parley

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/parley-net/parley/internal/session"
)

const (
	// reliefLooks is how often a shortage is looked at.
	reliefLooks = 250 * time.Millisecond
	// reliefMemory is for how long after a shortage its clocks are kept.
	reliefMemory = 30 * time.Second
	// reliefEnds is for how many looks what has been ended counts as free in a moment.
	reliefEnds = 8
)

// relief makes room in a shortage, which it looks at while that lasts: without one it
// holds nothing and costs nothing. K are connections, of which it knows nothing but
// what it is told.
type relief[K comparable] struct {
	short shortage[K]

	lookers atomic.Int32 // 1 while a shortage is looked at

	// Of the shortage; one look at a time touches them.
	lasted time.Time // how long the clocks have counted, since an arbitrary time
	last   time.Time // the last look
	calm   time.Time // when it was over, or zero
	looks  int
	clocks map[K]*clock
}

// shortage is what relief is told, and tells. Its functions are called one at a time.
type shortage[K comparable] struct {
	of      string                                   // what
	missing func() int64                             // how much; 0: nothing, below: nor will it ever be
	who     func() []candidate[K]                    // may have to go
	pace    func(K) (pace, bounds)                   // how they fare
	end     func(who K, l session.Limit, why string) // they have to go
}

// candidate is a connection with what it gives up if it goes.
type candidate[K any] struct {
	who   K
	worth int64
}

// relieves says what it is about; the relief has not begun.
func (r *relief[K]) relieves(short shortage[K]) { r.short = short }

// begin has a shortage looked at as long as it lasts. It takes no lock.
func (r *relief[K]) begin() {
	if r.lookers.CompareAndSwap(0, 1) {
		r.lasted, r.last, r.calm = time.Unix(0, 0), time.Now(), time.Time{}
		r.clocks = make(map[K]*clock)
		time.AfterFunc(reliefLooks, r.look)
	}
}

// look is one look, and sees to the next one.
func (r *relief[K]) look() {
	now := time.Now()
	missing := r.short.missing()
	switch {
	case missing > 0:
		r.lasted = r.lasted.Add(now.Sub(r.last))
		r.calm = time.Time{}
		r.relieve(missing)
	case missing == 0 && r.calm.IsZero():
		r.calm = now
	case missing < 0 || now.Sub(r.calm) >= reliefMemory:
		r.clocks = nil
		r.lookers.Store(0)
		if r.short.missing() > 0 { // who saw that has not begun
			r.begin()
		}
		return
	}
	r.last = now
	if !r.calm.IsZero() {
		r.forgetEnded()
	}
	time.AfterFunc(reliefLooks, r.look)
}

// forgetEnded lets go of those that have ended: what they had is free only then.
func (r *relief[K]) forgetEnded() {
	for who := range r.clocks {
		if p, _ := r.short.pace(who); p.ended {
			delete(r.clocks, who)
		}
	}
}

// relieve ends connections whose time is over, the slowest first, until nothing is
// missing any more.
func (r *relief[K]) relieve(missing int64) {
	r.looks++
	var over []overdue[K]
	for _, at := range r.short.who() {
		p, b := r.short.pace(at.who)
		k := r.clocks[at.who]
		switch {
		case p.ended && k != nil:
			missing -= at.worth
			continue
		case p.ended, k == nil && !p.arriving && !p.waiting:
			continue
		case k == nil:
			k = new(clock)
			r.clocks[at.who] = k
		}
		k.seen(r.looks)
		if o := k.over(r.lasted, p, b); o.field != session.LimitNone {
			over = append(over, overdue[K]{at, o})
		}
	}
	for who, k := range r.clocks {
		if r.looks-k.look > reliefEnds {
			delete(r.clocks, who) // at rest for a while, or ended
		}
	}
	for _, o := range slowest(over, missing) {
		r.short.end(o.who, o.field, fmt.Sprintf("%s while the server is short of %s", o.slowly(r.lasted), r.short.of))
	}
}
