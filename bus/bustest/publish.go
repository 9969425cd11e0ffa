// Package bustest holds an implementation of package bus to its contract.
package bustest

// Subjects: who gets what is published, and requests.

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/parley-net/parley/bus"
)

func publish(t *testing.T, connect func() bus.Bus) {
	a, b := connect(), connect()
	first, _ := subscribe(t, a, "room.x", bus.SubscribeOptions{})
	second, _ := subscribe(t, b, "room.x", bus.SubscribeOptions{})
	other, _ := subscribe(t, b, "room.y", bus.SubscribeOptions{})
	settle(t, a, b)
	data := []byte("0")
	for i := range 100 {
		data = append(data[:0], fmt.Sprint(i)...) // it is not kept
		ok(t, a.Publish(ctxOf(t), "room.x", data))
	}
	for i := range 100 {
		want := fmt.Sprintf("room.x %d", i)
		if g, h := next(t, first), next(t, second); g != want || h != want {
			t.Fatalf("got %q and %q, want %q", g, h, want)
		}
	}
	if len(other) > 0 {
		t.Errorf("another subject's subscriber got %q", <-other)
	}
}

func wildcards(t *testing.T, connect func() bus.Bus) {
	a, b := connect(), connect()
	one, _ := subscribe(t, b, "room.*.m", bus.SubscribeOptions{})
	rest, _ := subscribe(t, b, "room.>", bus.SubscribeOptions{})
	settle(t, a, b)
	for _, s := range []string{"room.a.m", "room.b.c", "room", "other.a.m", "room.a.b.m"} {
		ok(t, a.Publish(ctxOf(t), s, nil))
	}
	for _, want := range []string{"room.a.m ", "room.b.c ", "room.a.b.m "} {
		if got := next(t, rest); got != want {
			t.Errorf("room.> got %q, want %q", got, want)
		}
	}
	if got := next(t, one); got != "room.a.m " || len(one) > 0 {
		t.Errorf("room.*.m got %q and %d more", got, len(one))
	}
}

// slowly subscribes with room for three, and holds the first message until release.
func slowly(t *testing.T, connect func() bus.Bus, latest bool) (got []string, dropped uint64) {
	a, b := connect(), connect()
	begun, release := make(chan struct{}), make(chan struct{})
	var mu sync.Mutex
	var once sync.Once
	end := make(chan struct{})
	s, err := b.Subscribe("x", bus.SubscribeOptions{Messages: 3, Latest: latest}, func(m bus.Message) {
		once.Do(func() { close(begun); <-release })
		mu.Lock()
		defer mu.Unlock()
		if got = append(got, string(m.Data)); len(got) == 4 {
			close(end)
		}
	})
	ok(t, err)
	settle(t, a, b)
	ok(t, a.Publish(ctxOf(t), "x", []byte("0")))
	next(t, begun)
	for i := 1; i <= 9; i++ {
		ok(t, a.Publish(ctxOf(t), "x", fmt.Append(nil, i)))
	}
	for until := time.Now().Add(wait); s.Dropped() < 6 && time.Now().Before(until); time.Sleep(time.Millisecond) {
	}
	close(release)
	next(t, end)
	return got, s.Dropped()
}

func slow(t *testing.T, connect func() bus.Bus) {
	if got, n := slowly(t, connect, false); !slices.Equal(got, []string{"0", "1", "2", "3"}) || n != 6 {
		t.Errorf("got %v and %d dropped, want the oldest and 6", got, n)
	}
}

func latest(t *testing.T, connect func() bus.Bus) {
	if got, n := slowly(t, connect, true); !slices.Equal(got, []string{"0", "7", "8", "9"}) || n != 6 {
		t.Errorf("got %v and %d dropped, want the newest and 6", got, n)
	}
}

func closedSubscription(t *testing.T, connect func() bus.Bus) {
	a, b := connect(), connect()
	got, s := subscribe(t, b, "x", bus.SubscribeOptions{})
	kept, _ := subscribe(t, b, "x", bus.SubscribeOptions{})
	settle(t, a, b)
	ok(t, s.Close())
	ok(t, a.Publish(ctxOf(t), "x", nil))
	next(t, kept)
	if len(got) > 0 {
		t.Error("a message after Close")
	}
}

