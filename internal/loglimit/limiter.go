package loglimit

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

const (
	// PerConn is how many lines of a kind a connection has.
	PerConn = 3
	// PerSecond is how many lines there are in any second, a summary included.
	PerSecond = 100

	// burst is how many bytes are logged in any case. With the summaries of a
	// long flood and what a line has more than was reckoned it stays below
	// 256 KiB.
	burst = 192 << 10
	// share is the part of what arrives that may be logged beyond it: less than a
	// tenth, as a line may be longer than was reckoned.
	share = 16
	// trickle is how many bytes a second there are always room for, so that
	// after a flood, or in months without one, what happens is logged.
	trickle = 64

	// summaryPause is the time between two summaries, and the longest time
	// where a flood has used up the bytes.
	summaryPause, longPause = time.Second, time.Minute
	// maxKinds is how many kinds a summary names.
	maxKinds = 16
	// maxLines is how many connections and kinds are remembered.
	maxLines = 8 << 10
)

// limiter is what the Handlers that share their bounds share.
type limiter struct {
	inner slog.Handler // for summaries

	mu      sync.Mutex
	lines   map[line]int
	order   []line                   // of lines, a ring
	oldest  int                      // in order
	recent  [PerSecond - 1]time.Time // when the last lines were logged, a ring
	next    int                      // in recent
	room    float64                  // bytes that may be logged now
	filled  time.Time                // until when room was reckoned
	sources map[*Source]struct{}     // of what arrives
	arrived uint64                   // when they were last asked
	left    int                      // lines that wait for a summary
	kinds   counts                   // of these
	hosts   counts                   // likewise
	waiting *time.Timer              // for the next summary; nil: none is due
	told    time.Time                // when the last summary was
}

// line is a kind of line of a connection.
type line struct {
	origin
	kind string
}

func newLimiter(inner slog.Handler) *limiter {
	return &limiter{
		inner: inner, room: burst,
		lines: make(map[line]int), sources: make(map[*Source]struct{}),
		kinds: make(counts), hosts: make(counts),
	}
}

// take reports whether a line, which has size bytes, may be logged; if not, it is
// counted.
func (l *limiter) take(kind string, of origin, size func() int) bool {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ofConn(line{of, kind}) && now.Sub(l.recent[l.next]) >= time.Second && l.spend(now, size()) {
		l.recent[l.next] = now
		l.next = (l.next + 1) % len(l.recent)
		return true
	}
	l.left++
	l.kinds.add(kind)
	l.hosts.add(host(of.peer))
	if l.waiting == nil {
		l.waiting = time.AfterFunc(summaryPause, l.summarize)
	}
	return false
}

// spend reports whether there is room for n bytes, and takes it.
func (l *limiter) spend(now time.Time, n int) bool {
	l.fill(now)
	if l.room < float64(n) {
		return false
	}
	l.room -= float64(n)
	return true
}

// ofConn counts a line, and reports whether it is one of the first of its kind
// of its connection.
func (l *limiter) ofConn(ln line) bool {
	n, known := l.lines[ln]
	if !known {
		if len(l.order) < maxLines {
			l.order = append(l.order, ln)
		} else {
			delete(l.lines, l.order[l.oldest])
			l.order[l.oldest] = ln
			l.oldest = (l.oldest + 1) % maxLines
		}
	}
	if n == PerConn {
		return false
	}
	l.lines[ln] = n + 1
	return true
}

// fill reckons the bytes that may be logged since it was last called.
func (l *limiter) fill(now time.Time) {
	if !l.filled.IsZero() {
		l.room = min(burst, l.room+now.Sub(l.filled).Seconds()*trickle)
	}
	l.filled = now
}

// summarize tells what was left out.
func (l *limiter) summarize() {
	arrived := l.total()
	now := time.Now()
	l.mu.Lock()
	if l.waiting == nil { // Flush was first
		l.mu.Unlock()
		return
	}
	l.fill(now)
	if arrived > l.arrived {
		l.room = min(burst, l.room+float64(arrived-l.arrived)/share)
	}
	l.arrived = arrived
	if l.room < 0 && now.Sub(l.told) < longPause { // more is told at once later
		l.waiting = time.AfterFunc(summaryPause, l.summarize)
		l.mu.Unlock()
		return
	}
	l.tell(now)
}

// tell logs a summary. It is called with the lock held, which it releases.
func (l *limiter) tell(now time.Time) {
	n, kinds, hosts := l.left, l.kinds.top(maxKinds), l.hosts.top(3)
	l.left, l.told, l.waiting = 0, now, nil
	clear(l.kinds)
	clear(l.hosts)
	l.room -= float64(2*lineSize + len(kinds) + len(hosts))
	l.mu.Unlock()
	r := slog.NewRecord(now, slog.LevelWarn, "log lines left out", 0)
	r.AddAttrs(slog.Int("lines", n), slog.String("kinds", kinds), slog.String("busiest", hosts))
	if ctx := context.Background(); l.inner.Enabled(ctx, r.Level) {
		_ = l.inner.Handle(ctx, r)
	}
}

// Flush tells at once what was left out, if anything was. Whoever ends calls it.
func (l *limiter) Flush() {
	l.mu.Lock()
	if l.waiting == nil {
		l.mu.Unlock()
		return
	}
	l.waiting.Stop()
	l.tell(time.Now())
}

// Source tells how many bytes have arrived somewhere.
type Source struct{ total func() uint64 }

// Add takes the bytes that arrive somewhere into account: the more arrives, the
// more may be logged. total is called while something is left out, with no lock
// held, and only grows.
func (l *limiter) Add(total func() uint64) *Source {
	s := &Source{total}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sources[s] = struct{}{}
	return s
}

// Remove forgets a source.
func (l *limiter) Remove(s *Source) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.sources, s)
}

// total asks all sources.
func (l *limiter) total() (n uint64) {
	l.mu.Lock()
	sources := make([]*Source, 0, len(l.sources))
	for s := range l.sources {
		sources = append(sources, s)
	}
	l.mu.Unlock()
	for _, s := range sources {
		n += s.total()
	}
	return n
}
