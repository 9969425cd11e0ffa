package poller

import (
	"net"
	"os"
	"sync"
	"time"
)

// blocked is what the blocking calls of a Conn need. It exists only once there
// was one.
type blocked struct {
	mu     sync.Mutex
	closed bool
	gates  [2]gate
}

const (
	gateRead = iota
	gateWrite
)

// gate is where one direction's caller waits.
type gate struct {
	ready    bool          // there was an event since it was asked last
	wake     chan struct{} // of capacity 1, once somebody has waited
	deadline time.Time
	timer    *time.Timer
}

func (g *gate) open() {
	g.ready = true
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

// block calls try until it reports that it has not been told to wait.
func (c *Conn[O]) block(dir int, try func(fd uintptr) bool) error {
	w := c.waiting()
	for {
		w.mu.Lock()
		g := &w.gates[dir]
		err := w.ended(g)
		g.ready = false // before trying, so that no event is lost
		w.mu.Unlock()
		if err != nil {
			return err
		}
		if !c.enter() {
			return net.ErrClosed
		}
		done := try(uintptr(c.fd))
		c.leave()
		if done {
			return nil
		}
		if err := w.await(g); err != nil {
			return err
		}
	}
}

func (w *blocked) ended(g *gate) error {
	switch {
	case w.closed:
		return net.ErrClosed
	case !g.deadline.IsZero() && !time.Now().Before(g.deadline):
		return os.ErrDeadlineExceeded
	}
	return nil
}

// await waits until g has been ready since it was last asked.
func (w *blocked) await(g *gate) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if g.wake == nil {
		g.wake = make(chan struct{}, 1)
	}
	for !g.ready {
		if err := w.ended(g); err != nil {
			return err
		}
		w.mu.Unlock()
		<-g.wake
		w.mu.Lock()
	}
	return w.ended(g)
}

func (c *Conn[O]) setDeadline(dir int, t time.Time) {
	w := c.waits.Load()
	if w == nil && t.IsZero() {
		return
	}
	w = c.waiting()
	w.mu.Lock()
	defer w.mu.Unlock()
	g := &w.gates[dir]
	g.deadline = t
	if g.timer != nil {
		g.timer.Stop()
		g.timer = nil
	}
	if !t.IsZero() {
		g.timer = time.AfterFunc(time.Until(t), func() {
			w.mu.Lock()
			defer w.mu.Unlock()
			g.open()
		})
	}
}
