// Package bustest holds an implementation of package bus to its contract.
package bustest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
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
		{"closed subscription", closedSubscription}, {"sizes", sizes}, {"bad subjects", badSubjects},
		{"request", request}, {"no responder", noResponder}, {"request is abandoned", abandoned},
		{"bucket", bucket}, {"bucket: one of many creates", creates}, {"bucket: watch", watch},
		{"bucket: age", func(t *testing.T, c func() bus.Bus) { age(t, c, ttl) }},
		{"lease", lease},
		{"log", logged}, {"log: a consumer goes on", consumer}, {"log: full", full},
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
	for begun := time.Now(); time.Since(begun) < 3*ttl; {
		select {
		case s := <-got:
			if s == "gone kept" {
				t.Fatal("a value that is renewed has aged")
			}
			gone = gone || s == "gone left"
		case <-time.After(ttl / 4):
			rev, err = a.Update(ctx, "kept", []byte("1"), rev)
			ok(t, err)
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
	if d := time.Since(begun); d > time.Second {
		t.Errorf("handed over after %v", d)
	}
	if first.Valid() || !second.Valid() || second.Token() <= first.Token() {
		t.Errorf("valid %v and %v, tokens %d and %d", first.Valid(), second.Valid(), first.Token(), second.Token())
	}
	next(t, first.Lost())
	ok(t, second.Release(ctx))
	ok(t, second.Release(ctx)) // again is no error
}

// appendAll appends texts and waits until all are kept.
func appendAll(t *testing.T, l bus.Log, texts ...string) {
	t.Helper()
	acked := make(chan error, len(texts))
	for _, s := range texts {
		ok(t, l.Append(ctxOf(t), "cap.x", "id of "+s, []byte(s), func(_ uint64, err error) { acked <- err }))
	}
	for range texts {
		ok(t, next(t, acked))
	}
}

func logged(t *testing.T, connect func() bus.Bus) {
	l, err := connect().Log(ctxOf(t), "test", bus.LogOptions{Subjects: []string{"cap.>"}})
	ok(t, err)
	appendAll(t, l, "a", "b", "c")
	appendAll(t, l, "b", "d") // the first has its id already
	var got []string
	var last uint64
	ok(t, l.Read(ctxOf(t), 0, func(e bus.LogEntry) error {
		if e.Seq <= last || e.Subject != "cap.x" || e.ID != "id of "+string(e.Data) {
			t.Errorf("entry %+v behind %d", e, last)
		}
		last = e.Seq
		got = append(got, string(e.Data))
		return nil
	}))
	if strings.Join(got, "") != "abcd" {
		t.Errorf("read %q", got)
	}
	stop := errors.New("stop")
	is(t, l.Read(ctxOf(t), last, func(e bus.LogEntry) error {
		if string(e.Data) != "d" {
			t.Errorf("from %d: %q", last, e.Data)
		}
		return stop
	}), stop)
}

func consumer(t *testing.T, connect func() bus.Bus) {
	l, err := connect().Log(ctxOf(t), "test", bus.LogOptions{Subjects: []string{"cap.>"}})
	ok(t, err)
	appendAll(t, l, "a", "b", "c")
	got := make(chan string, 100)
	consume := func(until string) {
		ctx, cancel := context.WithCancel(ctxOf(t))
		defer cancel()
		ended := make(chan error, 1)
		go func() {
			ended <- l.Consume(ctx, "store", func(e bus.LogEntry) error {
				got <- string(e.Data)
				if string(e.Data) == until {
					cancel()
					return errors.New("not kept")
				}
				return nil
			})
		}()
		is(t, next(t, ended), context.Canceled)
	}
	consume("b")
	appendAll(t, l, "d")
	consume("d")
	var all []string
	for len(got) > 0 {
		all = append(all, <-got)
	}
	// b was not acknowledged, so it comes again; a was.
	if s := strings.Join(all, ""); s != "abbcd" {
		t.Errorf("consumed %q, want abbcd", s)
	}
}

func full(t *testing.T, connect func() bus.Bus) {
	l, err := connect().Log(ctxOf(t), "test", bus.LogOptions{Subjects: []string{"cap.>"}, MaxBytes: 64 << 10})
	ok(t, err)
	for i := range 100 {
		acked := make(chan error, 1)
		ok(t, l.Append(ctxOf(t), "cap.x", fmt.Sprint(i), make([]byte, 1<<10), func(_ uint64, err error) { acked <- err }))
		if err := next(t, acked); err != nil {
			is(t, err, bus.ErrFull)
			return
		}
	}
	t.Error("100 KiB went into a log of 64 KiB")
}

func objects(t *testing.T, connect func() bus.Bus) {
	a, err := connect().Objects(ctxOf(t), "test", bus.ObjectsOptions{})
	ok(t, err)
	b, err := connect().Objects(ctxOf(t), "test", bus.ObjectsOptions{})
	ok(t, err)
	_, err = a.Get(ctxOf(t), "x")
	is(t, err, bus.ErrNotFound)
	for _, n := range []int{0, 1, 3 << 20} {
		data := bytes.Repeat([]byte("abc"), n/3+1)[:n]
		if size, err := a.Put(ctxOf(t), "x", bytes.NewReader(data)); err != nil || size != int64(n) {
			t.Fatal(size, err)
		}
		r, err := b.Get(ctxOf(t), "x")
		ok(t, err)
		got, err := io.ReadAll(r)
		ok(t, err)
		ok(t, r.Close())
		if !bytes.Equal(got, data) {
			t.Errorf("%d bytes came back as %d others", n, len(got))
		}
	}
	ok(t, b.Delete(ctxOf(t), "x"))
	ok(t, b.Delete(ctxOf(t), "x"))
	_, err = a.Get(ctxOf(t), "x")
	is(t, err, bus.ErrNotFound)
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
