package natsbus_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/parley-net/parley/bus"
	"github.com/parley-net/parley/bus/natsbus"
)

// maxUnacked is how many entries of a log may be under way.
const maxUnacked = 1024

// silent makes the stream of a log that acknowledges nothing and takes no batches.
func silent(t *testing.T, js jetstream.JetStream, log string) {
	t.Helper()
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: "LOG_" + log, Subjects: []string{"parley.log." + log + ".>"}, NoAck: true,
	}); err != nil {
		t.Fatal(err)
	}
}

// Trap 6: PublishAsync fails when more than 4,000 are outstanding, which several logs of a bus
// have together. Here nothing is acknowledged: all go out nevertheless, and each is told
// once, in order, that nobody has acknowledged it, or that the bus has ended.
//
// Verifies: CLUSTER-08
func TestNothingIsAcknowledged(t *testing.T) {
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
	b := connect(t, natsbus.Options{URL: e.url()})
	const logs = 12
	var taken, told [logs]atomic.Int64
	var all [logs]bus.Log
	for i := range all {
		name := fmt.Sprint("x", i)
		silent(t, js, name)
		if all[i], err = b.Log(t.Context(), name, bus.LogOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	for i, l := range all {
		go func() {
			for n := int64(0); n < 10*maxUnacked; n++ {
				taken[i].Add(1)
				if l.Append(t.Context(), "s", "", nil, func(_ uint64, err error) {
					if told[i].Add(1) != n+1 || !errors.Is(err, bus.ErrClosed) && !errors.Is(err, bus.ErrNoBus) {
						t.Errorf("log %d, entry %d: %v", i, n, err)
					}
				}) != nil {
					taken[i].Add(-1)
					return
				}
			}
		}()
	}
	// What has gathered behind the first ones, which are given up after 10 s, goes at once.
	out := int64(0)
	for end := time.Now().Add(2 * patience); out <= 5000 && !t.Failed() && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		out = 0
		for i := range logs {
			out -= told[i].Load()
			if s, err := js.Stream(t.Context(), fmt.Sprint("LOG_x", i)); err == nil {
				out += int64(s.CachedInfo().State.Msgs)
			}
		}
	}
	b.Close()
	if out <= 5000 {
		t.Errorf("%d entries of %d logs are out", out, logs)
	}
	for i := range logs {
		for end := time.Now().Add(patience); told[i].Load() < taken[i].Load() && time.Now().Before(end); time.Sleep(time.Millisecond) {
		}
		if n, done := taken[i].Load(), told[i].Load(); n != done {
			t.Errorf("log %d: %d of %d told", i, done, n)
		}
	}
}

// What waits for a slow disk is bounded: an Append behind that ends with its context, and is
// not appended later.
//
// Verifies: CLUSTER-08
func TestAppendWaits(t *testing.T) {
	e := startExternal(t, "-js", "-sd", t.TempDir())
	l, err := connect(t, natsbus.Options{URL: e.url()}).Log(t.Context(), "x", bus.LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	release, told := make(chan struct{}), make(chan struct{}, 10*maxUnacked)
	taken := 0
	for ; taken < 10*maxUnacked && err == nil; taken++ {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		err = l.Append(ctx, "s", "", nil, func(uint64, error) { <-release; told <- struct{}{} })
		cancel()
	}
	if taken--; !errors.Is(err, context.DeadlineExceeded) || taken > maxUnacked {
		t.Errorf("%d entries are under way: %v", taken, err)
	}
	close(release)
	for range taken {
		<-told
	}
	if err := l.Append(t.Context(), "s", "", nil, func(uint64, error) { told <- struct{}{} }); err != nil {
		t.Fatal(err)
	}
	<-told
	n := 0
	if err := l.Read(t.Context(), 0, func(bus.LogEntry) error { n++; return nil }); err != nil || n != taken+1 {
		t.Errorf("%d of %d are there, %v", n, taken+1, err)
	}
}