// drained: what has come is still shown, what comes later is not.
func drained(t *testing.T, connect func() bus.Bus) {
	a, b := connect(), connect()
	gate, got := make(chan struct{}), make(chan string, 100)
	s, err := b.Subscribe("x", bus.SubscribeOptions{}, func(m bus.Message) {
		<-gate
		got <- string(m.Data)
	})
	ok(t, err)
	kept, _ := subscribe(t, b, "x", bus.SubscribeOptions{}) // behind the first one
	settle(t, a, b)
	for _, text := range []string{"1", "2", "3"} {
		ok(t, a.Publish(ctxOf(t), "x", []byte(text)))
		next(t, kept)
	}
	ok(t, s.Drain())
	ok(t, a.Publish(ctxOf(t), "x", []byte("4")))
	next(t, kept)
	close(gate)
	for _, want := range []string{"1", "2", "3"} {
		if text := next(t, got); text != want {
			t.Errorf("got %s, want %s", text, want)
		}
	}
	ok(t, s.Close())
	if len(got) > 0 {
		t.Errorf("got %s, which came after Drain", next(t, got))
	}
}

func sizes(t *testing.T, connect func() bus.Bus) {
	a, b := connect(), connect()
	got, _ := subscribe(t, b, "x", bus.SubscribeOptions{})
	settle(t, a, b)
	for _, n := range []int{0, 1, min(1<<20, a.MaxPayload()), a.MaxPayload()} {
		data := bytes.Repeat([]byte{byte('a' + n%7)}, n)
		ok(t, a.Publish(ctxOf(t), "x", data))
		if g := next(t, got); g != "x "+string(data) {
			t.Errorf("%d bytes: got %d", n, len(g)-2)
		}
	}
	is(t, a.Publish(ctxOf(t), "x", make([]byte, a.MaxPayload()+1)), bus.ErrTooLarge)
}

func badSubjects(t *testing.T, connect func() bus.Bus) {
	b := connect()
	for _, s := range []string{"", ".", "a.", ".a", "a..b", "a b", "a\n", "a.*", "a.>", "*"} {
		is(t, b.Publish(ctxOf(t), s, nil), bus.ErrBadSubject)
	}
	for _, s := range []string{"", "a.>.b", "a*", "a b"} {
		_, err := b.Subscribe(s, bus.SubscribeOptions{}, func(bus.Message) {})
		is(t, err, bus.ErrBadSubject)
	}
}

func request(t *testing.T, connect func() bus.Bus) {
	a, b := connect(), connect()
	s, err := b.Subscribe("double", bus.SubscribeOptions{}, func(m bus.Message) {
		if m.Respond == nil {
			t.Error("a request without Respond")
			return
		}
		m.Respond(append(m.Data[:len(m.Data):len(m.Data)], m.Data...))
		m.Respond([]byte("a second answer"))
	})
	ok(t, err)
	defer s.Close()
	settle(t, a, b)
	var all sync.WaitGroup
	for i := range 50 {
		all.Go(func() {
			got, err := a.Request(ctxOf(t), "double", fmt.Append(nil, i))
			if want := fmt.Sprintf("%d%d", i, i); err != nil || string(got) != want {
				t.Errorf("got %q, %v, want %q", got, err, want)
			}
		})
	}
	all.Wait()
}

func noResponder(t *testing.T, connect func() bus.Bus) {
	_, err := connect().Request(ctxOf(t), "nobody", nil)
	is(t, err, bus.ErrNoResponder)
}

func abandoned(t *testing.T, connect func() bus.Bus) {
	a, b := connect(), connect()
	asked := make(chan bus.Message, 1)
	s, err := b.Subscribe("late", bus.SubscribeOptions{}, func(m bus.Message) { asked <- m })
	ok(t, err)
	defer s.Close()
	settle(t, a, b)
	ctx, cancel := context.WithCancel(ctxOf(t))
	failed := make(chan error, 1)
	go func() {
		_, err := a.Request(ctx, "late", nil)
		failed <- err
	}()
	m := next(t, asked)
	cancel()
	is(t, next(t, failed), context.Canceled)
	m.Respond(nil) // harms nobody
}
