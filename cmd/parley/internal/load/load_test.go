package load

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/internal/leak"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/parleytest"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

func TestMain(m *testing.M) { leak.Main(m) }

// handle is a handler; it may change a message before it goes back.
type handle func(ctx context.Context, c *parley.Conn, m parley.Message) error

func echo(ctx context.Context, c *parley.Conn, m parley.Message) error { return c.Send(ctx, m) }

// measure runs cfg against a server with the given handler, in memory.
func measure(t *testing.T, ctx context.Context, cfg Config, p parley.Protocol, h handle) (*Report, error) {
	t.Helper()
	cfg.sleep = time.Sleep // in virtual time
	srv := &parley.Server{Protocol: p, Handler: parley.HandlerFunc(h)}
	d := &parley.Dialer{Protocol: p}
	return Run(ctx, cfg, d, func(context.Context) (*parley.Conn, error) {
		c, _ := parleytest.Pipe(t, srv, d)
		return c, nil
	})
}

// near reports whether a time of the report, in microseconds, is d, within the
// histogram's precision.
func near(us float64, d time.Duration) bool {
	want := float64(d) / 1e3
	return math.Abs(us-want) <= want/500+1
}

// A server that pauses for a second holds up a hundred messages of an open
// loop at 100 per second, although it sees only one of them during the pause.
// The latencies are known exactly: 1000 ms, 990 ms … 0.
func TestOpenLoopSeesEveryMessageOfAPause(t *testing.T) {
	for _, wire := range []parley.Protocol{oneline.Protocol{}, tinyproto.Protocol{}, serpy.Protocol{}, serpy2.Protocol{}} {
		t.Run(wire.Name(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				n := 0
				pausing := func(ctx context.Context, c *parley.Conn, m parley.Message) error {
					if n++; n == 600 {
						<-time.After(time.Second)
					}
					return c.Send(ctx, m)
				}
				cfg := Config{Conns: 1, Rate: 100, Size: 16, Text: true, Warmup: time.Second, Duration: 10 * time.Second, Timeout: time.Minute}
				rep, err := measure(t, t.Context(), cfg, wire, pausing)
				if err != nil {
					t.Fatal(err)
				}
				l := rep.Latency
				if l.Count != 1000 || !rep.OK() {
					t.Errorf("%d latencies, %d wrong, %d missing; want 1000, 0, 0", l.Count, rep.Wrong, rep.Missing)
				}
				if !near(l.Max, time.Second) || !near(l.P999, 990*time.Millisecond) || !near(l.P99, 900*time.Millisecond) || l.P90 > 1 {
					t.Errorf("max %v, p99.9 %v, p99 %v, p90 %v µs; want 1 s, 990 ms, 900 ms, 0", l.Max, l.P999, l.P99, l.P90)
				}
				if !near(l.Mean, 50500*time.Microsecond) {
					t.Errorf("mean %v µs, want 50.5 ms", l.Mean)
				}
				if rep.LateP99 > 1 || rep.Limit != "" || rep.Behind != "" {
					t.Errorf("late %v µs, limit %q, behind %q: the generator was never late", rep.LateP99, rep.Limit, rep.Behind)
				}
			})
		})
	}
}

// The same pause in a closed loop is one sample.
func TestClosedLoopSeesAPauseOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		slow := func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			d := 10 * time.Millisecond
			if n++; n == 600 {
				d = time.Second
			}
			<-time.After(d)
			return c.Send(ctx, m)
		}
		cfg := Config{Conns: 1, Depth: 1, Size: 16, Warmup: time.Second, Duration: 10 * time.Second, Timeout: time.Minute}
		rep, err := measure(t, t.Context(), cfg, tinyproto.Protocol{}, slow)
		if err != nil {
			t.Fatal(err)
		}
		if l := rep.Latency; !near(l.Max, time.Second) || !near(l.P99, 10*time.Millisecond) {
			t.Errorf("max %v, p99 %v µs; want 1 s, 10 ms", l.Max, l.P99)
		}
		if rep.Messages < 900 || rep.Messages > 902 || math.Abs(rep.PerSecond-90) > 0.5 {
			t.Errorf("%d messages, %v per second; want about 901, 90", rep.Messages, rep.PerSecond)
		}
	})
}

// A connection that does not take messages delays those behind it; their time
// runs all the same, and the generator is not blamed.
func TestOpenLoopCountsFromTheIntendedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Config{Conns: 1, Rate: 10, Size: 100_000, Duration: 10 * time.Second, Timeout: time.Minute}
		n := 0
		// Above 64 KiB a message waits for its OK: one can't be sent while the
		// server does not read.
		rep, err := measure(t, t.Context(), cfg, tinyproto.Protocol{}, func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			if n++; n == 50 {
				<-time.After(2 * time.Second)
			}
			return c.Send(ctx, m)
		})
		if err != nil {
			t.Fatal(err)
		}
		if l := rep.Latency; l.Count != 100 || !near(l.Max, 2*time.Second) || !near(l.P99, 1900*time.Millisecond) || !near(l.P90, time.Second) {
			t.Errorf("%d latencies, max %v, p99 %v, p90 %v µs; want 100, 2 s, 1.9 s, 1 s", l.Count, l.Max, l.P99, l.P90)
		}
		if rep.LateP99 > 1 || rep.Limit != "" {
			t.Errorf("late %v µs, limit %q: it was the connection that was late", rep.LateP99, rep.Limit)
		}
	})
}

func TestPeerThatCanNotKeepUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := Config{Conns: 2, Rate: 100, Size: 8, Duration: 10 * time.Second, Timeout: time.Hour}
		rep, err := measure(t, t.Context(), cfg, serpy2.Protocol{}, func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			<-time.After(40 * time.Millisecond)
			return c.Send(ctx, m)
		})
		if err != nil {
			t.Fatal(err)
		}
		if rep.Behind != "50 of 100 messages per second came back in time" || rep.Limit != "" {
			t.Errorf("behind %q, limit %q", rep.Behind, rep.Limit)
		}
		if rep.Latency.Count != 1000 || !near(rep.Latency.Max, 10*time.Second+30*time.Millisecond) || !rep.OK() {
			t.Errorf("%+v", rep)
		}
	})
}

func TestDepthAndConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var under, most atomic.Int64
		var backs parley.Key[chan parley.Message]
		srv := func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			if backs.Get(c) == nil { // one goroutine per connection sends back after 10 ms
				back := make(chan parley.Message, 100)
				backs.Set(c, back)
				go func() {
					for {
						select {
						case m := <-back:
							<-time.After(10 * time.Millisecond)
							under.Add(-1)
							c.Send(ctx, m)
						case <-ctx.Done():
							return
						}
					}
				}()
			}
			most.Store(max(most.Load(), under.Add(1)))
			backs.Get(c) <- m.Clone()
			return nil
		}
		cfg := Config{Conns: 3, Depth: 4, Size: 8, Duration: time.Second, Timeout: time.Minute}
		rep, err := measure(t, t.Context(), cfg, serpy2.Protocol{}, srv)
		if err != nil || !rep.OK() {
			t.Fatalf("%v, %+v", err, rep)
		}
		if most.Load() != 12 || !near(rep.Latency.P50, 40*time.Millisecond) || math.Abs(rep.PerSecond-300) > 12 {
			t.Errorf("%d under way, p50 %v µs, %v per second; want 12, 40 ms, 300", most.Load(), rep.Latency.P50, rep.PerSecond)
		}
	})
}

func TestConfirmations(t *testing.T) {
	quiet := func(context.Context, *parley.Conn, parley.Message) error { return nil }
	for _, rate := range []float64{0, 200} {
		for _, p := range []parley.Protocol{tinyproto.Protocol{}, serpy.Protocol{}} {
			for name, h := range map[string]handle{"quiet": quiet, "echo": echo} {
				t.Run(fmt.Sprint(p.Name(), rate, name), func(t *testing.T) {
					synctest.Test(t, func(t *testing.T) {
						n := 0
						h := func(ctx context.Context, c *parley.Conn, m parley.Message) error {
							<-time.After(time.Millisecond) // the confirmation leaves behind it
							n++
							return h(ctx, c, m)
						}
						cfg := Config{Conns: 1, Depth: 2, Rate: rate, Size: 8, Confirm: true, Duration: time.Second, Timeout: time.Minute}
						rep, err := measure(t, t.Context(), cfg, p, h)
						if err != nil || !rep.OK() {
							t.Fatalf("%v, %+v", err, rep)
						}
						if l := rep.Latency; l.Count < 150 || l.Max < 1000 || l.Max > 20_000 {
							t.Errorf("%+v", l)
						}
						if rate > 0 && rep.Latency.Count != 200 {
							t.Errorf("%d latencies, want 200", rep.Latency.Count)
						}
					})
				})
			}
		}
	}
}

func TestWrongContents(t *testing.T) {
	flip := func(ctx context.Context, c *parley.Conn, m parley.Message) error {
		m = m.Clone()
		m.Bytes()[3] ^= 1
		return c.Send(ctx, m)
	}
	other := func(ctx context.Context, c *parley.Conn, m parley.Message) error {
		return c.Send(ctx, parley.Bytes(m.Bytes()))
	}
	n := 0
	var kept parley.Key[parley.Message]
	swap := func(ctx context.Context, c *parley.Conn, m parley.Message) error {
		n++
		switch n {
		case 5: // 5 and 6 change places
			kept.Set(c, m.Clone())
			return nil
		case 6:
			if err := c.Send(ctx, m); err != nil {
				return err
			}
			return c.Send(ctx, kept.Get(c))
		}
		return c.Send(ctx, m)
	}
	for name, test := range map[string]struct {
		h     handle
		wrong func(*Report) bool
		first string
	}{
		"changed":     {flip, func(r *Report) bool { return r.Wrong >= r.Messages && r.Wrong > 0 }, "connection 1, message 1: sent text[8] "},
		"other type":  {other, func(r *Report) bool { return r.Wrong >= r.Messages && r.Wrong > 0 }, "got bytes[8]"},
		"interchange": {swap, func(r *Report) bool { return r.Wrong == 2 }, "connection 1, message 5"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := func(ctx context.Context, c *parley.Conn, m parley.Message) error {
					<-time.After(time.Millisecond)
					return test.h(ctx, c, m)
				}
				cfg := Config{Conns: 1, Depth: 2, Size: 8, Text: true, Seed: 7, Duration: 50 * time.Millisecond, Timeout: time.Second}
				rep, err := measure(t, t.Context(), cfg, serpy2.Protocol{}, h)
				if err != nil {
					t.Fatal(err)
				}
				if !test.wrong(rep) || rep.OK() || !strings.Contains(rep.First, test.first) {
					t.Errorf("%+v", rep)
				}
			})
		})
	}
}

