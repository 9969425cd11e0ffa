// Package bustest holds an implementation of package bus to its contract.
package bustest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/parley-net/parley/bus"
)

// wait bounds what should happen soon.
const wait = 30 * time.Second

// Run holds the buses that connect returns, all connected to the same place which is
// empty at the beginning of each test, to the contract. ttl is an age of a bucket that the implementation
// can keep and that a test can wait for.
func Run(t *testing.T, ttl time.Duration, place func(t *testing.T) (connect func() bus.Bus)) {
	for _, test := range []struct {
		name string
		run  func(*testing.T, func() bus.Bus)
	}{
		{"publish", publish}, {"wildcards", wildcards}, {"slow subscriber", slow}, {"latest", latest},
		{"closed subscription", closedSubscription}, {"drained subscription", drained}, {"sizes", sizes}, {"bad subjects", badSubjects},
		{"request", request}, {"no responder", noResponder}, {"request is abandoned", abandoned},
		{"bucket", bucket}, {"bucket: one of many creates", creates}, {"bucket: watch", watch},
		{"bucket: age", func(t *testing.T, c func() bus.Bus) { age(t, c, ttl) }},
		{"lease", lease},
		{"log", logged}, {"log: a consumer goes on", consumer}, {"log: full", full}, {"log: a queue", queued},
		{"objects", objects}, {"close", closed},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, place(t)) })
	}
}

func ctxOf(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), wait)
	t.Cleanup(cancel)
	return ctx
}

// ok ends the test at an error.
func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// is ends the test if err is not want.
func is(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("got %v, want %v", err, want)
	}
}

// next returns what comes.
func next[T any](t *testing.T, from <-chan T) T {
	t.Helper()
	select {
	case v := <-from:
		return v
	case <-time.After(wait):
		t.Fatal("nothing came")
		panic("unreachable")
	}
}

// subscribe returns a channel of what arrives, as "subject data".
func subscribe(t *testing.T, b bus.Bus, subject string, o bus.SubscribeOptions) (<-chan string, bus.Subscription) {
	t.Helper()
	got := make(chan string, 10000)
	s, err := b.Subscribe(subject, o, func(m bus.Message) { got <- m.Subject + " " + string(m.Data) })
	ok(t, err)
	t.Cleanup(func() { s.Close() })
	return got, s
}

// settle publishes until others hear it: where subscriptions travel, they need a
// moment.
func settle(t *testing.T, from, to bus.Bus) {
	t.Helper()
	heard, s := subscribe(t, to, "settle", bus.SubscribeOptions{})
	defer s.Close()
	for range 1000 {
		ok(t, from.Publish(ctxOf(t), "settle", nil))
		select {
		case <-heard:
			return
		case <-time.After(20 * time.Millisecond):
		}
	}
	t.Fatal("the buses do not hear each other")
}

func closed(t *testing.T, connect func() bus.Bus) {
	a, b := connect(), connect()
	got, _ := subscribe(t, b, "x", bus.SubscribeOptions{})
	mine, _ := subscribe(t, a, "x", bus.SubscribeOptions{})
	settle(t, a, b)
	if st := a.Status(); !st.Up {
		t.Fatalf("status %+v", st)
	}
	changed := a.Status().Changed
	ok(t, a.Publish(ctxOf(t), "x", []byte("last")))
	next(t, mine)
	ok(t, a.Close())
	ok(t, a.Close())
	next(t, changed)
	if st := a.Status(); st.Up || !errors.Is(st.Err, bus.ErrClosed) {
		t.Errorf("status %+v", st)
	}
	if g := next(t, got); g != "x last" {
		t.Errorf("got %q", g) // what was published before has left
	}
	is(t, a.Publish(ctxOf(t), "x", nil), bus.ErrClosed)
	_, err := a.Request(ctxOf(t), "x", nil)
	is(t, err, bus.ErrClosed)
	ok(t, b.Publish(ctxOf(t), "x", nil))
	next(t, got)
	if len(mine) > 0 {
		t.Error("a closed bus hears")
	}
}
