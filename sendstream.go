package parley

import (
	"context"
	"fmt"
	"io"

	"github.com/parley-net/parley/internal/session"

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
	b := &bodyWriter{c: c, ctx: ctx, left: size}
	if err := b.send(r); err != nil {
		return c.s.UnsentSince(from, err)
	}
	c.s.BodySent()
	c.s.ReleaseTurn()
	c.flush(flushNow)
	return nil
}
