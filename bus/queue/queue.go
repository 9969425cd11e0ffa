// Package queue is what waits for somebody who may be slow: bounded by number and bytes,
// served in order by one goroutine. What does not fit is dropped and counted.
package queue

import "sync"

// Options bound a queue and say who serves it.
type Options[T any] struct {
	Messages int   // at most so many wait
	Bytes    int64 // of at most this size together; one may always wait, whatever its size
	// Latest drops the oldest to make room, otherwise the newest is dropped.
	Latest bool
	// Size returns the size of a value in bytes.
	Size func(T) int
	// Count, if set, returns how many a value that is dropped stands for; otherwise it is 1.
	Count func(T) uint64
	// Ready, if set, is called before each value is taken out, and may wait: what it waits
	// with is not out of the queue yet, so Latest may still replace it.
	Ready func()
	// Serve is called for each value, one at a time.
	Serve func(T)
	// Missed, if set, is called like Serve, with how many values were dropped, where they
	// are missing.
	Missed func(n uint64)
}

// Queue holds what waits. Its methods may be called concurrently.
type Queue[T any] struct {
	o Options[T]

	mu      sync.Mutex
	more    sync.Cond
	waiting []item[T]
	held    int64
	dropped uint64
	untold  uint64 // of dropped, those that Missed has not been told of
	state   state
}

type item[T any] struct {
	value T
	size  int64
}

type state uint8

const (
	open     state = iota
	draining       // what waits is served, nothing is added
	closed         // nothing is served any more
)

// New starts a queue. It needs a Close or a Drain.
func New[T any](o Options[T]) *Queue[T] {
	q := &Queue[T]{o: o}
	q.more.L = &q.mu
	go q.serve()
	return q
}

// Put adds v, or drops it or others. It returns how many were dropped.
func (q *Queue[T]) Put(v T) (dropped uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.state != open {
		return 0
	}
	before := q.dropped
	n := int64(q.o.Size(v))
	for len(q.waiting) > 0 && (len(q.waiting) >= q.o.Messages || q.held+n > q.o.Bytes) {
		if !q.o.Latest {
			q.drop(v)
			return q.dropped - before
		}
		q.drop(q.shift())
	}
	q.waiting = append(q.waiting, item[T]{v, n})
	q.held += n
	q.more.Signal()
	return q.dropped - before
}

// drop counts what is dropped.
func (q *Queue[T]) drop(v T) {
	n := uint64(1)
	if q.o.Count != nil {
		n = q.o.Count(v)
	}
	q.dropped += n
	q.untold += n
}

// shift takes the oldest.
func (q *Queue[T]) shift() T {
	it := q.waiting[0]
	q.waiting[0] = item[T]{}
	q.waiting = q.waiting[1:]
	q.held -= it.size
	return it.value
}

// Dropped counts what was dropped.
func (q *Queue[T]) Dropped() uint64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.dropped
}

// Drain lets what waits be served, then ends.
func (q *Queue[T]) Drain() { q.end(draining) }

// Close ends at once. Serve may still be running when it returns; it is not called again.
func (q *Queue[T]) Close() { q.end(closed) }

func (q *Queue[T]) end(s state) {
	q.mu.Lock()
	q.state = max(q.state, s)
	q.mu.Unlock()
	q.more.Broadcast()
}

// next waits for a value, or for the news that some are missing here; ok is false at the
// end. Where the newest are dropped, what waits is older than what is missing.
func (q *Queue[T]) next() (v T, missed uint64, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for {
		news := q.o.Missed != nil && q.untold > 0 && (q.o.Latest || len(q.waiting) == 0)
		switch {
		case q.state == closed, q.state == draining && len(q.waiting) == 0 && !news:
			q.waiting = nil
			return v, 0, false
		case news:
			missed, q.untold = q.untold, 0
			return v, missed, true
		case len(q.waiting) > 0:
			return q.shift(), 0, true
		}
		q.more.Wait()
	}
}

// some waits until there is something, and reports whether there is, not the end.
func (q *Queue[T]) some() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.waiting) == 0 && q.untold == 0 && q.state == open {
		q.more.Wait()
	}
	return q.state != closed
}

func (q *Queue[T]) serve() {
	for {
		if q.o.Ready != nil && q.some() {
			q.o.Ready()
		}
		v, missed, ok := q.next()
		switch {
		case !ok:
			return
		case missed > 0:
			q.o.Missed(missed)
		default:
			q.o.Serve(v)
		}
	}
}
