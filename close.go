package parley

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/parley-net/parley/internal/session"

	"github.com/parley-net/parley/internal/poller"
)

// Close ends the conversation politely: it waits until everything sent has
// left and is confirmed where the wire has confirmations, says the wire's
// farewell, and waits a moment for the peer to close too; all this bounded by
// Timeouts.Close and Linger. What arrives meanwhile is dropped, and what still
// waits for a busy handler may be. It returns nil if everything left, and if the
// connection had ended before.
func (c *Conn) Close() error {
	ended := func() bool {
		c.lock()
		defer c.unlock()
		if c.s.Life().Err() != nil {
			return true
		}
		c.s.BeginClose(ErrClosed)
		c.s.EnsureReader()
		return false
	}()
	if ended {
		return nil
	}
	<-c.ending()
	if err := c.Err(); !errors.Is(err, ErrClosed) && !errors.Is(err, ErrPeerClosed) {
		return err
	}
	return nil
}

// CloseNow ends the connection at once; what has not been sent is lost. What waits for a
// busy handler does not go to it any more, also if the peer had said it before it was
// lost: Stats.Waiting tells how much that is. It returns nil.
func (c *Conn) CloseNow() error {
	c.lock()
	defer c.unlock()
	c.s.Cut(ErrClosed)
	return nil
}

// closeGracefully is the goroutine that carries out the end.
func (c *Conn) closeGracefully() {
	ctx, cancel := boundedBy(c.cfg.timeouts.Close)
	defer cancel()
	c.lock()
	late := c.waitTaken(ctx)
	if late == nil {
		c.s.Life().Advance(session.PhaseFlushed)
	}
	if c.s.Life().Err() == nil && late == nil && !c.s.Life().Ended() && !c.s.Life().Reset() && c.s.Sending().Ours() == session.DirectionOpen {
		c.s.Farewell()
		late = c.waitTaken(ctx)
	}
	if settle := c.cfg.timeouts.Settle; c.s.Life().Err() == nil && late == nil && !c.s.Life().Ended() && !c.s.Life().Reset() && c.cfg.traits.Settles && c.talked == session.TalkedLast && settle > 0 {
		c.pause(settle) // a peer that drops what it has not handled when the stream ends can handle our last message
	}
	switch {
	case c.s.Life().Err() != nil || late != nil:
	case c.s.Queueing():
		c.stayInQueue()
	default:
		c.linger()
	}
	if errors.Is(late, context.DeadlineExceeded) && c.s.Life().Reason() == ErrClosed {
		c.s.Abort(&TimeoutError{Peer: c.peer(), Wait: fmt.Sprintf("the peer took or confirmed what was sent not within %v; the rest is lost%s", c.cfg.timeouts.Close, c.s.Stalled())})
	}
	c.s.Abort(c.s.Life().Reason())
	c.goroutineDone()
}

// waitTaken waits until what has been sent has left and is confirmed, or ctx
// ends. When the server shuts down, which has a limit of its own, a peer that has
// not taken all is given more time, as long as it takes something within
// Timeouts.Write.
func (c *Conn) waitTaken(ctx context.Context) error {
	err := c.waitDrained(ctx, c.s.Sending().ExpectConfirms())
	for (c.s.Life().Draining() || c.s.Life().Ended()) && errors.Is(err, context.DeadlineExceeded) && c.s.Out().Pending()+poller.Unsent(c.nc) > 0 {
		taken := c.s.Taken()
		longer, cancel := boundedBy(c.cfg.timeouts.Write)
		err = c.waitDrained(longer, c.s.Sending().ExpectConfirms())
		cancel()
		if c.s.Taken() == taken {
			break
		}
	}
	return err
}

// linger closes our direction and waits a moment for the peer to close its
// own: closing with unread input would reset the connection and could destroy
// what the peer has not read yet.
func (c *Conn) linger() {
	w, ok := c.nc.(closeWriter)
	if !ok {
		return
	}
	c.s.Life().Advance(session.PhaseHalfClosed)
	c.unlock()
	err := w.CloseWrite() // TLS may have to wait for the peer
	c.lock()
	if err != nil || c.s.Life().Err() != nil || c.s.Life().Ended() || c.cfg.timeouts.Linger < 0 {
		return
	}
	var limit time.Time
	extend := func(d time.Duration) {
		limit = time.Now().Add(d)
		c.nc.SetReadDeadline(limit)
	}
	extend(max(c.cfg.timeouts.Linger, c.cfg.timeouts.Close))
	taken := int64(-1)
	for c.s.Life().Err() == nil && time.Now().Before(limit) {
		if n := c.s.Taken(); c.s.Life().Draining() && n > taken && poller.Unsent(c.nc) > 0 { // see waitTaken
			taken = n
			extend(max(c.cfg.timeouts.Linger, c.cfg.timeouts.Close, c.cfg.timeouts.Write))
		}
		heard := c.stats.BytesIn
		c.pause(c.cfg.timeouts.Linger)
		// A peer that still sends, or has not taken or confirmed all, has not read all
		// that is before the end.
		if c.s.Life().Err() != nil || c.stats.BytesIn == heard && c.stats.Confirmed >= c.s.Sending().ExpectConfirms() && poller.Unsent(c.nc) == 0 {
			return
		}
	}
}

// pause waits for d, or until the connection has ended.
func (c *Conn) pause(d time.Duration) {
	c.unlock()
	defer c.lock()
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-c.ending():
	case <-t.C:
	}
}

// waitDrained waits until the output has left and the first n messages are
// confirmed.
func (c *Conn) waitDrained(ctx context.Context, n uint64) error {
	c.flush(flushNow)
	if c.s.Life().Err() != nil || c.s.IsDrained(n) {
		return c.s.Life().Err()
	}
	w := session.NewWaiter(nil).Wants(n)
	return c.wait(ctx, c.s.Drained(), w, !c.cfg.traits.Lockstep)
}

// drain makes the connection end when it is between messages, for Shutdown.
func (c *Conn) drain() {
	c.lock()
	defer c.unlock()
	if !c.s.Life().Drain(int64(c.stats.BytesIn)) {
		return
	}
	if !c.talked.Opened() {
		c.s.BeginClose(ErrServerClosed)
	}
	c.s.WakeReader()
}

// boundedBy returns a context that ends after d, or never if d is negative.
func boundedBy(d time.Duration) (context.Context, context.CancelFunc) {
	if d < 0 {
		return context.WithCancel(context.Background())
	}
	return context.WithTimeout(context.Background(), d)
}

var _ net.Error = (*TimeoutError)(nil)

// CloseWith ends the conversation as Close does, with a reason, and does not
// wait: a kick. Everything sent still leaves and the wire's farewell is said,
// within Timeouts.Close. err is what OnClose and the log are told then, what Err
// and Receive return, and the cause (context.Cause) of the connection's context;
// nil is ErrClosed. If the connection is ending already, its reason stays.
//
// A handler may call it, for its own connection or another one.
func (c *Conn) CloseWith(err error) {
	if err == nil {
		err = ErrClosed
	}
	c.lock()
	defer c.unlock()
	c.s.BeginClose(err)
	c.s.EnsureReader()
}
