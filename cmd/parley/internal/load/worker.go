package load

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/parley-net/parley"
)

// maxConfirms is how many messages of one connection may wait for their
// confirmation in the open loop; it bounds memory, nothing else.
const maxConfirms = 4096

var workers parley.Key[*worker]

// worker sends on one connection and checks what comes back.
type worker struct {
	r *run
	c *parley.Conn
	n int // its number, from 0

	sent, got atomic.Int64
	times     []time.Time   // closed loop: when message i left, at i modulo depth
	wake      chan struct{} // open loop: a message is due
	paced     atomic.Bool   // open loop: all has been sent

	once sync.Once
	done chan struct{} // closed when the time is over and all has come back
}

func newWorker(r *run, c *parley.Conn, n int) *worker {
	w := &worker{r: r, c: c, n: n, wake: make(chan struct{}, 1), done: make(chan struct{})}
	if r.cfg.Rate == 0 {
		w.times = make([]time.Time, r.cfg.Depth)
	}
	return w
}

func (w *worker) finish() { w.once.Do(func() { close(w.done) }) }

func (w *worker) isDone() bool {
	select {
	case <-w.done:
		return true
	default:
		return false
	}
}

// send sends the next message of the closed loop.
func (w *worker) send(ctx context.Context, now time.Time) error {
	i := w.sent.Add(1) - 1
	w.times[i%int64(len(w.times))] = now
	return w.c.Send(ctx, w.r.payload.message(w.n, i))
}

// received checks what has come back and, in the closed loop, sends the next
// message. It runs on the connection's reading goroutine.
func (w *worker) received(ctx context.Context, m parley.Message) error {
	r := w.r
	if r.cfg.Confirm {
		return nil
	}
	now, s := time.Now(), r.span.Load()
	i := w.got.Load()
	if i == w.sent.Load() {
		r.verdict.unexpected(w.n, m)
		return nil
	}
	w.check(i, m)
	if r.cfg.Rate > 0 {
		r.took(w, s, w.due(s, i), now)
		if w.got.Add(1); w.paced.Load() && w.got.Load() == w.sent.Load() {
			w.finish()
		}
		return nil
	}
	r.took(w, s, w.times[i%int64(len(w.times))], now)
	w.got.Add(1)
	if !s.over(now) {
		return w.send(ctx, now)
	}
	if w.got.Load() == w.sent.Load() {
		w.finish()
	}
	return nil
}

// took records a message that left, or should have left, at one time and was
// back at another.
func (r *run) took(w *worker, s *span, left, back time.Time) {
	if s.counts(left) {
		r.latency.record(w.n, back.Sub(left))
	}
	if s.counts(back) {
		r.completed.Add(1)
	}
}

// check compares message i with what has come back for it.
func (w *worker) check(i int64, m parley.Message) {
	if w.r.cfg.Question != nil {
		return
	}
	want := w.r.payload.message(w.n, i)
	switch {
	case !bytes.Equal(m.Bytes(), want.Bytes()):
	case m.Type() != want.Type() && w.c.Protocol().Traits().Types.Has(want.Type()):
	default:
		return
	}
	w.r.verdict.wrong(w.n, i, m, want)
}

// due is when message i of the open loop should leave. The messages of all
// connections take turns, so that they leave evenly.
func (w *worker) due(s *span, i int64) time.Time {
	nth := float64(i)*float64(w.r.cfg.Conns) + float64(w.n)
	return s.start.Add(time.Duration(nth / w.r.cfg.Rate * float64(time.Second)))
}

// pace sends the messages of the open loop when they are due, or at once if
// that is past.
func (w *worker) pace(s *span) {
	ctx := w.r.ctx
	var confirms sync.WaitGroup
	defer confirms.Wait()
	slots := make(chan struct{}, maxConfirms)
	free := s.start // since when the connection could take the next message
	for i := int64(0); ; i++ {
		due := w.due(s, i)
		if !due.Before(s.end) {
			break
		}
		now := time.Now()
		for ; now.Before(due); now = time.Now() {
			select {
			case <-w.wake:
			case <-ctx.Done():
				return
			}
		}
		if s.counts(due) {
			ready := due
			if free.After(due) {
				ready = free // the connection held it up, not the generator
			}
			w.r.lateness.record(w.n, now.Sub(ready))
		}
		w.sent.Add(1)
		if w.r.cfg.Confirm {
			select {
			case slots <- struct{}{}:
			case <-ctx.Done():
				return
			}
			confirms.Go(func() {
				w.confirm(s, i, due)
				<-slots
			})
		} else if err := w.c.Send(ctx, w.r.payload.message(w.n, i)); err != nil {
			w.r.fail(fmt.Errorf("connection %d: %w", w.n+1, err))
			return
		}
		free = time.Now()
	}
	confirms.Wait()
	if w.paced.Store(true); w.got.Load() == w.sent.Load() {
		w.finish()
	}
}

// confirmAll is the closed loop of confirmations.
func (w *worker) confirmAll(s *span) {
	var loops sync.WaitGroup
	for range w.r.cfg.Depth {
		loops.Go(func() {
			for now := time.Now(); !s.over(now) && w.r.ctx.Err() == nil; now = time.Now() {
				if !w.confirm(s, w.sent.Add(1)-1, now) {
					return
				}
			}
		})
	}
	loops.Wait()
	if w.got.Load() == w.sent.Load() {
		w.finish()
	}
}

// confirm sends message i and waits for its confirmation. It reports whether
// that has come.
func (w *worker) confirm(s *span, i int64, left time.Time) bool {
	if err := w.c.Confirm(w.r.ctx, w.r.payload.message(w.n, i)); err != nil {
		if !w.r.ending.Load() {
			w.r.fail(fmt.Errorf("connection %d: %w", w.n+1, err))
		}
		return false
	}
	w.r.took(w, s, left, time.Now())
	w.got.Add(1)
	return true
}
