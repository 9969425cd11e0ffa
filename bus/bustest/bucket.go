// Package bustest holds an implementation of package bus to its contract.
package bustest

// Values under keys: buckets, those who watch them, and leases.

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-net/parley/bus"
)

// open opens a bucket on two buses.
func open(t *testing.T, connect func() bus.Bus, o bus.BucketOptions) (a, b bus.Bucket) {
	t.Helper()
	a, err := connect().Bucket(ctxOf(t), "test", o)
	ok(t, err)
	b, err = connect().Bucket(ctxOf(t), "test", o)
	ok(t, err)
	return a, b
}

func bucket(t *testing.T, connect func() bus.Bus) {
	a, b := open(t, connect, bus.BucketOptions{})
	ctx := ctxOf(t)
	_, err := a.Get(ctx, "k")
	is(t, err, bus.ErrNotFound)
	first, err := a.Create(ctx, "k", []byte("1"))
	ok(t, err)
	_, err = b.Create(ctx, "k", []byte("2"))
	is(t, err, bus.ErrConflict)
	second, err := b.Update(ctx, "k", []byte("3"), first)
	ok(t, err)
	_, err = a.Update(ctx, "k", []byte("4"), first)
	is(t, err, bus.ErrConflict)
	is(t, a.Delete(ctx, "k", first), bus.ErrConflict)
	if e, err := a.Get(ctx, "k"); err != nil || string(e.Value) != "3" || e.Revision != second || second <= first {
		t.Fatalf("got %+v, %v, revisions %d and %d", e, err, first, second)
	}
	ok(t, a.Delete(ctx, "k", second))
	_, err = b.Get(ctx, "k")
	is(t, err, bus.ErrNotFound)
	ok(t, b.Delete(ctx, "k", 0))
	third, err := b.Create(ctx, "k", nil)
	ok(t, err)
	if third <= second {
		t.Errorf("revision %d behind %d", third, second)
	}
	for _, k := range []string{"z", "a.b", "m"} {
		_, err := a.Put(ctx, k, []byte(k))
		ok(t, err)
	}
	all, err := b.List(ctx)
	ok(t, err)
	var keys []string
	for _, e := range all {
		keys = append(keys, e.Key)
	}
	if want := []string{"a.b", "k", "m", "z"}; !slices.Equal(keys, want) {
		t.Errorf("List has %v, want %v", keys, want)
	}
	_, err = a.Put(ctx, "bad key", nil)
	is(t, err, bus.ErrBadSubject)
}

func creates(t *testing.T, connect func() bus.Bus) {
	a, b := open(t, connect, bus.BucketOptions{})
	var mu sync.Mutex
	var won int
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			from := a
			if i%2 == 0 {
				from = b
			}
			_, err := from.Create(ctxOf(t), "k", fmt.Append(nil, i))
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			} else if !errors.Is(err, bus.ErrConflict) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if won != 1 {
		t.Errorf("%d have created it", won)
	}
}

// watching returns a channel of what a watch tells, as "op key value".
func watching(t *testing.T, b bus.Bucket) <-chan string {
	t.Helper()
	got := make(chan string, 1000)
	ok(t, b.Watch(t.Context(), func(e bus.Entry) {
		got <- strings.TrimRight(fmt.Sprintf("%v %s %s", e.Op, e.Key, e.Value), " ")
	}))
	return got
}

func watch(t *testing.T, connect func() bus.Bus) {
	a, b := open(t, connect, bus.BucketOptions{})
	ctx := ctxOf(t)
	_, err := a.Put(ctx, "k", []byte("1"))
	ok(t, err)
	got := watching(t, b)
	rev, err := a.Put(ctx, "k", []byte("2"))
	ok(t, err)
	ok(t, a.Delete(ctx, "k", rev))
	// What is changed again at once need not have been seen in between.
	var told []string
	for len(told) == 0 || told[len(told)-1] != "gone k" {
		told = append(told, next(t, got))
	}
	told = slices.DeleteFunc(told, func(s string) bool { return s == "current" })
	for _, want := range [][]string{{"put k 1", "put k 2", "gone k"}, {"put k 2", "gone k"}, {"put k 1", "gone k"}, {"gone k"}} {
		if slices.Equal(told, want) {
			return
		}
	}
	t.Errorf("told %q", told)
}

func age(t *testing.T, connect func() bus.Bus, ttl time.Duration) {
	a, b := open(t, connect, bus.BucketOptions{TTL: ttl})
	ctx := ctxOf(t)
	rev, err := a.Create(ctx, "kept", []byte("1"))
	ok(t, err)
	_, err = a.Create(ctx, "left", []byte("1"))
	ok(t, err)
	got := watching(t, b)
	gone := false
	renewed, late := time.Now(), false // a busy machine may renew it too late
	for begun := time.Now(); time.Since(begun) < 3*ttl; {
		select {
		case s := <-got:
			if s == "gone kept" && !late && time.Since(renewed) < ttl/2 {
				t.Fatal("a value that is renewed has aged")
			}
			gone = gone || s == "gone left"
		case <-time.After(ttl / 4):
			now := time.Now()
			late = late || now.Sub(renewed) > ttl/2
			next, err := a.Update(ctx, "kept", []byte("1"), rev)
			if errors.Is(err, bus.ErrConflict) && late {
				next, err = a.Create(ctx, "kept", []byte("1"))
			}
			ok(t, err)
			rev, renewed = next, now
		}
	}
	if !gone {
		t.Errorf("the watcher was not told of the end of a value that is %v old", 3*ttl)
	}
	_, err = b.Get(ctx, "left")
	is(t, err, bus.ErrNotFound)
	_, err = b.Create(ctx, "left", nil)
	ok(t, err)
}

func lease(t *testing.T, connect func() bus.Bus) {
	a, b := open(t, connect, bus.BucketOptions{TTL: bus.LeaseTTL})
	ctx := ctxOf(t)
	first, err := bus.Acquire(ctx, a, "psu1", "node a")
	ok(t, err)
	if who, _, err := bus.Holder(ctx, b, "psu1"); err != nil || who != "node a" || !first.Valid() {
		t.Fatalf("held by %q, %v, valid %v", who, err, first.Valid())
	}
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	_, err = bus.Acquire(short, b, "psu1", "node b")
	is(t, err, context.DeadlineExceeded)
	got := make(chan *bus.Lease, 1)
	go func() {
		l, err := bus.Acquire(ctx, b, "psu1", "node b")
		if err != nil {
			t.Error(err)
		}
		got <- l
	}()
	time.Sleep(10 * time.Millisecond) // the second one should be waiting; it is as good if not
	begun := time.Now()
	ok(t, first.Release(ctx))
	second := next(t, got)
	if d := time.Since(begun); d > bus.LeaseTTL/2 { // behind LeaseTTL it would have expired
		t.Errorf("handed over after %v", d)
	}
	if first.Valid() || !second.Valid() || second.Token() <= first.Token() {
		t.Errorf("valid %v and %v, tokens %d and %d", first.Valid(), second.Valid(), first.Token(), second.Token())
	}
	next(t, first.Lost())
	ok(t, second.Release(ctx))
	ok(t, second.Release(ctx)) // again is no error
}
