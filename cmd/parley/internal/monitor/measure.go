package monitor

import (
	"context"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/metrics"
	"github.com/parley-net/parley/serpy"
)

// measures is how long things take at a server.
type measures struct {
	handler metrics.Histogram // a handler, for one message
	confirm metrics.Histogram // from a message to the peer's confirmation
}

// took is the middleware that takes a handler's time.
func (m *measures) took(ctx context.Context, c *parley.Conn, in parley.Incoming, next parley.Next) error {
	began := time.Now()
	defer func() { m.handler.Add(time.Since(began)) }() // of one that panics too
	return next(ctx, c, in)
}

// maxUnconfirmed is how many messages of a connection are waited for at a time.
const maxUnconfirmed = 1024

// unconfirmed are the times of a connection's messages that its peer has not confirmed,
// the oldest first.
type unconfirmed struct {
	times   []time.Time
	skipped int // messages behind them that are not waited for
}

// sent notes a message that the peer will confirm.
func (u *unconfirmed) sent(at time.Time) {
	if len(u.times) < maxUnconfirmed && u.skipped == 0 {
		u.times = append(u.times, at)
	} else {
		u.skipped++
	}
}

// confirmed takes the oldest n.
func (u *unconfirmed) confirmed(n int, at time.Time, h *metrics.Histogram) {
	k := min(n, len(u.times))
	for _, t := range u.times[:k] {
		h.Add(at.Sub(t))
	}
	u.times = u.times[:copy(u.times, u.times[k:])]
	u.skipped = max(0, u.skipped-(n-k))
}

// confirms reports whether the peer confirms a message.
func confirms(p parley.Protocol, m parley.Message) bool {
	if own, ok := p.(serpy.Protocol); ok {
		mode, set := serpy.Mode(m)
		if !set {
			mode = own.Mode
		}
		return mode&1 == 1
	}
	return p.Traits().Confirms
}
