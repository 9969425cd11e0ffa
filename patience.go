package parley

import (
	"cmp"
	"crypto/tls"
	"fmt"
	"net"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/parley-net/parley/internal/handshake"
	"github.com/parley-net/parley/internal/session"
)

// A slow peer is not an attacker as long as there is room. Timeouts.Write and
// Progress, where they are left at zero, are patient: they count only while the
// server is short of places or of memory. What is decided stands first, what acts behind it.

// patienceOf returns the clocks that are left at zero. Who has set the least speed
// of a message wants it kept.
func patienceOf(l Limits, t Timeouts) session.Patience {
	return session.Patience{Write: t.Write == 0, Progress: t.Progress == 0 && l.MinRate == 0, Answer: t.Answer == 0}
}

// pace is how a connection fares at one look, as far as its clocks are patient.
type pace struct {
	ended    bool
	arriving bool   // a message has begun, and its rest is waited for
	messages uint64 // that have arrived
	in       uint64 // bytes that have
	waiting  bool   // output waits
	taken    int64  // bytes the peer has taken
}

// bounds are the limits that count in a shortage; 0 and below: none.
type bounds struct {
	write, progress time.Duration
	rate            int // bytes per second, over progress
}

// clock is what is known of one connection during a shortage.
type clock struct {
	arrival, taking session.Tracker
	from            uint64 // pace.in when arrival began
	look            int    // the last one that has seen it
}

// seen notes that the given look has seen it.
func (k *clock) seen(look int) { k.look = look }

// slowness is how slow a connection is whose time is over.
type slowness struct {
	field session.Limit // that says so; none: it is not
	rate  float64       // bytes per second
	since time.Time
}

// over returns how slow the connection is if its time is over.
func (k *clock) over(now time.Time, p pace, b bounds) slowness {
	if !k.arrival.On() || k.arrival.Mark() != p.messages {
		k.from = p.in
	}
	if k.arrival.Stuck(now, p.arriving && b.progress > 0, p.messages, b.progress) {
		since := k.arrival.Since()
		rate := float64(p.in-k.from) / now.Sub(since).Seconds()
		if rate < float64(b.rate) {
			return slowness{session.LimitProgress, rate, since}
		}
		k.arrival.Restart(now)
		k.from = p.in
	}
	if k.taking.Stuck(now, p.waiting && b.write > 0, uint64(p.taken), b.write) {
		return slowness{session.LimitWrite, 0, k.taking.Since()}
	}
	return slowness{}
}

// slowly says how slow it has been until now.
func (s slowness) slowly(now time.Time) string {
	lasted := now.Sub(s.since).Round(time.Second)
	if s.field == session.LimitWrite {
		return fmt.Sprintf("it took nothing for %v", lasted)
	}
	return fmt.Sprintf("a message that had begun brought %.0f bytes a second over %v", s.rate, lasted)
}

// overdue is a connection whose time is over.
type overdue[K any] struct {
	candidate[K]
	slowness
}

// slowest returns who has to go of those whose time is over: the slowest first, and
// of equals who has been slow for longest, until they give up what is needed.
func slowest[K any](over []overdue[K], need int64) []overdue[K] {
	slices.SortStableFunc(over, func(a, b overdue[K]) int {
		return cmp.Or(cmp.Compare(a.rate, b.rate), a.since.Compare(b.since))
	})
	for i := range over {
		if need <= 0 {
			return over[:i]
		}
		need -= over[i].worth
	}
	return over
}

// scarce returns how many of limit places must become free when so many are used: a
// quarter is to be.
func scarce(limit, used int) int64 {
	return max(0, int64(limit+3)/4-int64(limit-used))
}

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

// vitalOf returns a function that says what the kernel tells about the peer of a
// connection that parley has made.
func vitalOf(t Timeouts) func(net.Conn) session.Vital {
	return func(nc net.Conn) session.Vital {
		if s, ok := nc.(*tls.Conn); ok {
			nc = handshake.Bare(s)
		}
		switch nc := nc.(type) {
		case *net.UnixConn:
			return session.VitalAlways // its peer is in this kernel
		case *net.TCPConn:
		case *loopConn:
			if !nc.Host().IsValid() {
				return session.VitalAlways
			}
		default:
			return session.VitalNothing
		}
		switch {
		case t.KeepAlive <= 0:
			return session.VitalNothing
		case runtime.GOOS != "linux":
			return session.VitalIdle
		}
		return session.VitalAlways
	}
}

// shortageOf is a shortage of what connections hold, for relief: how they fare, and
// how they end.
func shortageOf(what string, missing func() int64, who func() []candidate[*Conn]) shortage[*Conn] {
	return shortage[*Conn]{what, missing, who,
		func(c *Conn) (p pace, b bounds) {
			c.hold()
			defer c.letGo()
			if c.activity == nil {
				return p, b // at rest
			}
			p.ended = c.s.Life().Closed()
			if p.ended || !c.talked.Opened() {
				return p, b
			}
			patient := c.s.Patient()
			p.arriving, p.messages, p.in = c.s.Partial() && patient.Progress, c.stats.MessagesIn, c.stats.BytesIn
			if p.waiting = c.s.Out().Waiting() && patient.Write; p.waiting {
				p.taken = c.s.Taken()
			}
			return p, bounds{c.cfg.timeouts.Write, c.cfg.timeouts.Progress, c.cfg.limits.MinRate}
		},
		func(c *Conn, l session.Limit, how string) {
			c.lock()
			defer c.unlock()
			c.s.Overdue(l, how)
		},
	}
}
