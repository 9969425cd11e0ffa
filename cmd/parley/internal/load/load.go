// Package load measures how fast a peer answers: it sends messages on a number
// of connections, checks that each comes back as it was sent (or that the wire
// confirms it, or that there is an answer), and collects the latencies.
//
// In a closed loop every connection keeps a number of messages under way and
// sends the next when one has come back. The peer sets the pace: a pause of the
// peer costs only as many samples as were under way. In an open loop messages
// leave at a fixed rate, and a latency counts from the moment at which the
// message should have left: a pause is seen by every message it held up, also
// by those that could not be sent meanwhile. To leave those out is known as
// coordinated omission.
package load

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-net/parley"
)

// Config says what to send, and for how long.
type Config struct {
	Conns    int           // connections, at least 1
	Depth    int           // closed loop: messages under way on each connection, at least 1
	Rate     float64       // open loop: messages per second, of all connections together; 0: closed loop
	Size     int           // bytes of a message
	Text     bool          // messages are text, not bytes
	Seed     uint64        // of the contents
	Warmup   time.Duration // time at the beginning that does not count
	Duration time.Duration // time that counts
	// Question is what to send, if it is not nil, in place of the contents that
	// Size, Text and Seed determine. Each message that comes is an answer then,
	// whatever is in it.
	Question *parley.Message
	// Confirm waits for the wire's confirmations instead of the messages
	// themselves; what comes back is ignored.
	Confirm bool
	// Timeout bounds the wait for what is under way when the time is over.
	Timeout time.Duration

	// Progress, if there is one, is called now and then: how long it runs, and how
	// many messages have come back, those of the warm-up too.
	Progress func(elapsed time.Duration, messages int64)

	sleep func(time.Duration) // nil: what preciseSleep returns; a test has another time
}

// Run makes the connections by calling dial, which uses the dialer d; Run sets
// its Handler and Hooks. It returns when the time is over and everything has
// come back. A report that comes with an error says what was measured so far;
// it is nil if the measurement had not begun.
func Run(ctx context.Context, cfg Config, d *parley.Dialer, dial func(context.Context) (*parley.Conn, error)) (*Report, error) {
	r := &run{cfg: cfg, payload: newPayloads(cfg), failed: make(chan struct{})}
	r.ctx, r.cancel = context.WithCancel(ctx)
	r.latency.init(cfg.Conns)
	r.lateness.init(cfg.Conns)
	d.Handler = r
	d.Hooks.OnOpen = r.open
	d.Hooks.OnClose = r.lost
	defer r.close()
	if err := r.dialAll(dial); err != nil {
		return nil, err
	}
	r.begin()
	err := r.wait()
	end := r.span.Load().end
	if now := time.Now(); err != nil && now.Before(end) {
		end = now
	}
	return r.report(end), err
}

// run is one measurement.
type run struct {
	cfg     Config
	ctx     context.Context // ends with the measurement
	cancel  context.CancelFunc
	payload payloads

	latency  recorder
	lateness recorder // open loop: how late the generator itself was

	span      atomic.Pointer[span] // nil until all connections are there
	completed atomic.Int64         // messages that came back in the time that counts
	verdict   verdict
	cpu       stopwatch

	mu      sync.Mutex
	workers []*worker
	senders sync.WaitGroup

	ending  atomic.Bool
	once    sync.Once
	failure error
	failed  chan struct{} // closed when failure is set
}

// span is the time of a measurement.
type span struct{ start, from, end time.Time }

// counts reports whether t is in the time that counts.
func (s *span) counts(t time.Time) bool { return s != nil && !t.Before(s.from) && t.Before(s.end) }

// over reports whether the measurement has ended at t.
func (s *span) over(t time.Time) bool { return s != nil && !t.Before(s.end) }

// fail ends the measurement with err.
func (r *run) fail(err error) {
	r.once.Do(func() {
		r.failure = err
		close(r.failed)
	})
}

// open gives a new connection its worker. In the closed loop it sends the
// first messages: no answer is handled before it returns.
func (r *run) open(ctx context.Context, c *parley.Conn) error {
	r.mu.Lock()
	w := newWorker(r, c, len(r.workers))
	r.workers = append(r.workers, w)
	r.mu.Unlock()
	workers.Set(c, w)
	if r.cfg.Rate > 0 || r.cfg.Confirm {
		return nil // begin starts them
	}
	for range r.cfg.Depth {
		if err := w.send(ctx, time.Now()); err != nil {
			return err
		}
	}
	return nil
}

