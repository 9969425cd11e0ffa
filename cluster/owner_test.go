package cluster_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/bus"
	"github.com/parley-net/parley/cluster"
)

// instrument is a device that only one may use.
type instrument struct {
	mu     sync.Mutex
	using  int
	tokens []uint64 // of each message that has come
}

// do answers with the node's name.
func (d *instrument) do(name string) func(context.Context, uint64, parley.Message) ([]parley.Message, error) {
	return func(ctx context.Context, token uint64, m parley.Message) ([]parley.Message, error) {
		d.mu.Lock()
		d.using++
		both := d.using > 1
		d.tokens = append(d.tokens, token)
		d.mu.Unlock()
		defer func() { d.mu.Lock(); d.using--; d.mu.Unlock() }()
		if both {
			return nil, errors.New("two use the device")
		}
		switch m.Text() {
		case "hang":
			<-ctx.Done()
			return nil, context.Cause(ctx)
		case "fail":
			return nil, errors.New("it smokes")
		}
		return []parley.Message{parley.Text(name), m.Clone()}, nil
	}
}

// own has a node take part in the device's ownership.
func own(t *testing.T, n *cluster.Node, d *instrument) *cluster.Owner {
	t.Helper()
	o, err := n.Own("psu.1 *", cluster.OwnerOptions{Do: d.do(n.Name())})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { o.Close(context.Background()) })
	synctest.Wait()
	return o
}

// call returns the answers of a call, or its error, as one text.
func call(t *testing.T, on interface {
	Call(context.Context, parley.Message) ([]parley.Message, error)
}, text string) (string, error) {
	t.Helper()
	all, err := on.Call(t.Context(), parley.Text(text))
	var texts []string
	for _, m := range all {
		texts = append(texts, m.Text())
	}
	return strings.Join(texts, " "), err
}

// One node has the device, one message at a time, for the clients of all; one that leaves
// hands it over at once, and its successor's token is larger.
//
// Verifies: CLUSTER-15
func TestOwner(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m, d := new(bus.Memory), new(instrument)
		a, b, far := start(t, connect(t, m), "a"), start(t, connect(t, m), "b"), start(t, connect(t, m), "far")
		first, second := own(t, a, d), own(t, b, d)
		for _, o := range []*cluster.Owner{first, second} {
			if got, err := call(t, o, "x"); err != nil || got != "a x" {
				t.Errorf("%q, %v", got, err)
			}
		}
		if all, err := far.Forward(t.Context(), "psu.1 *", parley.Int(5)); err != nil || len(all) != 2 || all[1].Int() != 5 {
			t.Errorf("from one that takes no part: %v, %v", all, err)
		}
		if _, err := call(t, second, "fail"); err == nil || !strings.Contains(err.Error(), "it smokes") {
			t.Errorf("the device's error: %v", err)
		}
		if who, err := far.OwnerOf(t.Context(), "psu.1 *"); err != nil || who != "a" {
			t.Errorf("the owner is %q, %v", who, err)
		}
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				for _, o := range []*cluster.Owner{first, second} {
					if _, err := call(t, o, "x"); err != nil {
						t.Error(err)
					}
				}
			})
		}
		all.Wait()
		token, _ := first.Holds()
		begun := time.Now()
		if err := first.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if got, err := call(t, second, "y"); err != nil || got != "b y" || time.Since(begun) > time.Second {
			t.Errorf("after %v: %q, %v", time.Since(begun), got, err)
		}
		if next, ok := second.Holds(); !ok || next <= token {
			t.Errorf("tokens %d and %d, %v", token, next, ok)
		}
		if _, err := call(t, first, "z"); err != nil {
			t.Errorf("one that has left does not pass on: %v", err)
		}
		time.Sleep(time.Second) // the registry tells
		synctest.Wait()
		for _, info := range far.Nodes() {
			if has := slices.Contains(info.Owns, "psu.1 *"); has != (info.Name == "b") {
				t.Errorf("node %s is said to own %q", info.Name, info.Owns)
			}
		}
	})
}

// Who asks an owner that dies knows within 2 s that it may have arrived; until its lease
// is old there is no owner, and then another one, within 30 s of the death.
//
// Verifies: CLUSTER-16
func TestOwnerDies(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m, d := new(bus.Memory), new(instrument)
		dying := m.Connect()
		a, b := start(t, dying, "a"), start(t, connect(t, m), "b")
		own(t, a, d)
		second := own(t, b, d)
		failed := make(chan error, 1)
		go func() {
			_, err := call(t, second, "hang")
			failed <- err
		}()
		time.Sleep(700 * time.Millisecond)
		synctest.Wait()
		begun := time.Now()
		dying.Close()
		if err := <-failed; !errors.Is(err, cluster.ErrOwnerLost) || time.Since(begun) > 2*time.Second {
			t.Errorf("after %v: %v", time.Since(begun), err)
		}
		if _, err := call(t, second, "x"); !errors.Is(err, cluster.ErrNoOwner) {
			t.Errorf("while there is no owner: %v", err)
		}
		for {
			if got, err := call(t, second, "x"); err == nil && got == "b x" {
				break
			}
		}
		if took := time.Since(begun); took < 15*time.Second || took > 30*time.Second {
			t.Errorf("a new owner after %v", took)
		}
	})
}

