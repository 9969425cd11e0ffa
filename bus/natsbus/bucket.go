package natsbus

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/parley-net/parley/bus"
	"github.com/parley-net/parley/bus/queue"
)

// bucket is a key-value bucket of JetStream.
type bucket struct {
	b  *Bus
	kv jetstream.KeyValue
}

// Bucket opens the values named name.
func (b *Bus) Bucket(ctx context.Context, name string, o bus.BucketOptions) (bus.Bucket, error) {
	if err := bus.CheckSubject(name, false); err != nil {
		return nil, err
	}
	k := &bucket{b: b}
	err := b.open(ctx, func(ctx context.Context) (err error) {
		if k.kv, err = b.js.KeyValue(ctx, name); !errors.Is(err, jetstream.ErrBucketNotFound) {
			return err
		}
		if _, err = b.js.CreateStream(ctx, b.bucketConfig(name, o)); err != nil && !errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			return err
		}
		if k.kv, err = b.js.KeyValue(ctx, name); errors.Is(err, jetstream.ErrBucketNotFound) {
			err = errNotYet
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", name, err)
	}
	return k, nil
}

// bucketConfig is that of a bucket, as nats.go makes it, but for two things. Nothing is read
// from replicas: a lease must not be shown its own past. And those who watch are told of
// a value's age, which NATS does only if it is asked to.
func (b *Bus) bucketConfig(name string, o bus.BucketOptions) jetstream.StreamConfig {
	c := jetstream.StreamConfig{
		Name: "KV_" + name, Subjects: []string{"$KV." + name + ".>"}, MaxMsgsPerSubject: 1, MaxBytes: -1, MaxMsgSize: -1, MaxMsgs: -1, MaxConsumers: -1,
		Storage: jetstream.FileStorage, Replicas: b.o.Replicas, Discard: jetstream.DiscardNew, AllowRollup: true, DenyDelete: true,
		MaxAge: o.TTL, Duplicates: 2 * time.Minute,
	}
	if o.TTL > 0 {
		c.Duplicates = min(c.Duplicates, o.TTL)
		c.AllowMsgTTL, c.SubjectDeleteMarkerTTL = true, max(o.TTL, time.Second).Round(time.Second)
	}
	return c
}

// call does one thing with the bucket.
func (k *bucket) call(ctx context.Context, key string, do func(context.Context) error) error {
	if err := bus.CheckSubject(key, false); err != nil {
		return err
	}
	call, cancel, err := k.b.during(ctx, callFor)
	if err != nil {
		return err
	}
	defer cancel()
	if err := told(call, do(call)); err != nil {
		return fmt.Errorf("%s %s: %w", k.kv.Bucket(), key, err)
	}
	return nil
}

// Get returns the value of key.
func (k *bucket) Get(ctx context.Context, key string) (e bus.Entry, err error) {
	err = k.call(ctx, key, func(ctx context.Context) error {
		got, err := k.kv.Get(ctx, key)
		if err == nil {
			e = bus.Entry{Key: key, Value: got.Value(), Revision: got.Revision()}
		}
		return err
	})
	return e, err
}

// Put writes it, whatever was there.
func (k *bucket) Put(ctx context.Context, key string, value []byte) (rev uint64, err error) {
	err = k.call(ctx, key, func(ctx context.Context) (err error) {
		rev, err = k.kv.Put(ctx, key, value)
		return err
	})
	return rev, err
}

// Create writes it if there is none.
func (k *bucket) Create(ctx context.Context, key string, value []byte) (rev uint64, err error) {
	err = k.call(ctx, key, func(ctx context.Context) (err error) {
		rev, err = k.kv.Create(ctx, key, value)
		return err
	})
	return rev, err
}

// Update writes it if its revision is rev.
func (k *bucket) Update(ctx context.Context, key string, value []byte, rev uint64) (next uint64, err error) {
	if rev == 0 {
		return 0, fmt.Errorf("%s %s: %w: no value has the revision 0", k.kv.Bucket(), key, bus.ErrConflict)
	}
	err = k.call(ctx, key, func(ctx context.Context) (err error) {
		next, err = k.kv.Update(ctx, key, value, rev)
		return err
	})
	return next, err
}

// Delete removes it.
func (k *bucket) Delete(ctx context.Context, key string, rev uint64) error {
	return k.call(ctx, key, func(ctx context.Context) error {
		if rev > 0 {
			return k.kv.Delete(ctx, key, jetstream.LastRevision(rev))
		}
		if _, err := k.kv.Get(ctx, key); errors.Is(err, jetstream.ErrKeyNotFound) || errors.Is(err, jetstream.ErrKeyDeleted) {
			return nil
		}
		return k.kv.Delete(ctx, key)
	})
}

// List returns all values.
func (k *bucket) List(ctx context.Context) ([]bus.Entry, error) {
	call, cancel, err := k.b.during(ctx, callFor)
	if err != nil {
		return nil, err
	}
	defer cancel()
	w, err := k.kv.WatchAll(call, jetstream.IgnoreDeletes())
	if err != nil {
		return nil, told(call, err)
	}
	defer w.Stop()
	var all []bus.Entry
	for {
		select {
		case e, ok := <-w.Updates():
			if !ok {
				return nil, told(call, context.DeadlineExceeded)
			}
			if e == nil {
				slices.SortFunc(all, func(a, b bus.Entry) int { return cmp.Compare(a.Key, b.Key) })
				return all, nil
			}
			all = append(all, bus.Entry{Key: e.Key(), Value: e.Value(), Revision: e.Revision()})
		case <-call.Done():
			return nil, told(call, call.Err())
		}
	}
}

// Watch calls fn for each value and each change.
func (k *bucket) Watch(ctx context.Context, fn func(bus.Entry)) error {
	first, err := k.watch(ctx)
	if err != nil {
		return err
	}
	w := &watching{k: k, known: make(map[string]uint64), queue: queue.New(queue.Options[bus.Entry]{
		Messages: math.MaxInt, Bytes: math.MaxInt, Size: func(e bus.Entry) int { return len(e.Value) }, Serve: fn,
	})}
	go w.run(ctx, first)
	return nil
}

// watcher is a watcher of NATS, and what ends it.
type watcher struct {
	jetstream.KeyWatcher
	end context.CancelFunc
}

func (k *bucket) watch(ctx context.Context) (w watcher, err error) {
	err = k.b.open(ctx, func(try context.Context) error {
		// The context of a watcher is that of its whole life: the try's would end it.
		life, end := context.WithCancel(ctx)
		stop := context.AfterFunc(try, end)
		kw, err := k.kv.WatchAll(life)
		switch {
		case err != nil && try.Err() != nil:
			end()
			return try.Err() // which has ended the watcher's own
		case err != nil:
			stop()
			end()
			return err
		case !stop():
			kw.Stop()
			return try.Err()
		}
		w = watcher{kw, end}
		return nil
	})
	return w, err
}

// watching is a watch for life: when the bus was away, or a watcher of NATS has ended, it
// begins anew, and tells what has changed meanwhile.
type watching struct {
	k       *bucket
	queue   *queue.Queue[bus.Entry]
	known   map[string]uint64 // revisions, by key
	current bool              // OpCurrent was told
}

func (w *watching) run(ctx context.Context, now watcher) {
	defer w.queue.Close()
	for {
		w.round(ctx, now)
		now.Stop()
		now.end()
		for {
			select {
			case <-ctx.Done():
				return
			case <-w.k.b.done:
				return
			case <-time.After(reconnectWait):
			}
			next, err := w.k.watch(ctx)
			if err == nil {
				now = next
				break
			}
		}
	}
}

// round tells what one watcher of NATS has, until it ends or the bus goes.
func (w *watching) round(ctx context.Context, now watcher) {
	seen := make(map[string]struct{})
	present, err := w.k.b.state.now()
	if err != nil {
		return
	}
	for {
		select {
		case e, ok := <-now.Updates():
			switch {
			case !ok:
				return
			case e == nil:
				w.complete(seen)
				seen = nil
			default:
				if seen != nil {
					seen[e.Key()] = struct{}{}
				}
				w.tell(e)
			}
		case <-present.Done():
			return
		case <-ctx.Done():
			return
		case <-w.k.b.done:
			return
		}
	}
}

// complete takes the end of what there was: what was known and is not there has gone.
func (w *watching) complete(seen map[string]struct{}) {
	for key, rev := range w.known {
		if _, ok := seen[key]; !ok {
			delete(w.known, key)
			w.queue.Put(bus.Entry{Key: key, Revision: rev, Op: bus.OpGone})
		}
	}
	if !w.current {
		w.current = true
		w.queue.Put(bus.Entry{Op: bus.OpCurrent})
	}
}

func (w *watching) tell(e jetstream.KeyValueEntry) {
	if e.Operation() != jetstream.KeyValuePut {
		_, known := w.known[e.Key()]
		delete(w.known, e.Key())
		if known || !w.current {
			w.queue.Put(bus.Entry{Key: e.Key(), Revision: e.Revision(), Op: bus.OpGone})
		}
		return
	}
	if w.known[e.Key()] == e.Revision() {
		return
	}
	w.known[e.Key()] = e.Revision()
	w.queue.Put(bus.Entry{Key: e.Key(), Value: e.Value(), Revision: e.Revision()})
}
