package cluster_test

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/bus"
	"github.com/parley-net/parley/cluster"
)

// line is a bus that can be cut.
type line struct {
	bus.Bus
	mu   sync.Mutex
	down bool
	away bool // buckets and requests too
	lose int  // so many publications to rooms vanish
}

func (l *line) set(down bool, lose int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down, l.lose = down, lose
}

func (l *line) Publish(ctx context.Context, subject string, data []byte) error {
	l.mu.Lock()
	down, lost := l.down, l.lose > 0 && bus.Matches("parley.v1.*.room.>", subject)
	if lost {
		l.lose--
	}
	l.mu.Unlock()
	switch {
	case down:
		return bus.ErrNoBus
	case lost:
		return nil
	}
	return l.Bus.Publish(ctx, subject, data)
}

// cut cuts the line for everything, buckets that are open included.
func (l *line) cut(yes bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down, l.away = yes, yes
}

func (l *line) isAway() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.away
}

// Status is down while the line is cut.
func (l *line) Status() bus.Status {
	s := l.Bus.Status()
	if l.isAway() {
		s.Up = false
	}
	return s
}

// Request fails while the line is cut.
func (l *line) Request(ctx context.Context, subject string, data []byte) ([]byte, error) {
	if l.isAway() {
		return nil, bus.ErrNoBus
	}
	return l.Bus.Request(ctx, subject, data)
}

// cutBucket is a bucket behind a line.
type cutBucket struct {
	bus.Bucket
	l *line
}

func (k cutBucket) Create(ctx context.Context, key string, v []byte) (uint64, error) {
	if k.l.isAway() {
		return 0, bus.ErrNoBus
	}
	return k.Bucket.Create(ctx, key, v)
}

func (k cutBucket) Update(ctx context.Context, key string, v []byte, rev uint64) (uint64, error) {
	if k.l.isAway() {
		return 0, bus.ErrNoBus
	}
	return k.Bucket.Update(ctx, key, v, rev)
}

func (k cutBucket) Get(ctx context.Context, key string) (bus.Entry, error) {
	if k.l.isAway() {
		return bus.Entry{}, bus.ErrNoBus
	}
	return k.Bucket.Get(ctx, key)
}

func (k cutBucket) Delete(ctx context.Context, key string, rev uint64) error {
	if k.l.isAway() {
		return bus.ErrNoBus
	}
	return k.Bucket.Delete(ctx, key, rev)
}

// Bucket fails while the line is down.
func (l *line) Bucket(ctx context.Context, name string, o bus.BucketOptions) (bus.Bucket, error) {
	l.mu.Lock()
	down := l.down
	l.mu.Unlock()
	if down {
		return nil, bus.ErrNoBus
	}
	k, err := l.Bus.Bucket(ctx, name, o)
	return cutBucket{k, l}, err
}

// connect returns a bus that closes with the test.
func connect(t *testing.T, m *bus.Memory) *line {
	b := m.Connect()
	t.Cleanup(func() { b.Close() })
	return &line{Bus: b}
}

// start starts a node that leaves with the test.
func start(t *testing.T, b bus.Bus, name string) *cluster.Node {
	t.Helper()
	n, err := cluster.Start(t.Context(), b, cluster.Options{Name: name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close(context.Background()) })
	return n
}

func enter(t *testing.T, n *cluster.Node, name string) *cluster.Room {
	t.Helper()
	r, err := n.Room(name, cluster.RoomOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// heard collects what a receiver gets.
type heard struct {
	mu     sync.Mutex
	all    []cluster.Delivery
	missed uint64
}

func (h *heard) take(d cluster.Delivery) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if m, ok := d.Err.(*cluster.MissedError); ok {
		h.missed += m.Count
		return
	}
	h.all = append(h.all, d)
}

// texts returns what has come, and forgets it.
func (h *heard) texts() (texts []string, missed uint64) {
	synctest.Wait()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, d := range h.all {
		texts = append(texts, d.Message.Text())
	}
	missed = h.missed
	h.all, h.missed = nil, 0
	return texts, missed
}

func receive(t *testing.T, r *cluster.Room, o cluster.ReceiveOptions) (*cluster.Receiver, *heard) {
	t.Helper()
	h := new(heard)
	rec, err := r.Receive(o, h.take)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(rec.Close)
	return rec, h
}

// inBubble runs a test in virtual time. Its cleanups run in the bubble too.
func inBubble(t *testing.T, run func(t *testing.T)) {
	synctest.Test(t, run)
}

// settle lets nodes know each other.
func settle() {
	time.Sleep(time.Second)
	synctest.Wait()
}

// cutLog is a log behind a line.
type cutLog struct {
	bus.Log
	l *line
}

func (k cutLog) Append(ctx context.Context, subject, id string, data []byte, done func(uint64, error)) error {
	if k.l.isAway() {
		return bus.ErrNoBus
	}
	return k.Log.Append(ctx, subject, id, data, done)
}

// Log fails while the line is cut.
func (l *line) Log(ctx context.Context, name string, o bus.LogOptions) (bus.Log, error) {
	if l.isAway() {
		return nil, bus.ErrNoBus
	}
	k, err := l.Bus.Log(ctx, name, o)
	return cutLog{k, l}, err
}
