package parley

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"

	"github.com/parley-net/parley/internal/handshake"
	"github.com/parley-net/parley/internal/poller"
	"github.com/parley-net/parley/internal/session"
)

// The end of the peer's stream may be a half-close, on every wire: it says nothing
// more, and may still read. Nobody can tell that from a peer that has gone before
// something is written to it, so the connection stays open where an answer may be due,
// and not for ever.

// CloseWrite ends our direction of the connection: nothing more can be sent (Send
// returns an error that matches ErrNotSent and ErrClosed), and what the peer says
// still arrives, until it ends its own direction. CloseWrite does not wait: what has
// been sent leaves first. The end is that of the transport, the FIN of TCP or the
// close_notify of TLS; one that has none returns an error that matches
// errors.ErrUnsupported, and goes on.
//
// No farewell is said (oneline's disconnect), then or at Close, as that would end the
// conversation. What the wire owes by itself can't leave any more either: tinyproto's
// OK, serpy's acknowledgement, oneline's pong. A parley peer sends what is due all the
// same; an original tinyproto does not, as its payloads wait for an OK.
func (c *Conn) CloseWrite() error {
	c.lock()
	defer c.unlock()
	switch _, ok := c.nc.(closeWriter); {
	case !ok:
		return fmt.Errorf("parley: this connection has no end of its own for each direction: %w", errors.ErrUnsupported)
	case c.s.Life().Err() != nil:
		return c.s.Life().Err()
	case c.s.Life().Ending():
		return c.s.Life().Reason()
	}
	c.s.EndOurs()
	c.flush(flushNow)
	return nil
}

// closeWriter is a transport that can end one direction.
type closeWriter interface{ CloseWrite() error }

// awaitReset ends a connection that stays open behind the end of the peer's stream as
// soon as the peer has gone for good. It waits for that, on systems that tell.
func (c *Conn) awaitReset() {
	raw := bareSocket(c.nc)
	if c.s.Life().Err() != nil || c.s.Life().Ending() || raw == nil || c.s.Sending().Ours() != session.DirectionOpen { // where both directions have ended nothing more is told
		return
	}
	c.unlock()
	err := raw.Read(poller.Broken)
	c.lock()
	if err == nil && !c.s.Life().Ending() && c.s.Sending().Ours() == session.DirectionOpen {
		c.s.Abort(connError(&c.s, errGone))
	}
}

// A reader that is parked reads no messages: the program has not taken those that it
// has got. But the peer may go meanwhile, and somebody may wait for that. So where
// anybody has asked, a parked reader reads ahead, into the input and not further, and
// gives nothing of it to the machine; where the input is full, or holds the end of the
// stream, the kernel tells whether the peer is still there.

// lookAhead makes sure that the end of the peer's stream is noticed, as the caller may
// be going to wait for it. A handler of a goroutine of its own is given a moment:
// mostly it has only made a context for what it does. It is called with the lock held.
func (c *Conn) lookAhead() {
	switch {
	case c.s.Reader() == session.ReaderParked:
		c.s.ReaderWake().All(nil) // it does not know that it is to look
	case c.s.Reader() == session.ReaderInHandler && c.driver.onLoop():
		c.s.EnsureReader()
	case c.s.Reader() == session.ReaderInHandler:
		c.armFlush()
	}
}

// lookOut notices the peer's end until w, which is in c.room, is signalled, or the
// reader has to look for another reason.
func (c *Conn) lookOut(w *session.Waiter) {
	c.driver.equip(c.nc) // a handler that waited may have given its loop away
	woken := make(chan struct{})
	go func() {
		<-w.Ch()
		c.nc.SetReadDeadline(time.Now())
		close(woken)
	}()
	for state := session.PeerSending; w.Enlisted() && c.s.ReadFailed() == nil; {
		t, in, raw := c.driver.io, c.s.In(), bareSocket(c.nc)
		full := in.Len() >= session.ReadSize || in.Kind() == session.InputPlaced
		if (raw == nil || c.s.Sending().Ours() != session.DirectionOpen) && (full || state == session.PeerEnded) {
			break // nobody tells
		}
		c.unlock()
		var n int
		var err error
		switch {
		case state == session.PeerEnded:
			err = raw.Read(poller.Broken)
			if err == nil {
				err = errGone
			}
		case full:
			err = raw.Read(poller.Left)
			if err == nil {
				err = io.EOF
			}
		default:
			n, err = t.read(in, nil)
		}
		c.lock()
		c.stats.Got(n)
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			state = session.PeerEnded
			c.s.PeerLeaves()
		case err == errGone && c.s.Sending().Ours() != session.DirectionOpen: // it is we who have ended the other direction
		case errors.Is(err, os.ErrDeadlineExceeded): // see WakeReader
			w.Leave(c.s.ReaderWake())
		default:
			c.s.ReadFails(err)
		}
	}
	if c.s.ReadFailed() != nil {
		w.Leave(c.s.ReaderWake())
	}
	c.unlock()
	<-woken
	c.lock()
	if c.s.Life().Phase() < session.PhaseHalfClosed {
		c.nc.SetReadDeadline(time.Time{})
	} else { // see linger
		c.nc.SetReadDeadline(time.Now().Add(max(c.cfg.timeouts.Linger, c.cfg.timeouts.Close)))
	}
}

// errGone: the kernel has told that the peer takes nothing more.
var errGone = fmt.Errorf("the peer has gone: %w", syscall.ECONNRESET)

// bareSocket returns the socket below nc if the kernel tells what becomes of it, or
// nil.
func bareSocket(nc net.Conn) syscall.RawConn {
	if t, ok := nc.(*tls.Conn); ok {
		nc = handshake.Bare(t)
	}
	return poller.Raw(nc)
}
