package queue_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/bus/queue"
)

// What is dropped is told where it is missing, by number and by bytes.
func TestDropped(t *testing.T) {
	for _, c := range []struct {
		messages int
		bytes    int64
		latest   bool
		want     []string
	}{
		{3, 1000, false, []string{"a0", "a1", "a2", "a3", "-3", "z"}},
		{3, 1000, true, []string{"a0", "-3", "a4", "a5", "a6", "z"}},
		{100, 6, false, []string{"a0", "a1", "a2", "a3", "-3", "z"}},
		{100, 6, true, []string{"a0", "-3", "a4", "a5", "a6", "z"}},
		{100, 1, true, []string{"a0", "-5", "a6", "z"}}, // one may always wait
	} {
		synctest.Test(t, func(t *testing.T) {
			var got []string
			q := queue.New(queue.Options[string]{Messages: c.messages, Bytes: c.bytes, Latest: c.latest,
				Size:   func(s string) int { return len(s) },
				Serve:  func(s string) { got = append(got, s); time.Sleep(time.Second) },
				Missed: func(n uint64) { got = append(got, fmt.Sprint(-int64(n))) }})
			defer q.Close()
			for i := range 7 {
				q.Put(fmt.Sprint("a", i))
				synctest.Wait()
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			q.Put("z")
			time.Sleep(time.Minute)
			synctest.Wait()
			if !slices.Equal(got, c.want) {
				t.Errorf("%+v: got %v", c, got)
			}
		})
	}
}

func TestEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []int
		o := queue.Options[int]{Messages: 10, Bytes: 10, Size: func(int) int { return 0 }, Serve: func(i int) { got = append(got, i); time.Sleep(time.Second) }}
		q := queue.New(o)
		for i := range 3 {
			q.Put(i)
		}
		q.Drain()
		q.Put(9)
		time.Sleep(time.Minute)
		synctest.Wait()
		if !slices.Equal(got, []int{0, 1, 2}) {
			t.Errorf("drained %v", got)
		}
		got = nil
		q = queue.New(o)
		q.Put(0)
		q.Put(1)
		synctest.Wait()
		q.Close()
		time.Sleep(time.Minute)
		synctest.Wait()
		if !slices.Equal(got, []int{0}) {
			t.Errorf("closed %v", got)
		}
	})
}

// What Ready waits for is not out of the queue yet: the newest values are served behind it,
// and one that stands for several counts as many when it is dropped.
//
// Verifies: ROOM-04, ROOM-05
func TestReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ready := make(chan struct{})
		var got []string
		q := queue.New(queue.Options[int]{Messages: 2, Bytes: 100, Latest: true,
			Size:   func(int) int { return 1 },
			Count:  func(v int) uint64 { return uint64(v) },
			Ready:  func() { <-ready },
			Serve:  func(v int) { got = append(got, fmt.Sprint(v)) },
			Missed: func(n uint64) { got = append(got, fmt.Sprint("-", n)) },
		})
		for v := range 5 {
			q.Put(v + 1)
			synctest.Wait()
		}
		close(ready)
		synctest.Wait()
		if want := []string{"-6", "4", "5"}; !slices.Equal(got, want) {
			t.Errorf("%q, want %q", got, want)
		}
		q.Close()
	})
}

func TestTogether(t *testing.T) {
	sizes := []int{3, 4, 5, 100, 1}
	for _, c := range []struct{ from, most, bytes, count, total int }{
		{0, 9, 12, 3, 12}, {0, 9, 11, 2, 7}, {0, 1, 12, 1, 3}, {3, 9, 12, 1, 100}, {4, 9, 0, 1, 1}, {5, 9, 12, 0, 0},
	} {
		waiting := sizes[c.from:]
		count, total := queue.Together(len(waiting), func(i int) int { return waiting[i] }, c.most, c.bytes)
		if count != c.count || total != c.total {
			t.Errorf("%v, at most %d and %d bytes: %d of %d bytes, want %d of %d", waiting, c.most, c.bytes, count, total, c.count, c.total)
		}
	}
}
