package bus_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/bus"
	"github.com/parley-net/parley/bus/bustest"
)

// Verifies: CLUSTER-01
func TestMemory(t *testing.T) {
	bustest.Run(t, 400*time.Millisecond, func(t *testing.T) func() bus.Bus {
		m := new(bus.Memory)
		return func() bus.Bus {
			b := m.Connect()
			t.Cleanup(func() { b.Close() })
			return b
		}
	})
}

// Verifies: BUS-01
func TestTokens(t *testing.T) {
	for name, want := range map[string]string{
		"": "=", "cam1": "cam1", "a.b": "a=2Eb", "a*>": "a=2A=3E", "Cam": "=43am", "=": "=3D", "ä": "=C3=A4", "a b": "a=20b",
	} {
		if got := bus.Token(name); got != want {
			t.Errorf("%q: got %s, want %s", name, got, want)
		}
	}
	for range 1000 {
		b := make([]byte, rand.IntN(8))
		for i := range b {
			b[i] = byte(rand.IntN(256))
		}
		token := bus.Token(string(b))
		if name, err := bus.Name(token); err != nil || name != string(b) || bus.CheckSubject(token, false) != nil {
			t.Fatalf("%q became %s and %q, %v", b, token, name, err)
		}
	}
	for _, bad := range []string{"=4", "=zz", "A", "=61", "=2e", "a=", ""} {
		if name, err := bus.Name(bad); err == nil {
			t.Errorf("%q is no token, and means %q", bad, name)
		}
	}
}

// Verifies: BUS-02
func TestMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, subject string
		want             bool
	}{
		{"a", "a", true}, {"a", "b", false}, {"a.b", "a", false}, {"a", "a.b", false},
		{"*", "a", true}, {"*", "a.b", false}, {"a.*", "a.b", true}, {"a.*", "a", false}, {"*.b", "a.b", true},
		{">", "a", true}, {">", "a.b.c", true}, {"a.>", "a.b.c", true}, {"a.>", "a", false}, {"a.*.>", "a.b", false}, {"a.*.>", "a.b.c", true},
	} {
		if got := bus.Matches(c.pattern, c.subject); got != c.want {
			t.Errorf("%s %s: got %v", c.pattern, c.subject, got)
		}
	}
}

// faulty is a bucket that can fail or lose its answers.
type faulty struct {
	bus.Bucket
	mu   sync.Mutex
	mode string // "", away, deaf: what is asked is done, and the answer lost, or stale: as from a leader that is cut off
}

func (f *faulty) set(mode string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mode = mode
}

func (f *faulty) do(call func() (uint64, error)) (uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mode == "away" {
		return 0, bus.ErrNoBus
	}
	if f.mode == "stale" {
		return 0, bus.ErrConflict // with what it could not agree on with the others
	}
	rev, err := call()
	if f.mode == "deaf" && err == nil {
		return 0, context.DeadlineExceeded
	}
	return rev, err
}

func (f *faulty) Create(ctx context.Context, k string, v []byte) (uint64, error) {
	return f.do(func() (uint64, error) { return f.Bucket.Create(ctx, k, v) })
}

func (f *faulty) Update(ctx context.Context, k string, v []byte, rev uint64) (uint64, error) {
	return f.do(func() (uint64, error) { return f.Bucket.Update(ctx, k, v, rev) })
}

// leases returns two views of one bucket, the first of which can fail.
func leases(t *testing.T) (*faulty, bus.Bucket) {
	b := new(bus.Memory).Connect()
	t.Cleanup(func() { b.Close() })
	k, err := b.Bucket(t.Context(), "own", bus.BucketOptions{TTL: bus.LeaseTTL})
	if err != nil {
		t.Fatal(err)
	}
	return &faulty{Bucket: k}, k
}

// A holder whose bus is away stops by itself before another one may begin.
//
// Verifies: CLUSTER-13
func TestLeaseStopsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := leases(t)
		l, err := bus.Acquire(t.Context(), first, "psu1", "a")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if !l.Valid() {
			t.Fatal("lost while all is well")
		}
		first.set("away")
		begun := time.Now()
		next, err := bus.Acquire(t.Context(), second, "psu1", "b")
		if err != nil {
			t.Fatal(err)
		}
		if d := time.Since(begun); d < 15*time.Second || d > 25*time.Second {
			t.Errorf("the next holder has it after %v", d)
		}
		if l.Valid() || next.Token() <= l.Token() {
			t.Errorf("first valid %v, tokens %d and %d", l.Valid(), l.Token(), next.Token())
		}
		select {
		case <-l.Lost():
			if !errors.Is(l.Cause(), bus.ErrNoBus) {
				t.Errorf("cause %v", l.Cause())
			}
		default:
			t.Error("not told of the loss")
		}
		if err := next.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A holder whose bus comes back behind the 15 s, but before it has looked, renews and is the