// Who can't reach the others has the device no longer than 15 s, and without owner or bus
// nothing is sent and that is said.
//
// Verifies: CLUSTER-16
func TestOwnerCutOff(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m, d := new(bus.Memory), new(instrument)
		l := connect(t, m)
		a, b := start(t, l, "a"), start(t, connect(t, m), "b")
		first := own(t, a, d)
		second := own(t, b, d)
		l.cut(true)
		time.Sleep(13 * time.Second)
		if _, err := call(t, first, "x"); err != nil {
			t.Errorf("after 13 s: %v", err)
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		if _, err := call(t, first, "x"); err == nil {
			t.Error("it has the device 16 s later")
		}
		if _, ok := second.Holds(); ok {
			t.Error("another one has it before 20 s are over")
		}
		time.Sleep(8 * time.Second)
		synctest.Wait()
		if _, ok := second.Holds(); !ok {
			t.Error("nobody has it after 24 s")
		}
		l.cut(false)
		time.Sleep(5 * time.Second)
		if got, err := call(t, first, "x"); err != nil || got != "b x" {
			t.Errorf("healed: %q, %v", got, err)
		}
		for i := 1; i < len(d.tokens); i++ {
			if d.tokens[i] < d.tokens[i-1] {
				t.Errorf("tokens %v", d.tokens)
			}
		}
	})
}

// What waits for a device is bounded: more calls of others are refused, and not sent.
//
// Verifies: CLUSTER-23
func TestCallsThatWait(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m, d := new(bus.Memory), new(instrument)
		a, far := start(t, connect(t, m), "a"), start(t, connect(t, m), "far")
		own(t, a, d)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		var mu sync.Mutex
		refused := 0
		var all sync.WaitGroup
		for range 300 {
			all.Go(func() {
				_, err := far.Forward(ctx, "psu.1 *", parley.Text("hang"))
				if err == nil {
					t.Error("an answer to what hangs")
				} else if strings.Contains(err.Error(), "wait for the device already") {
					mu.Lock()
					refused++
					mu.Unlock()
				}
			})
		}
		all.Wait()
		if refused != 300-256 {
			t.Errorf("%d were refused, want 44", refused)
		}
		synctest.Wait()
		if n := len(d.tokens); n > 256 {
			t.Errorf("%d reached the device", n)
		}
	})
}

// Nothing that another node may send takes an owner, or one that asks it, down.
func FuzzForward(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 9})
	f.Add([]byte{1, 0, 0, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0})
	f.Fuzz(func(t *testing.T, p []byte) {
		m := new(bus.Memory)
		b, other := m.Connect(), m.Connect()
		defer b.Close()
		defer other.Close()
		n, err := cluster.Start(t.Context(), b, cluster.Options{Name: "a"})
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close(context.Background())
		o, err := n.Own("d", cluster.OwnerOptions{Do: func(context.Context, uint64, parley.Message) ([]parley.Message, error) { return nil, nil }})
		if err != nil {
			t.Fatal(err)
		}
		defer o.Close(context.Background())
		for _, ok := o.Holds(); !ok; _, ok = o.Holds() {
			time.Sleep(100 * time.Microsecond)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		other.Request(ctx, "parley.v1.default.own.d.req", p)
		other.Publish(ctx, "parley.v1.default.node.a.req", p)
		s, err := other.Subscribe("parley.v1.default.own.e.req", bus.SubscribeOptions{}, func(q bus.Message) { q.Respond(p) })
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		n.Forward(ctx, "e", parley.Text("x"))
	})
}

// slowBus is the way to the others of a machine that is slow.
type slowBus struct {
	bus.Bus
	slow time.Duration
}

// Bucket is slow to create what it has.
func (s slowBus) Bucket(ctx context.Context, name string, o bus.BucketOptions) (bus.Bucket, error) {
	k, err := s.Bus.Bucket(ctx, name, o)
	return slowBucket{k, s.slow}, err
}

type slowBucket struct {
	bus.Bucket
	slow time.Duration
}

func (k slowBucket) Create(ctx context.Context, key string, v []byte) (uint64, error) {
	select {
	case <-time.After(k.slow):
		return k.Bucket.Create(context.WithoutCancel(ctx), key, v)
	case <-ctx.Done():
		return 0, ctx.Err()
	}
}

// One that leaves waits until the next one has the device, as what both need may end with
// it; where nobody waits for the device it leaves at once, and at the latest after ten
// seconds.
//
// Verifies: CLUSTER-15
func TestHandedOver(t *testing.T) {
	for _, tt := range []struct {
		name  string
		slow  time.Duration // of the next one; below 0: there is none
		least time.Duration
		most  time.Duration
		taken bool
	}{
		{"a quick one", 0, 0, 500 * time.Millisecond, true},
		{"a slow one", 900 * time.Millisecond, 900 * time.Millisecond, 4 * time.Second, true},
		{"one that can't", time.Hour, 10 * time.Second, 11 * time.Second, false},
		{"nobody", -1, 0, 100 * time.Millisecond, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				m, d := new(bus.Memory), new(instrument)
				first := own(t, start(t, connect(t, m), "a"), d)
				var second *cluster.Owner
				if tt.slow >= 0 {
					second = own(t, start(t, slowBus{connect(t, m), tt.slow}, "b"), d)
				}
				begun := time.Now()
				err := first.Close(t.Context())
				if took := time.Since(begun); took < tt.least || took > tt.most {
					t.Errorf("it has left after %v", took)
				}
				if failed := tt.slow == time.Hour; (err != nil) != failed {
					t.Error(err)
				}
				if second == nil {
					return
				}
				if _, holds := second.Holds(); holds != tt.taken {
					t.Errorf("the next one has it: %v", holds)
				}
			})
		})
	}
}
