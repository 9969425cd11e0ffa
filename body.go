package parley

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/parley-net/parley/internal/bufpool"
	"github.com/parley-net/parley/internal/session"
	"github.com/parley-net/parley/wire"
)

// bodyWriter writes the open body of a message that is being sent.
type bodyWriter struct {
	c    *Conn
	ctx  context.Context
	left int64
}

// send sends what r has, which is to be all of the body. It is called with the lock held.
func (b *bodyWriter) send(r io.Reader) (err error) {
	c, ended := b.c, false
	defer func() {
		if !ended { // r has panicked, or ended this goroutine
			c.cfg.faults.panics.Add(1)
			c.s.Abort(fmt.Errorf("parley: reading the message to send to %s has panicked", c.peer()))
		}
	}()
	// A body can go from a file to the connection without being in memory: not through
	// TLS, nor if it is to be traced. An event loop's socket is not Go's.
	_, bare := c.nc.(*net.TCPConn)
	if to, ok := r.(io.WriterTo); ok && bare && c.cfg.trace == nil {
		err = b.have(to)
	} else {
		_, err = b.copy(b.left, r)
	}
	ended = true
	if err := c.s.Life().Failure(); err != nil {
		return err
	}
	if b.left > 0 {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		c.s.Abort(fmt.Errorf("parley: the message to send ended %d bytes early: %w", b.left, err))
	}
	return c.s.Life().Err()
}

// have has r write itself.
func (b *bodyWriter) have(r io.WriterTo) (err error) {
	c := b.c
	c.unlock()
	defer c.lock() // also if r panics
	stop := context.AfterFunc(b.ctx, func() {
		c.lock()
		defer c.unlock()
		c.givenUp(b.ctx)
	})
	defer stop()
	if f, ok := r.(*os.File); ok { // whose WriteTo hides that it is one
		_, err = b.ReadFrom(f)
	} else {
		_, err = r.WriteTo(b)
	}
	return err
}

// Write sends p, and returns when it has left.
func (b *bodyWriter) Write(p []byte) (int, error) {
	c := b.c
	c.lock()
	defer c.unlock()
	if err := c.s.Life().Failure(); err != nil {
		return 0, err
	}
	q := p[:min(int64(len(p)), b.left)]
	w := session.SegmentWaiter()
	c.s.QueueBody(q, nil, w)
	if err := c.awaitSegment(b.ctx, w); err != nil {
		return 0, err
	}
	b.left -= int64(len(q))
	if len(q) < len(p) {
		return len(q), io.ErrShortWrite
	}
	return len(q), nil
}

// ReadFrom sends what r has, but not more than is left.
func (b *bodyWriter) ReadFrom(r io.Reader) (sent int64, err error) {
	c := b.c
	c.lock()
	defer c.unlock()
	if err := c.s.Life().Failure(); err != nil {
		return 0, err // nobody would tell that a segment has left
	}
	inner, size := r, b.left
	if l, ok := r.(*io.LimitedReader); ok {
		inner, size = l.R, min(size, l.N)
	}
	if size == 0 {
		return 0, c.s.Life().Err()
	}
	if f, ok := inner.(*os.File); ok {
		sent = b.copyFile(size, f)
	} else {
		sent, err = b.copy(size, r)
	}
	if lost := c.s.Life().Failure(); lost != nil {
		err = lost
	}
	return sent, err
}

// copy sends at most size bytes of r, and returns how many, with the error of r if that
// is not its end. Two pieces are under way at a time: one is read while the other leaves.
func (b *bodyWriter) copy(size int64, r io.Reader) (sent int64, err error) {
	c := b.c
	defer func() { b.left -= sent }()
	var leaving *session.Waiter
	for sent < size && err == nil {
		var p []byte
		p, err = b.read(r, bufpool.Get(session.WriteSize), size-sent)
		if len(p) == 0 || c.s.Life().Failure() != nil {
			bufpool.Put(p)
			break
		}
		w := session.SegmentWaiter()
		c.s.QueueBody(p, p, w)
		c.flush(flushNow)
		sent += int64(len(p))
		if leaving != nil && c.awaitSegment(b.ctx, leaving) != nil {
			return sent, nil
		}
		leaving = w
	}
	if leaving != nil {
		c.awaitSegment(b.ctx, leaving)
	}
	if err == io.EOF {
		err = nil
	}
	return sent, err
}

// maxEmptyReads is how often in a row a reader may read nothing and have no error.
const maxEmptyReads = 100

// read reads what r has into p, at most most bytes, without the lock: to wait for all of
// p would keep back what a slow reader brings.
func (b *bodyWriter) read(r io.Reader, p []byte, most int64) ([]byte, error) {
	b.c.unlock()
	defer b.c.lock() // also if r panics
	p = p[:min(most, int64(cap(p)))]
	for range maxEmptyReads {
		n, err := r.Read(p)
		switch {
		case n < 0 || n > len(p):
			return p[:0], fmt.Errorf("parley: a %T has read %d bytes into %d", r, n, len(p))
		case n > 0:
			return p[:n], nil // the next one has the error again
		case err != nil:
			return p[:0], err
		}
	}
	return p[:0], io.ErrNoProgress
}

// copyFile sends at most size bytes of f inside the kernel, and returns how many.
func (b *bodyWriter) copyFile(size int64, f *os.File) (sent int64) {
	c := b.c
	defer func() { b.left -= sent }()
	w := session.SegmentWaiter() // of nothing: it has left when all before it has
	c.s.QueueBody(nil, nil, w)
	if c.awaitSegment(b.ctx, w) != nil {
		return 0
	}
	if !c.cfg.traits.Lockstep {
		c.s.EnsureReader()
	}
	// While the body is open nothing else can leave, so nobody else is writing.
	c.s.Out().Begin()
	c.s.WatchWaits()
	to, wait, stuck, taken := c.nc.(*net.TCPConn), c.cfg.writeLimit(c.vital)/writeLooks, 0, c.s.Taken()
	for sent < size && c.s.Life().Failure() == nil {
		c.unlock()
		if wait > 0 {
			to.SetWriteDeadline(time.Now().Add(wait))
		}
		want := min(size-sent, session.WriteSize)
		n, err := to.ReadFrom(&io.LimitedReader{R: f, N: want})
		c.lock()
		sent += n
		c.s.Out().AddWritten(int(n))
		c.stats.Put(int(n))
		if stuck++; n > 0 || c.s.Taken() != taken { // see write
			stuck, taken = 0, c.s.Taken()
		}
		switch {
		case err == nil && n < want: // the end of the file
			size = sent
		case err != nil && c.s.Life().Err() == nil && !(errors.Is(err, os.ErrDeadlineExceeded) && stuck < writeLooks):
			c.writeFailed(err)
		}
	}
	c.s.Out().End()
	if c.s.Life().Failure() == nil && wait > 0 {
		to.SetWriteDeadline(time.Time{})
	}
	return sent
}

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
			return session.NotSent(fmt.Errorf("%w: %d bytes must be in memory in this protocol, Limits.MaxMessage is %d", ErrTooLarge, size, c.cfg.limits.MaxMessage))
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
