package parley

import (
	"fmt"
	"time"

	"github.com/parley-net/parley/internal/session"

	"github.com/parley-net/parley/internal/poller"
	"github.com/parley-net/parley/wire"
)

// loopReads is how often a loop reads from one connection before it turns to the
// others.
const loopReads = 4

// What package poller serves are our connections.
type (
	loop     = poller.Loop[*Conn]
	loopConn = poller.Conn[*Conn]
)

// runner is a goroutine that runs a loop, with what a turn needs.
type runner struct {
	*poller.Runner[*Conn]
	in    session.Input // what has just been read, in Buffer
	event wire.Event    // the last one
}

// newLoops starts n event loops. errors.ErrUnsupported means that this system
// has none.
func newLoops(n int, stalled func(time.Duration)) (ls []*loop, err error) {
	for range n {
		l, err := poller.New(func(r *poller.Runner[*Conn]) func(*Conn) bool { return (&runner{Runner: r}).turn }, stalled)
		if err != nil {
			closeLoops(ls)
			return nil, fmt.Errorf("parley: making an event loop: %w", err)
		}
		ls = append(ls, l)
	}
	return ls, nil
}

// closeLoops ends loops whose connections have ended.
func closeLoops(ls []*loop) {
	for _, l := range ls {
		l.Close()
	}
}

// turn reads what has arrived on c's socket and serves it, on a loop's
// goroutine. It returns true if there is more to read.
func (r *runner) turn(c *Conn) (more bool) {
	c.lock()
	if c.s.Reader() != session.ReaderAttached { // somebody else serves c, and has been told
		c.driver.notePending()
		c.unlock()
		return false
	}
	c.s.ReaderIs(session.ReaderBusy)
	c.goroutines++
	c.driver.serveBy(r)
	c.s.AwaitRest(false)
	rd, own := reader{c, c.gen}, c.s.In()
	rd.counted(own, func() {
		drained, ok := false, true
		for n := 0; n < loopReads && ok && !drained; n++ {
			drained, ok = rd.turnOnce(r)
		}
		if ok {
			rd.detach(own)
		} else {
			rd.endTurn(own)
		}
		more = ok && !drained
	})
	return more
}

// turnOnce reads once and serves that. It returns whether nothing is left to
// read, and false when c has lost the reader's role or has ended.
func (r reader) turnOnce(by *runner) (drained, ok bool) {
	c := r.c
	if (c.s.Inbox().Len() > 0 || c.cfg.stepwise) && c.s.MustPark() { // not with bytes that lie in a message already
		c.promote()
		return true, false
	}
	p := c.s.Direct()
	direct := p != nil
	if !direct {
		if c.s.In() != &by.in && c.s.In().Len() <= session.ReadSize { // else it has a large buffer
			by.in = session.Lent(append(by.Buffer, c.s.In().Bytes()...))
			c.s.In().Release()
			c.s.ReadFrom(&by.in)
		}
		p = c.s.In().Space()
	}
	lc := looped(c.nc)
	n, again, err := lc.TryRead(p)
	if again && c.talked.Opened() {
		return true, true
	} // else it may be new, and the machine has something to say
	c.stats.Got(n)
	if direct {
		if n > 0 && !r.processDirect(p[:n]) {
			return true, false
		}
	} else {
		c.s.In().Added(n)
	}
	if err != nil && !r.readFailed(err) || !r.process() {
		return true, false
	}
	c.flushRest()
	c.s.EndDraining()
	c.settleUp()
	switch {
	case c.s.Life().Err() != nil:
		return true, false
	case c.s.RefusesNew():
		c.promote()
		return true, false
	}
	// The end of the stream stands behind the last byte and is not told again.
	return n < len(p) && !lc.Ended(), true
}

// detach leaves c attached to its loop, holding no more than an unfinished message
// in own. It is called with the lock held and releases it.
func (r reader) detach(own *session.Input) {
	c := r.c
	c.driver.leaveRunner()
	if rest := c.s.ReadFrom(own); rest != own {
		*own = rest.Fork()
		rest.Release()
	}
	own.Shrink()
	c.driver.unequip()
	c.s.AwaitRest(!c.s.Assembly().Idle() || c.s.In().Len() > 0)
	if c.s.WatchWaits(); c.s.Life().Err() != nil { // a limit has been passed
		r.endTurn(own)
		return
	}
	c.s.ReaderIs(session.ReaderAttached)
	c.goroutines--
	if c.driver.pendingEvent { // this runner has been replaced, and another one saw an event
		looped(c.nc).Arm()
	}
	c.unlock()
}

// attach gives c, which is calm, back to its loop, unless it is going to end. It
// is called by the reading goroutine with the lock held, and releases it if it
// returns true: then the goroutine has nothing more to do with c.
func (c *Conn) attach() bool {
	lc := looped(c.nc)
	if lc == nil || c.s.Life().Draining() || c.s.Life().Ending() || c.s.Life().Ended() || c.s.Life().Err() != nil {
		return false
	}
	c.s.In().Shrink()
	c.driver.unequip()
	c.s.ReaderIs(session.ReaderAttached)
	c.goroutines--
	if err := lc.Arm(); err != nil {
		c.driver.equip(c.nc)
		c.s.ReaderIs(session.ReaderBusy)
		c.goroutines++
		return false
	}
	c.unlock()
	return true
}

// endTurn ends a turn after which c is not attached any more. It is called with
// the lock held and releases it.
func (r reader) endTurn(own *session.Input) {
	c := r.c
	if r.has() {
		if c.s.In() != own { // the runner's, who goes on with other connections
			c.s.In().Release()
			c.s.ReadFrom(own)
		}
		c.driver.leaveRunner()
		c.driver.unequip()
		c.s.ReaderIs(session.ReaderGone)
		c.s.FinishIfServed()
		if c.s.Life().Err() == nil && !(c.s.Life().Ended() && c.s.Life().Ending()) {
			c.goroutines++
			go c.counted(func() {
				c.lock()
				r.discard()
				c.awaitReset()
				c.goroutineDone()
			})
		}
	}
	c.goroutineDone()
}
