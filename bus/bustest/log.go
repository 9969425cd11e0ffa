// Package bustest holds an implementation of package bus to its contract.
package bustest

// What is kept in order, and large objects.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/bus"
)

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
			ended <- l.Consume(ctx, "store", func(all []bus.LogEntry) int {
				for i, e := range all {
					name := string(e.Data)
					if e.Again {
						name += "!"
					}
					got <- name
					if string(e.Data) == until {
						cancel()
						return i // and those behind it come again too
					}
				}
				return len(all)
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
	// b was not acknowledged, so it comes again, and who keeps it is told; a was. What was shown
	// behind b, if anything was, is told as well.
	if s := strings.Join(all, ""); s != "abb!cd" && s != "abb!c!d" {
		t.Errorf("consumed %q, want abb!cd", s)
	}
}

// queued: what was consumed has left the log, and makes room.
func queued(t *testing.T, connect func() bus.Bus) {
	name := strings.Repeat("ä. *>", 60) // any name will do
	l, err := connect().Log(ctxOf(t), name, bus.LogOptions{Queue: true, MaxBytes: 64 << 10})
	ok(t, err)
	ctx, cancel := context.WithCancel(ctxOf(t))
	defer cancel()
	got := make(chan string, 1000)
	ended := make(chan error, 1)
	go func() {
		ended <- l.Consume(ctx, "store", func(all []bus.LogEntry) int {
			for _, e := range all {
				got <- e.ID
			}
			return len(all)
		})
	}()
	for i := range 200 { // 200 KiB through a log of 64
		appended := make(chan error, 1)
		add := func() error {
			ok(t, l.Append(ctxOf(t), "x", fmt.Sprint(i), make([]byte, 1<<10), func(_ uint64, err error) { appended <- err }))
			return next(t, appended)
		}
		err := add()
		for ; errors.Is(err, bus.ErrFull); time.Sleep(10 * time.Millisecond) { // what was consumed is still on its way out
			err = add()
		}
		ok(t, err)
		if id := next(t, got); id != fmt.Sprint(i) {
			t.Fatalf("entry %d came as %s", i, id)
		}
	}
	cancel()
	is(t, next(t, ended), context.Canceled)
	again, err := connect().Log(ctxOf(t), name, bus.LogOptions{Queue: true})
	ok(t, err)
	n := 0
	ok(t, again.Read(ctxOf(t), 0, func(bus.LogEntry) error { n++; return nil }))
	if n > 0 {
		t.Errorf("%d entries are in the log that were consumed", n)
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
