package natsbus_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parley-net/parley/bus"
	"github.com/parley-net/parley/bus/natsbus"
)

// outcomes are those of entries, in the order in which they were told.
type outcomes struct {
	mu   sync.Mutex
	ids  []string
	seqs []uint64
	errs []error
	wait sync.WaitGroup
}

// add appends an entry; n is its size.
func (o *outcomes) add(t *testing.T, l bus.Log, id string, n int) {
	t.Helper()
	o.wait.Add(1)
	if err := l.Append(t.Context(), "s", id, make([]byte, n), func(seq uint64, err error) {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.ids, o.seqs, o.errs = append(o.ids, id), append(o.seqs, seq), append(o.errs, err)
		o.wait.Done()
	}); err != nil {
		t.Fatal(id, err)
	}
}

// there returns the ids of what a log has, and how many of the stream's messages came in batches.
func there(t *testing.T, l bus.Log, js jetstream.JetStream) (ids []string, batched int) {
	t.Helper()
	s, err := js.Stream(t.Context(), "LOG_x")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Read(t.Context(), 0, func(e bus.LogEntry) error {
		ids = append(ids, e.ID)
		m, err := s.GetMsg(t.Context(), e.Seq)
		if err == nil && m.Header.Get("Nats-Batch-Id") != "" {
			batched++
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return ids, batched
}

// What gathers goes as one batch, also where entries of it are there already, or the stream
// knows no batches: each is told once, in order, with its place, and is there once.
//
// Verifies: CLUSTER-08
func TestBatches(t *testing.T) {
	for name, batches := range map[string]bool{"batches": true, "none": false} {
		t.Run(name, func(t *testing.T) {
			e := startExternal(t, "-js", "-sd", t.TempDir())
			nc, err := nats.Connect(e.url())
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			js, err := jetstream.New(nc)
			if err != nil {
				t.Fatal(err)
			}
			if !batches { // a stream of an earlier version
				if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "LOG_x", Subjects: []string{"parley.log.x.>"}}); err != nil {
					t.Fatal(err)
				}
			}
			l, err := connect(t, natsbus.Options{URL: e.url()}).Log(t.Context(), "x", bus.LogOptions{})
			if err != nil {
				t.Fatal(err)
			}
			var all outcomes
			var want []string
			place := make(map[string]uint64)
			for i := range 3000 {
				id := fmt.Sprint(i)
				if i > 2000 && i%100 == 0 { // it is there, or in the same batch
					id = fmt.Sprint(i - 1 - i%200*10)
				}
				if place[id] == 0 {
					want = append(want, id)
					place[id] = uint64(len(want))
				}
				all.add(t, l, id, 100)
			}
			all.wait.Wait()
			for i, id := range all.ids {
				if all.errs[i] != nil || all.seqs[i] != place[id] {
					t.Fatalf("outcome %d: entry %s at %d, %v; want %d", i, id, all.seqs[i], all.errs[i], place[id])
				}
			}
			ids, batched := there(t, l, js)
			if len(all.ids) != 3000 || !slices.Equal(ids, want) {
				t.Errorf("%d told; %d are there, want %d", len(all.ids), len(ids), len(want))
			}
			if batched > 0 != batches {
				t.Errorf("%d of %d came in batches", batched, len(ids))
			}
		})
	}
}

// A log that becomes full in the middle of a batch keeps what has room.
//
// Verifies: CLUSTER-21
func TestBatchThatHasNoRoom(t *testing.T) {
	e := startExternal(t, "-js", "-sd", t.TempDir())
	b := connect(t, natsbus.Options{URL: e.url()})
	l, err := b.Log(t.Context(), "x", bus.LogOptions{MaxBytes: 256 << 10})
	if err != nil {
		t.Fatal(err)
	}
	var all outcomes
	for i := range 400 {
		all.add(t, l, fmt.Sprint(i), 1<<10)
	}
	all.wait.Wait()
	var kept []string
	for i, err := range all.errs {
		switch {
		case err == nil:
			kept = append(kept, all.ids[i])
		case !errors.Is(err, bus.ErrFull):
			t.Fatal(all.ids[i], err)
		}
	}
	var ids []string
	if err := l.Read(t.Context(), 0, func(e bus.LogEntry) error { ids = append(ids, e.ID); return nil }); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(ids, kept) || len(kept) < 200 || len(kept) == 400 {
		t.Errorf("%d told as kept, %d are there", len(kept), len(ids))
	}
}

// When the bus is closed each entry under way is told, once.
//
// Verifies: CLUSTER-08
func TestClosedInTheMiddle(t *testing.T) {
	e := startExternal(t, "-js", "-sd", t.TempDir())
	b := connect(t, natsbus.Options{URL: e.url()})
	l, err := b.Log(t.Context(), "x", bus.LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var all outcomes
	for i := range 1000 {
		all.add(t, l, fmt.Sprint(i), 100)
	}
	b.Close()
	all.wait.Wait()
	if err := l.Append(t.Context(), "s", "", nil, nil); !errors.Is(err, bus.ErrClosed) {
		t.Errorf("behind the end: %v", err)
	}
	for _, err := range all.errs {
		if err != nil && !errors.Is(err, bus.ErrClosed) {
			t.Fatal(err)
		}
	}
}
