// Package queue is what waits for a subscriber: bounded by number and bytes,
// served in order by one goroutine.
package queue

import "sync"

// Queue holds what waits. Use New.
type Queue[T any] struct {
	size     func(T) int
	messages int
	bytes    int64
	latest   bool

	mu      sync.Mutex
	more    sync.Cond
	waiting []item[T]
	held    int64
	dropped uint64
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

// New starts a queue that gives each value to fn. At most messages values of
// together at most bytes wait; one value may always wait, whatever its size. With
// latest the oldest are dropped to make room, otherwise the newest.
func New[T any](messages int, bytes int64, latest bool, size func(T) int, fn func(T)) *Queue[T] {
	q := &Queue[T]{size: size, messages: messages, bytes: bytes, latest: latest}
	q.more.L = &q.mu
	go q.serve(fn)
	return q
}

// Put adds v, or drops it or others.
func (q *Queue[T]) Put(v T) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.state != open {
		return
	}
	n := int64(q.size(v))
	for len(q.waiting) > 0 && (len(q.waiting) >= q.messages || q.held+n > q.bytes) {
		q.dropped++
		if !q.latest {
			return
		}
		q.shift()
	}
	q.waiting = append(q.waiting, item[T]{v, n})
	q.held += n
	q.more.Signal()
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

// Close ends at once.
func (q *Queue[T]) Close() { q.end(closed) }

func (q *Queue[T]) end(s state) {
	q.mu.Lock()
	q.state = max(q.state, s)
	q.mu.Unlock()
	q.more.Broadcast()
}

// next waits for a value; ok is false at the end.
func (q *Queue[T]) next() (v T, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for q.state == open && len(q.waiting) == 0 {
		q.more.Wait()
	}
	if q.state == closed || len(q.waiting) == 0 {
		q.waiting = nil
		return v, false
	}
	return q.shift(), true
}

func (q *Queue[T]) serve(fn func(T)) {
	for {
		v, ok := q.next()
		if !ok {
			return
		}
		fn(v)
	}
}