// lost is called when a connection has ended.
func (r *run) lost(c *parley.Conn, err error) {
	w := workers.Get(c)
	if !r.ending.Load() && !w.isDone() {
		r.fail(fmt.Errorf("connection %d: %w", w.n+1, err))
	}
}

// ServeMessage takes what has come back.
func (r *run) ServeMessage(ctx context.Context, c *parley.Conn, m parley.Message) error {
	return workers.Get(c).received(ctx, m)
}

// dialAll makes the connections, some at a time. The first failure ends it.
func (r *run) dialAll(dial func(context.Context) (*parley.Conn, error)) error {
	ctx, cancel := context.WithCancelCause(r.ctx)
	defer cancel(nil)
	var wg sync.WaitGroup
	slots := make(chan struct{}, 16)
	for i := range r.cfg.Conns {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			if ctx.Err() != nil {
				return
			}
			if _, err := dial(ctx); err != nil {
				if r.cfg.Conns > 1 {
					err = fmt.Errorf("connection %d of %d: %w", i+1, r.cfg.Conns, err)
				}
				cancel(err)
			}
		})
	}
	wg.Wait()
	return context.Cause(ctx)
}

// begin starts the clock, and the senders where it is not the answers that set
// the pace.
func (r *run) begin() {
	start := time.Now()
	from := start.Add(r.cfg.Warmup)
	s := &span{start: start, from: from, end: from.Add(r.cfg.Duration)}
	r.span.Store(s)
	if r.cfg.Rate > 0 {
		r.senders.Go(func() { r.pacer(s) })
	}
	for _, w := range r.workers {
		switch {
		case r.cfg.Rate > 0:
			r.senders.Go(func() { w.pace(s) })
		case r.cfg.Confirm:
			r.senders.Go(func() { w.confirmAll(s) })
		}
	}
}

// wait returns when everything has come back after the end, or what has been
// under way for too long then, or when something went wrong.
func (r *run) wait() error {
	s := r.span.Load()
	from, over := time.NewTimer(time.Until(s.from)), time.NewTimer(time.Until(s.end))
	defer from.Stop()
	defer over.Stop()
	defer r.cpu.stop()
	var late <-chan time.Time
	tick := time.NewTicker(progressEvery)
	defer tick.Stop()
	for _, w := range r.workers {
		for !w.isDone() {
			select {
			case <-w.done:
			case <-from.C:
				r.cpu.start()
			case <-over.C:
				r.cpu.stop()
				late = time.After(r.patience())
			case <-tick.C:
				if r.cfg.Progress != nil {
					r.cfg.Progress(time.Since(s.start), r.heard())
				}
			case <-late:
				return nil // the report counts what is missing
			case <-r.failed:
				return r.failure
			case <-r.ctx.Done():
				return context.Cause(r.ctx)
			}
		}
	}
	return nil
}

// patience is how long what is under way is waited for when the time is over: not
// long if nothing at all has come, as from such a peer nothing will.
func (r *run) patience() time.Duration {
	if r.heard() > 0 {
		return r.cfg.Timeout
	}
	const slowest = 10 << 20 // bytes in a second
	return min(r.cfg.Timeout, time.Second+time.Duration(r.cfg.Size)*time.Second/slowest)
}

// progressEvery is how often Progress is called.
const progressEvery = 250 * time.Millisecond

// heard is how many messages have come back, or were confirmed.
func (r *run) heard() (n int64) {
	for _, w := range r.workers {
		n += w.got.Load()
	}
	return n
}

// close ends all connections, politely: an original oneline server does not
// survive anything else. A peer from which nothing has come is not waited for long.
func (r *run) close() {
	r.ending.Store(true)
	r.cancel()
	r.mu.Lock()
	workers := r.workers
	r.mu.Unlock()
	var wg sync.WaitGroup
	for _, w := range workers {
		wg.Go(func() {
			late := time.AfterFunc(r.patience(), func() { w.c.CloseNow() })
			defer late.Stop()
			w.c.Close()
			<-w.c.Done()
		})
	}
	wg.Wait()
	r.senders.Wait()
}
