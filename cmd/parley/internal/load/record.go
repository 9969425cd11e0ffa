package load

import (
	"runtime"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// maxLatency is the longest time that is told from a longer one.
const maxLatency = 10 * time.Minute

// newHistogram returns a histogram of durations in nanoseconds, exact to three
// digits and about 100 ns.
func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(100, int64(maxLatency), 3)
}

// recorder collects durations. It has a few parts, so that connections seldom
// wait for each other and many connections need little memory.
type recorder struct{ parts []recorderPart }

type recorderPart struct {
	mu sync.Mutex
	h  *hdrhistogram.Histogram
	_  [48]byte // the next part has a cache line of its own
}

func (r *recorder) init(conns int) {
	r.parts = make([]recorderPart, min(conns, 2*runtime.GOMAXPROCS(0)))
	for i := range r.parts {
		r.parts[i].h = newHistogram()
	}
}

// record adds a duration that connection n has measured.
func (r *recorder) record(n int, d time.Duration) {
	p := &r.parts[n%len(r.parts)]
	p.mu.Lock()
	p.h.RecordValue(int64(min(max(d, 0), maxLatency)))
	p.mu.Unlock()
}

// all returns what was recorded.
func (r *recorder) all() *hdrhistogram.Histogram {
	sum := newHistogram()
	for i := range r.parts {
		p := &r.parts[i]
		p.mu.Lock()
		sum.Merge(p.h)
		p.mu.Unlock()
	}
	return sum
}
