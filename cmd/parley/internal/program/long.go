package program

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	// LongLine is from how many bytes on a line is long.
	LongLine = 256 << 10

	// standstill is for how long a long line may stand still while others wait, and
	// standstillLooks how often that is looked at.
	standstill      = 10 * time.Second
	standstillLooks = time.Second
)

// errStandstill: the client of a long line, or its program, does not go on.
var errStandstill = errors.New("--exec: a long line has not moved on for 10s, and other clients wait for the memory that it has")

// LongLines bounds what the long lines of all programs hold together, in one
// direction: who has one under way has a share, the others wait in turn. A line may
// take as long as it likes, as long as nobody waits; then one that stands still costs
// its connection.
type LongLines struct {
	limit int64
	none  func() // is told that none is left

	mu      sync.Mutex
	held    int64
	waiting []*Share // the longest wait first
	given   []*Share
	looked  time.Time // when those that stand still were last looked for
}

// NewLongLines returns LongLines that hold limit bytes together, or one line. none is
// called when there have been some and none is left.
func NewLongLines(limit int64, none func()) *LongLines { return &LongLines{limit: limit, none: none} }

// Share is what one long line holds.
type Share struct {
	of    *LongLines
	size  int64
	ready chan struct{} // closed when it is given
	stop  func(error)   // ends the connection that it is for
	left  func() uint64 // moves, besides moved; or nil
	moved atomic.Uint64 // that something has happened
	seen  uint64        // of these at the last look
	since time.Time     // when that changed
	once  sync.Once     // Give
}

// Take waits for a share of so many bytes as long as ctx. If it stands still, as far as
// Moved and left, which may be nil, tell, while others wait, stop is called once.
func (l *LongLines) Take(ctx context.Context, size int64, left func() uint64, stop func(error)) (*Share, error) {
	s := &Share{of: l, size: min(size, l.limit), ready: make(chan struct{}), left: left, stop: stop}
	l.mu.Lock()
	l.waiting = append(l.waiting, s)
	l.give()
	l.mu.Unlock()
	look := time.NewTicker(standstillLooks)
	defer look.Stop()
	for {
		select {
		case <-s.ready:
			return s, nil
		default:
		}
		select {
		case <-s.ready:
			return s, nil
		case <-ctx.Done():
			s.Give()
			return nil, context.Cause(ctx)
		case <-look.C:
			l.look()
		}
	}
}

// Moved notes that something has happened.
func (s *Share) Moved() {
	if s != nil {
		s.moved.Add(1)
	}
}

// Give gives the share back. It may be called more than once, and for none.
func (s *Share) Give() {
	if s == nil {
		return
	}
	s.once.Do(func() {
		l := s.of
		l.mu.Lock()
		defer l.mu.Unlock()
		if i := slices.Index(l.given, s); i >= 0 {
			l.given = slices.Delete(l.given, i, i+1)
			if l.held -= s.size; l.held == 0 {
				l.none()
			}
		} else {
			l.waiting = slices.DeleteFunc(l.waiting, func(o *Share) bool { return o == s })
		}
		l.give()
	})
}

// give gives shares to those whose turn it is, as far as there is room. It is called
// with the lock held.
func (l *LongLines) give() {
	for len(l.waiting) > 0 && l.held+l.waiting[0].size <= l.limit {
		s := l.waiting[0]
		l.waiting = l.waiting[1:]
		l.held += s.size
		l.given = append(l.given, s)
		close(s.ready)
	}
}

// look stops those that have stood still for as long as others have waited.
func (l *LongLines) look() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	again := now.Sub(l.looked) <= 2*standstillLooks // somebody has waited since then
	if again && now.Sub(l.looked) < standstillLooks/2 {
		return // another one who waits has just looked
	}
	l.looked = now
	for _, s := range l.given {
		moves := s.moved.Load()
		if s.left != nil {
			moves += s.left()
		}
		switch {
		case !again, s.since.IsZero(), moves != s.seen:
			s.seen, s.since = moves, now
		case now.Sub(s.since) >= standstill && s.stop != nil:
			go s.stop(errStandstill)
			s.stop = nil
		}
	}
}