func TestMissingAndUnexpected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		cfg := Config{Conns: 1, Rate: 100, Size: 8, Duration: time.Second, Timeout: 5 * time.Second}
		rep, err := measure(t, t.Context(), cfg, serpy2.Protocol{}, func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			if n++; n > 90 {
				return nil
			}
			return c.Send(ctx, m)
		})
		if err != nil || rep.Missing != 10 || rep.Wrong != 0 || rep.OK() {
			t.Errorf("%v, %+v; want 10 missing", err, rep)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		cfg := Config{Conns: 1, Rate: 10, Size: 8, Duration: time.Second, Timeout: 5 * time.Second}
		rep, err := measure(t, t.Context(), cfg, serpy2.Protocol{}, func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			if err := c.Send(ctx, m); err != nil {
				return err
			}
			return c.Send(ctx, m)
		})
		if err != nil || rep.Wrong == 0 || !strings.Contains(rep.First, "which answers nothing") {
			t.Errorf("%v, %+v; want unexpected messages", err, rep)
		}
	})
}

func TestFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // the peer closes
		var n atomic.Int64
		cfg := Config{Conns: 2, Rate: 100, Size: 8, Duration: time.Hour, Timeout: time.Second}
		rep, err := measure(t, t.Context(), cfg, serpy2.Protocol{}, func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			if n.Add(1) == 100 {
				return errors.New("enough")
			}
			return c.Send(ctx, m)
		})
		if !errors.Is(err, parley.ErrPeerClosed) || !strings.HasPrefix(err.Error(), "connection ") || rep == nil || rep.Latency.Count < 90 || rep.Seconds > 2 {
			t.Errorf("%v, %+v", err, rep)
		}
	})
	synctest.Test(t, func(t *testing.T) { // it is interrupted
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		cfg := Config{Conns: 1, Depth: 1, Size: 8, Warmup: time.Second, Duration: time.Hour, Timeout: time.Second}
		rep, err := measure(t, ctx, cfg, serpy2.Protocol{}, func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			<-time.After(10 * time.Millisecond)
			return c.Send(ctx, m)
		})
		if !errors.Is(err, context.DeadlineExceeded) || rep.Seconds != 1 || math.Abs(rep.PerSecond-100) > 2 || rep.Missing != 0 {
			t.Errorf("%v, %+v", err, rep)
		}
	})
	for conns, want := range map[int]string{1: "no luck", 3: "connection 1 of 3: no luck"} {
		d := &parley.Dialer{Protocol: serpy2.Protocol{}}
		rep, err := Run(t.Context(), Config{Conns: conns, Depth: 1}, d, func(context.Context) (*parley.Conn, error) { return nil, errors.New("no luck") })
		if rep != nil || err == nil || !strings.HasSuffix(err.Error(), want[len(want)-7:]) || conns == 1 && err.Error() != want {
			t.Errorf("%v, %v; want no report and %q", rep, err, want)
		}
	}
}

// Over a real socket, as the command does it; every size that has a form of
// its own.
func TestSockets(t *testing.T) {
	for _, p := range []parley.Protocol{oneline.Protocol{}, tinyproto.Protocol{}, serpy.Protocol{}, serpy2.Protocol{}} {
		for _, size := range []int{0, 1, 4, 10, 1000, 100_000} {
			t.Run(fmt.Sprint(p.Name(), size), func(t *testing.T) {
				addr := parleytest.NewServer(t, &parley.Server{Protocol: p, Handler: parley.HandlerFunc(echo)})
				cfg := Config{Conns: 1, Depth: 3, Size: size, Text: p.Name() == "oneline", Duration: 20 * time.Millisecond, Timeout: 30 * time.Second}
				for _, cfg.Rate = range []float64{0, 200} {
					d := &parley.Dialer{Protocol: p}
					rep, err := Run(t.Context(), cfg, d, func(ctx context.Context) (*parley.Conn, error) { return d.Dial(ctx, addr) })
					if err != nil || !rep.OK() || cfg.Rate > 0 && rep.Latency.Count != 4 {
						t.Errorf("rate %v: %v, %+v", cfg.Rate, err, rep)
					}
				}
			})
		}
	}
}
