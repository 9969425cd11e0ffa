package bus

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/parley-net/parley/bus/queue"
)

// memoryBucket is a bucket of a Memory. Its lock is held while watchers are told,
// so that they see the changes in order; telling them never waits.
type memoryBucket struct {
	ttl time.Duration

	mu       sync.Mutex
	revision uint64
	entries  map[string]*memoryEntry
	watchers map[*queue.Queue[Entry]]struct{}
}

type memoryEntry struct {
	Entry
	end *time.Timer // nil: it stays
}

// handle is a bucket as one connection sees it.
type memoryBucketHandle struct {
	b *memoryBus
	*memoryBucket
}

func (b *memoryBus) Bucket(ctx context.Context, name string, o BucketOptions) (Bucket, error) {
	if err := b.check(ctx); err != nil {
		return nil, err
	}
	b.m.mu.Lock()
	defer b.m.mu.Unlock()
	k := b.m.buckets[name]
	if k == nil {
		k = &memoryBucket{ttl: o.TTL, entries: make(map[string]*memoryEntry), watchers: make(map[*queue.Queue[Entry]]struct{})}
		if b.m.buckets == nil {
			b.m.buckets = make(map[string]*memoryBucket)
		}
		b.m.buckets[name] = k
	}
	return memoryBucketHandle{b, k}, nil
}

func (h memoryBucketHandle) Get(ctx context.Context, key string) (Entry, error) {
	if err := h.b.check(ctx); err != nil {
		return Entry{}, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if e := h.entries[key]; e != nil {
		return e.Entry, nil
	}
	return Entry{}, fmt.Errorf("%w: %s", ErrNotFound, key)
}

func (h memoryBucketHandle) Put(ctx context.Context, key string, value []byte) (uint64, error) {
	return h.write(ctx, key, value, func(*memoryEntry) bool { return true })
}

func (h memoryBucketHandle) Create(ctx context.Context, key string, value []byte) (uint64, error) {
	return h.write(ctx, key, value, func(e *memoryEntry) bool { return e == nil })
}

func (h memoryBucketHandle) Update(ctx context.Context, key string, value []byte, rev uint64) (uint64, error) {
	return h.write(ctx, key, value, func(e *memoryEntry) bool { return e != nil && e.Revision == rev })
}

// write writes a value if what is there now allows it.
func (h memoryBucketHandle) write(ctx context.Context, key string, value []byte, allowed func(*memoryEntry) bool) (uint64, error) {
	if err := h.b.check(ctx); err != nil {
		return 0, err
	}
	if err := CheckSubject(key, false); err != nil {
		return 0, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	old := h.entries[key]
	if !allowed(old) {
		return 0, fmt.Errorf("%w: %s", ErrConflict, key)
	}
	if old != nil && old.end != nil {
		old.end.Stop()
	}
	h.revision++
	e := &memoryEntry{Entry: Entry{Key: key, Value: slices.Clone(value), Revision: h.revision}}
	if h.ttl > 0 {
		e.end = time.AfterFunc(h.ttl, func() { h.expire(e) })
	}
	h.entries[key] = e
	h.tell(e.Entry)
	return e.Revision, nil
}

// expire removes e unless it was written again.
func (k *memoryBucket) expire(e *memoryEntry) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.entries[e.Key] == e {
		k.remove(e)
	}
}

// remove removes e, with the lock held.
func (k *memoryBucket) remove(e *memoryEntry) {
	if e.end != nil {
		e.end.Stop()
	}
	delete(k.entries, e.Key)
	k.revision++
	k.tell(Entry{Key: e.Key, Revision: k.revision, Op: OpGone})
}

func (k *memoryBucket) tell(e Entry) {
	for w := range k.watchers {
		w.Put(e)
	}
}

func (h memoryBucketHandle) Delete(ctx context.Context, key string, rev uint64) error {
	if err := h.b.check(ctx); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	e := h.entries[key]
	switch {
	case e != nil && (rev == 0 || e.Revision == rev):
		h.remove(e)
	case rev != 0:
		return fmt.Errorf("%w: %s", ErrConflict, key)
	}
	return nil
}

func (h memoryBucketHandle) List(ctx context.Context) ([]Entry, error) {
	if err := h.b.check(ctx); err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.list(), nil
}

// list returns all values in order, with the lock held.
func (k *memoryBucket) list() []Entry {
	var all []Entry
	for e := range maps.Values(k.entries) {
		all = append(all, e.Entry)
	}
	slices.SortFunc(all, func(a, b Entry) int { return cmp.Compare(a.Key, b.Key) })
	return all
}

// Watch's queue has no bound: a value is small, and a change must not be lost.
func (h memoryBucketHandle) Watch(ctx context.Context, fn func(Entry)) error {
	if err := h.b.check(ctx); err != nil {
		return err
	}
	const unbounded = math.MaxInt
	q := queue.New(queue.Options[Entry]{Messages: unbounded, Bytes: unbounded, Size: func(e Entry) int { return len(e.Value) }, Serve: fn})
	h.mu.Lock()
	for _, e := range h.list() {
		q.Put(e)
	}
	q.Put(Entry{Op: OpCurrent})
	h.watchers[q] = struct{}{}
	h.mu.Unlock()
	go func() {
		select {
		case <-ctx.Done():
		case <-h.b.done:
		}
		h.mu.Lock()
		delete(h.watchers, q)
		h.mu.Unlock()
		q.Close()
	}()
	return nil
}
