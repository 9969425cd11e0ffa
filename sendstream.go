package parley

import (
	"context"
	"fmt"
	"io"
	"net"

	"github.com/parley-net/parley/internal/session"

	"github.com/parley-net/parley/internal/bufpool"
	"github.com/parley-net/parley/wire"
)

// SendStream sends a message of exactly size bytes that r brings. On a wire
// that announces sizes ahead of a plain body (tinyproto) it is never in memory
// as a whole; on the others it is read into memory first, within
// Limits.MaxMessage. r must not depend on this connection being read by the
// caller. If r ends early or fails, the connection ends. An error that matches
// ErrNotSent means that nothing has left.
//
// If r is an io.WriterTo that in the end copies from an *os.File, as that itself
// does, its bytes go from the file to a bare TCP connection inside the kernel.
func (c *Conn) SendStream(ctx context.Context, size int64, r io.Reader) error {
	if size < 0 {
		return session.NotSent(fmt.Errorf("%w: a message of %d bytes", ErrNotRepresentable, size))
	}
	if !c.cfg.traits.SendsStreams || len(c.cfg.plugins) > 0 {
		if size > c.cfg.limits.MaxMessage {
			return session.NotSent(fmt.Errorf("%w: %d bytes must be in memory on this wire, Limits.MaxMessage is %d", ErrTooLarge, size, c.cfg.limits.MaxMessage))
		}
		b := make([]byte, size)
		if _, err := io.ReadFull(r, b); err != nil {
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return session.NotSent(fmt.Errorf("parley: reading the message to send: %w", err))
		}
		return c.Send(ctx, Bytes(b))
	}
	c.lock()
	defer c.unlock()
	if err := c.takeTurn(ctx); err != nil {
		return session.NotSent(err)
	}
	from := c.stats.BytesOut
	sent, err := c.s.Head(size)
	if err != nil {
		c.s.ReleaseTurn()
		return session.NotSent(err)
	}
	if sent.Body == wire.BodyHeld {
		w := session.SegmentWaiter()
		c.s.Sending().HoldStream(w)
		if err := c.awaitSegment(ctx, w); err != nil {
			return err
		}
	}
	if sent.Body == wire.BodyNone {
		c.s.ReleaseTurn()
		c.flush(flushNow)
		return c.s.UnsentSince(from, c.s.Life().Failure())
	}
	if err := c.sendBody(ctx, size, r); err != nil {
		return c.s.UnsentSince(from, err)
	}
	c.s.BodySent()
	c.s.ReleaseTurn()
	c.flush(flushNow)
	return nil
}

// sendBody sends size bytes of r as the open body.
func (c *Conn) sendBody(ctx context.Context, size int64, r io.Reader) (err error) {
	var sent int64
	ended := false
	defer func() {
		if !ended { // r has panicked, or ended this goroutine
			c.cfg.faults.panics.Add(1)
			c.s.Cut(fmt.Errorf("parley: reading the message to send to %s has panicked", c.peer()))
		}
	}()
	// A body can go from a file to the connection without being in memory: not through
	// TLS, nor if it is to be traced. An event loop's socket is not Go's.
	_, bare := c.nc.(*net.TCPConn)
	if to, ok := r.(io.WriterTo); ok && bare && c.cfg.trace == nil {
		sent, err = c.writeBody(ctx, size, to)
	} else {
		sent, err = c.copyBody(ctx, size, r)
	}
	ended = true
	if err := c.s.Life().Failure(); err != nil {
		return err
	}
	if sent < size {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		c.s.Cut(fmt.Errorf("parley: the message to send ended %d bytes early: %w", size-sent, err))
	}
	return c.s.Life().Err()
}

// copyBody sends at most size bytes of r as the open body, and returns how many,
// with the error of r if that is not its end. Two pieces are under way at a time:
// one is read while the other leaves.
func (c *Conn) copyBody(ctx context.Context, size int64, r io.Reader) (sent int64, err error) {
	var leaving *session.Waiter
	for sent < size && err == nil {
		var b []byte
		b, err = c.readBody(r, bufpool.Get(session.WriteSize), size-sent)
		if len(b) == 0 || c.s.Life().Failure() != nil {
			bufpool.Put(b)
			break
		}
		w := session.SegmentWaiter()
		c.s.QueueBody(b, b, w)
		c.flush(flushNow)
		sent += int64(len(b))
		if leaving != nil && c.awaitSegment(ctx, leaving) != nil {
			return sent, nil
		}
		leaving = w
	}
	if leaving != nil {
		c.awaitSegment(ctx, leaving)
	}
	if err == io.EOF {
		err = nil
	}
	return sent, err
}

// readBody reads what r has into b, at most most bytes, without the lock: to wait
// for all of b would keep back what a slow reader brings.
func (c *Conn) readBody(r io.Reader, b []byte, most int64) ([]byte, error) {
	c.unlock()
	defer c.lock() // also if r panics
	n, err := io.ReadAtLeast(r, b[:min(most, int64(cap(b)))], 1)
	return b[:n], err
}
