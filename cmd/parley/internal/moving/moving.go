// Package moving bounds waits in which nothing moves, and no others: a peer behind a
// slow line may take as long as it needs.
package moving

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/parley-net/parley"
)

// looks is how often a wait is looked at, per its bound.
const looks = 16

// While returns a context that ends when moved has returned the same for d, as if its
// deadline had passed. The caller calls cancel, as with context.WithTimeout.
func While(ctx context.Context, d time.Duration, moved func() uint64) (while context.Context, cancel context.CancelFunc) {
	inner, end := context.WithCancelCause(ctx)
	w := &waiting{Context: inner}
	last, since := moved(), time.Now()
	first := true
	var timer *time.Timer
	every := max(d/looks, time.Millisecond)
	ready := make(chan struct{})
	timer = time.AfterFunc(every, func() {
		<-ready
		now := time.Now()
		if n := moved(); n != last {
			if !first { // what leaves at once has not moved later
				since = now
			}
			last = n
		}
		first = false
		switch {
		case inner.Err() != nil:
		case now.Sub(since) >= d:
			w.late.Store(true)
			end(context.DeadlineExceeded)
		default:
			timer.Reset(min(every, d-now.Sub(since)))
		}
	})
	close(ready)
	return w, func() {
		end(context.Canceled)
		timer.Stop()
	}
}

// waiting is the context of While.
type waiting struct {
	context.Context
	late atomic.Bool
}

// Err says that a deadline has passed where nothing has moved.
func (w *waiting) Err() error {
	err := w.Context.Err()
	if err != nil && w.late.Load() {
		return context.DeadlineExceeded
	}
	return err
}

// Of returns a figure that changes when bytes move on c, either way: what its peer
// has sent and, where the system tells, has taken.
func Of(c *parley.Conn) uint64 {
	s := c.Stats()
	return s.BytesIn + s.BytesOut - uint64(s.Pending) + taken(c.NetConn())
}
