package loglimit

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// book is what was logged.
type book struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *book) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *book) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func (b *book) logger() (*slog.Logger, *Handler) {
	h := New(slog.NewTextHandler(b, nil))
	return slog.New(h), h
}

// leftOut is the sum over all summaries.
func leftOut(t *testing.T, log string) (sum int) {
	t.Helper()
	for _, m := range regexp.MustCompile(`log lines left out" lines=(\d+)`).FindAllStringSubmatch(log, -1) {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	return sum
}

// Verifies: RUNTIME-75
func TestPerConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b book
		l, _ := b.logger()
		for i := range 10 {
			l.Warn("message lost", "conn", 1, "peer", "192.0.2.1:1000", "error", errors.New(fmt.Sprint("bad ", i)))
		}
		for i := range 10 {
			l.Warn("no reply", "conn", 1, "peer", "192.0.2.1:1000", "request", fmt.Sprint("wanted ", i%2))
		}
		l.Warn("message lost", "conn", 2, "peer", "192.0.2.1:1001")
		l.Warn("another kind", "conn", 1, "peer", "192.0.2.1:1000")
		with := l.With("conn", 3, "client", "192.0.2.2:1000")
		for range 5 {
			with.Warn("message lost")
		}
		ours := slog.New(New(with.Handler())) // made from one, so its bounds hold
		ours.Warn("message lost", "for", "192.0.2.3:1", "peer", "192.0.2.9:1")
		for range 300 {
			l.Warn("nobody's line")
		}
		time.Sleep(time.Second)
		synctest.Wait()
		log := b.String()
		for text, want := range map[string]int{
			"bad 0": 1, "bad 1": 1, "bad 2": 1, "bad 3": 0, "conn=2": 1, "another kind": 1, "conn=3": 4, "wanted 0": 3, "wanted 1": 3, "nobody's": 300,
			`level=WARN msg="log lines left out" lines=13 kinds="message lost: 9, no reply: 4" busiest="192.0.2.1: 11, 192.0.2.2: 2"`: 1,
		} {
			if got := strings.Count(log, text); got != want {
				t.Errorf("%q is there %d times, want %d", text, got, want)
			}
		}
		if t.Failed() {
			t.Log(log)
		}
	})
}

// In no second are there more lines than PerSecond, and none is lost to the
// count.
//
// Verifies: RUNTIME-75
func TestPerSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var times []time.Time
		var b book
		l := slog.New(New(stamped{slog.NewTextHandler(&b, nil), new(sync.Mutex), &times}))
		const lines = 4_000
		for i := range lines {
			l.Warn("connection refused", "peer", fmt.Sprintf("192.0.2.%d:%d", i%7, i))
			time.Sleep(time.Duration(i%10) * time.Millisecond / 4)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		log := b.String()
		kept := strings.Count(log, "connection refused\" peer")
		if left := leftOut(t, log); kept+left != lines {
			t.Errorf("%d lines and %d left out, of %d", kept, left, lines)
		}
		for i := PerSecond; i < len(times); i++ {
			if d := times[i].Sub(times[i-PerSecond]); d < time.Second {
				t.Fatalf("%d lines in %v", PerSecond+1, d)
			}
		}
		if n := strings.Count(log, "left out"); n < 4 || n > 7 { // it took 4.5 s
			t.Errorf("%d summaries", n)
		}
	})
}

// A flood's log has an end, whatever arrives with it: here nothing, and then
// much.
//
// Verifies: RUNTIME-75
func TestBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b book
		l, h := b.logger()
		var arrived uint64
		var mu sync.Mutex
		s := h.Add(func() uint64 {
			mu.Lock()
			defer mu.Unlock()
			return arrived
		})
		flood := func(d time.Duration, rate uint64) (lines int) {
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(time.Second / 50) {
				lines++
				mu.Lock()
				arrived += rate / 50
				mu.Unlock()
				l.Warn("connection closed", "conn", lines, "peer", fmt.Sprintf("192.0.2.1:%d", lines%60000), "reason", strings.Repeat("\x00", 100))
			}
			return lines
		}
		lines := flood(10*time.Minute, 0)
		first := len(b.String())
		if first > 256<<10 {
			t.Errorf("%d bytes without any that arrived", first)
		}
		lines += flood(time.Minute, 100_000)
		if more := len(b.String()) - first; more > 6_000_000/10 || more < 6_000_000/40 {
			t.Errorf("%d bytes of log of 6,000,000 that arrived", more)
		}
		h.Remove(s)
		h.Flush()
		h.Flush()
		log := b.String()
		if kept := strings.Count(log, "msg=\"connection closed"); kept+leftOut(t, log) != lines {
			t.Errorf("%d lines and %d left out, of %d", kept, leftOut(t, log), lines)
		}
		// Days later what happens is in the log again.
		time.Sleep(24 * time.Hour)
		l.Warn("a day later", "conn", 0, "peer", "192.0.2.1:1")
		if !strings.Contains(b.String(), "a day later") {
			t.Error("nothing is logged any more")
		}
	})
}

// What is remembered is bounded, and what is told of a second too.
//
// Verifies: RUNTIME-75
func TestMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var b book
		l, h := b.logger()
		for i := range 3 * maxLines {
			l.Warn(fmt.Sprint("kind ", i), "conn", i, "peer", fmt.Sprintf("[2001:db8::%x]:1", i))
		}
		if len(h.lines) > maxLines || len(h.order) > maxLines || len(h.kinds) > maxCounts || len(h.hosts) > maxCounts {
			t.Errorf("%d, %d, %d, %d are remembered", len(h.lines), len(h.order), len(h.kinds), len(h.hosts))
		}
		h.Flush()
		log := b.String()
		if summary := log[strings.Index(log, "time"):]; strings.Count(summary[strings.LastIndex(summary, "left out"):], "kind ") > maxKinds {
			t.Error("a summary names too many kinds")
		}
		if leftOut(t, log) != 3*maxLines-(PerSecond-1) {
			t.Errorf("%d left out", leftOut(t, log))
		}
	})
}

// What somebody debugs with is not bounded.
func TestDebug(t *testing.T) {
	var b book
	l := slog.New(New(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug})))
	for range 300 {
		l.Debug("confirmed", "conn", 1, "peer", "192.0.2.1:1")
	}
	if n := strings.Count(b.String(), "confirmed"); n != 300 {
		t.Errorf("%d lines", n)
	}
}

// A level that is off is neither logged nor counted.
func TestLevel(t *testing.T) {
	var b book
	l, h := b.logger()
	for range 10 {
		l.Debug("message lost", "peer", "192.0.2.1:1")
	}
	h.Flush()
	if b.String() != "" {
		t.Error(b.String())
	}
}

// What a line costs that is left out.
func BenchmarkLeftOut(b *testing.B) {
	l := slog.New(New(slog.NewTextHandler(new(book), nil)))
	err := errors.New("a block of 3 bytes has the checksum 00000127, its header says 00000126")
	b.ReportAllocs()
	for b.Loop() {
		l.Warn("message lost", "conn", uint64(1), "peer", "192.0.2.1:1000", "error", err)
	}
}