// holder again, with its token: nobody else can have had it. In between it takes no step.
//
// Verifies: CLUSTER-13
func TestLeaseIsRenewedLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := leases(t)
		l, err := bus.Acquire(t.Context(), first, "psu1", "a")
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(4500 * time.Millisecond) // renewed after 4 s
		first.set("away")
		time.Sleep(15 * time.Second)
		if l.Valid() {
			t.Error("valid 15.5 s after its last renewal")
		}
		first.set("")
		time.Sleep(time.Second)
		if name, rev, err := bus.Holder(t.Context(), second, "psu1"); !l.Valid() || l.Cause() != nil || name != "a" || rev <= l.Token() || err != nil {
			t.Errorf("valid %v, cause %v; held by %q, %v", l.Valid(), l.Cause(), name, err)
		}
		if err := l.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// An answer that is lost is no loss of the lease, nor a reason to wait for its end.
func TestLeaseWithLostAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := leases(t)
		first.set("deaf")
		begun := time.Now()
		l, err := bus.Acquire(t.Context(), first, "psu1", "a")
		if err != nil || time.Since(begun) > 5*time.Second {
			t.Fatal(err, time.Since(begun))
		}
		time.Sleep(7 * time.Second) // some renewals are not heard
		first.set("")
		time.Sleep(time.Minute)
		if !l.Valid() {
			t.Fatal(l.Cause())
		}
		first.set("deaf")
		time.Sleep(3 * time.Second)
		if err := l.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, _, err := bus.Holder(t.Context(), second, "psu1"); !errors.Is(err, bus.ErrNotFound) {
			t.Errorf("still there: %v", err)
		}
	})
}

// A renewal that only a leader without others answers is none, however long it goes on, and
// one whose answer was lost counts from when it was begun.
//
// Verifies: CLUSTER-13
func TestLeaseAndStaleLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, _ := leases(t)
		l, err := bus.Acquire(t.Context(), first, "psu1", "a")
		if err != nil {
			t.Fatal(err)
		}
		first.set("deaf")
		time.Sleep(3 * time.Second) // one renewal is kept, 2 s from the beginning, and not heard
		first.set("stale")
		time.Sleep(13 * time.Second)
		if !l.Valid() {
			t.Errorf("lost after 16 s, and the renewal that was kept is 14 s old: %v", l.Cause())
		}
		time.Sleep(2 * time.Second)
		if l.Valid() {
			t.Error("valid 16 s after the last renewal that was kept")
		}
		<-l.Lost()
	})
}

// One that is deleted behind the holder's back is lost at the next renewal.
func TestLeaseTakenAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := leases(t)
		l, err := bus.Acquire(t.Context(), first, "psu1", "a")
		if err != nil {
			t.Fatal(err)
		}
		second.Delete(t.Context(), "psu1", 0)
		other, err := bus.Acquire(t.Context(), second, "psu1", "b")
		if err != nil {
			t.Fatal(err)
		}
		<-l.Lost()
		if l.Valid() || !strings.Contains(l.Cause().Error(), "somebody else") || !other.Valid() {
			t.Error(l.Cause())
		}
		other.Release(t.Context())
	})
}

// Who closes while others wait for its answers ends their wait only.
//
// Verifies: BUS-03
func TestCloseEndsWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := new(bus.Memory)
		a, b := m.Connect(), m.Connect()
		b.Subscribe("q", bus.SubscribeOptions{}, func(bus.Message) {})
		failed := make(chan error)
		go func() {
			_, err := a.Request(t.Context(), "q", nil)
			failed <- err
		}()
		synctest.Wait()
		a.Close()
		if err := <-failed; !errors.Is(err, bus.ErrClosed) {
			t.Error(err)
		}
		b.Close()
	})
}

// The age of a value in virtual time, to the moment.
//
// Verifies: BUS-04
func TestMemoryAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(bus.Memory).Connect()
		defer b.Close()
		k, _ := b.Bucket(t.Context(), "x", bus.BucketOptions{TTL: 15 * time.Second})
		k.Put(t.Context(), "n", nil)
		var ops []bus.Op
		k.Watch(t.Context(), func(e bus.Entry) { ops = append(ops, e.Op) })
		time.Sleep(14 * time.Second)
		k.Put(t.Context(), "n", nil)
		time.Sleep(15*time.Second + 1)
		synctest.Wait()
		if want := []bus.Op{bus.OpPut, bus.OpCurrent, bus.OpPut, bus.OpGone}; !slices.Equal(ops, want) {
			t.Errorf("told %v", ops)
		}
	})
}
