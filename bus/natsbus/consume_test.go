package natsbus_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parley-net/parley/bus"
	"github.com/parley-net/parley/bus/natsbus"
)

// Trap 7: a subscriber that is slow loses what the contract says, and is counted; the log
// has a line of it in 10 s. One subscription serves a room, however many are in it.
//
// Verifies: CLUSTER-09
func TestSlowSubscriber(t *testing.T) {
	e := startExternal(t, "-js", "-sd", t.TempDir())
	var lines logged
	b := connect(t, natsbus.Options{URL: e.url(), Logger: slog.New(slog.NewTextHandler(&lines, nil))})
	release, got := make(chan struct{}), make(chan struct{}, 1<<20)
	s, err := b.Subscribe("x", bus.SubscribeOptions{Messages: 10}, func(bus.Message) { <-release; got <- struct{}{} })
	if err != nil {
		t.Fatal(err)
	}
	const n = 100_000
	for range n {
		if err := b.Publish(t.Context(), "x", []byte("0123456789")); err != nil {
			t.Fatal(err)
		}
	}
	for end := time.Now().Add(patience); s.Dropped() < n-11 && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	close(release)
	for range 10 {
		<-got
	}
	if d := s.Dropped(); d < n-11 || d > n-10 {
		t.Errorf("%d of %d dropped, with room for 10", d, n)
	}
	// One in 10 s: a busy machine may take longer than that, but not for many of them.
	if told := lines.lines("a subscription is slow"); told < 1 || told > 4 || lines.lines("") != told {
		t.Errorf("the log has %d lines of it, of %d", told, lines.lines(""))
	}
}

// logged is what a log has.
type logged struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logged) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

// lines counts the lines that say so.
func (l *logged) lines(so string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range strings.Lines(l.text.String()) {
		if strings.Contains(line, so) {
			n++
		}
	}
	return n
}

// Entries that were given to a consumer and have not come to it, as when they are on their
// way while a fetch ends, are not shown behind others: all come, in order, and soon.
//
// Verifies: CLUSTER-31
func TestConsumeStaysInOrder(t *testing.T) {
	e := startExternal(t, "-js", "-sd", t.TempDir())
	l, err := connect(t, natsbus.Options{URL: e.url()}).Log(t.Context(), "x", bus.LogOptions{Queue: true})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	seen := make(chan uint64, 10_000)
	go l.Consume(ctx, "store", func(all []bus.LogEntry) int {
		for _, e := range all {
			seen <- e.Seq
		}
		return len(all)
	})
	nc, err := nats.Connect(e.url())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	appended, stolen := uint64(0), 0
	for end := time.Now().Add(30 * time.Second); stolen < 3; {
		if time.Now().After(end) {
			t.Fatalf("only %d of %d entries were taken away", stolen, appended)
		}
		done := make(chan error, 1)
		if err := l.Append(t.Context(), "s", "", nil, func(_ uint64, err error) { done <- err }); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		appended++
		thief, err := js.Consumer(t.Context(), "LOG_x", "store")
		if err != nil {
			continue // it is made anew
		}
		batch, err := thief.Fetch(1, jetstream.FetchMaxWait(5*time.Millisecond))
		if err != nil {
			continue
		}
		for range batch.Messages() {
			stolen++ // and never acknowledged
		}
	}
	begun := time.Now()
	for want := uint64(1); want <= appended; {
		select {
		case seq := <-seen:
			if seq > want {
				t.Fatalf("entry %d is shown, %d was not", seq, want)
			}
			want = max(want, seq+1) // an entry may come twice
		case <-time.After(40 * time.Second):
			t.Fatalf("entry %d of %d does not come", want, appended)
		}
	}
	t.Logf("%d entries, %d of them taken away: all have come after %v", appended, stolen, time.Since(begun).Round(time.Millisecond))
}

// A consumer that has gone, as when the bus goes while it is made anew, is made again behind
// what was taken, also where the log keeps what was taken.
//
// Verifies: CLUSTER-31
func TestConsumerThatHasGone(t *testing.T) {
	for _, queue := range []bool{false, true} {
		e := startExternal(t, "-js", "-sd", t.TempDir())
		l, err := connect(t, natsbus.Options{URL: e.url()}).Log(t.Context(), "x", bus.LogOptions{Queue: queue})
		if err != nil {
			t.Fatal(err)
		}
		nc, err := nats.Connect(e.url())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		js, err := jetstream.New(nc)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		seen := make(chan uint64, 100)
		go l.Consume(ctx, "store", func(all []bus.LogEntry) int {
			for _, e := range all {
				seen <- e.Seq
			}
			return len(all)
		})
		for want := uint64(1); want <= 5; want++ {
			done := make(chan error, 1)
			if err := l.Append(t.Context(), "s", "", nil, func(_ uint64, err error) { done <- err }); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			select {
			case seq := <-seen:
				if seq != want {
					t.Fatalf("queue %v: entry %d is shown, and not %d: who had taken all up to there sees it again", queue, seq, want)
				}
			case <-time.After(patience):
				t.Fatalf("queue %v: entry %d does not come", queue, want)
			}
			for end := time.Now().Add(patience); ; { // its acknowledgement is under way
				c, err := js.Consumer(t.Context(), "LOG_x", "store")
				if err == nil && c.CachedInfo().AckFloor.Stream == want {
					break
				}
				if time.Now().After(end) {
					t.Fatalf("entry %d is not acknowledged: %v", want, err)
				}
			}
			if err := js.DeleteConsumer(t.Context(), "LOG_x", "store"); err != nil {
				t.Fatal(err)
			}
		}
	}
}
