package parley

import (
	"fmt"
	"syscall"
	"time"

	"github.com/parley-net/parley/internal/poller"
)

// The end of the peer's stream may be a half-close, on every wire: it says nothing
// more, and may still read. Nobody can tell that from a peer that has gone before
// something is written to it, so the connection stays open where an answer may be due,
// and not for ever.

// ended finishes a connection whose peer has ended its stream, once all that
// was received has been served. It is called with the lock held.
func (c *Conn) ended() {
	c.checkDrained()
	if !c.s.Life().Ended() || c.s.Life().Err() != nil || c.reader != readerGone {
		return
	}
	why := c.s.Life().WhyEnded(ErrPeerClosed)
	c.s.Sending().Confirms().All(why) // none can come any more
	switch {
	case c.s.Sending().Held() != nil:
		c.end(why)
	case c.s.Handling():
		if c.s.Awaited() {
			c.s.Life().TellEnd()
		}
		c.s.Ready().All(why) // nor a message; but the handler may still answer
		c.stayOpen()
	case c.cfg.handler == nil && !c.s.Life().Ending() && (c.s.Inbox().Missed() || c.s.Answerable()):
		c.s.Ready().All(why) // a Call gets no answer any more
		c.stayOpen()         // Receive comes for it
	case c.s.Life().Left() != nil && why == ErrPeerClosed && !c.s.Life().Ending():
		c.s.Ready().All(why)
		c.stayOpen() // who has asked for PeerClosed may still answer
	default:
		c.end(why)
	}
}

// stayOpen bounds how long a peer that has ended its stream can still be answered.
func (c *Conn) stayOpen() {
	if limit := c.cfg.timeouts.HalfClose; limit > 0 && c.bound == nil && !c.s.Life().Ending() {
		c.until(time.AfterFunc(limit, func() {
			c.lock()
			defer c.unlock()
			c.end(c.s.Life().WhyEnded(ErrPeerClosed))
		}))
	}
}

// awaitReset ends a connection that stays open behind the end of the peer's stream as
// soon as the peer has gone for good. It waits for that, on systems that tell.
func (c *Conn) awaitReset() {
	raw := poller.Raw(c.nc)
	if c.s.Life().Err() != nil || c.s.Life().Ending() || raw == nil {
		return
	}
	c.unlock()
	err := raw.Read(func(fd uintptr) bool { return poller.Broken(fd) })
	c.lock()
	if err == nil && !c.s.Life().Ending() {
		c.netFailed(fmt.Errorf("the peer has gone: %w", syscall.ECONNRESET))
	}
}
