package parley

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/parley-net/parley/internal/session"
)

// writeBody has r write itself as the open body, of size bytes at most.
func (c *Conn) writeBody(ctx context.Context, size int64, r io.WriterTo) (sent int64, err error) {
	b := &bodyWriter{c: c, ctx: ctx, left: size}
	c.unlock()
	defer c.lock() // also if r panics
	stop := context.AfterFunc(ctx, func() {
		c.lock()
		defer c.unlock()
		c.givenUp(ctx)
	})
	defer stop()
	if f, ok := r.(*os.File); ok { // whose WriteTo hides that it is one
		_, err = b.ReadFrom(f)
	} else {
		_, err = r.WriteTo(b)
	}
	return size - b.left, err
}

// bodyWriter writes the open body of a message that is being sent.
type bodyWriter struct {
	c    *Conn
	ctx  context.Context
	left int64
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
		sent, err = c.sendFile(b.ctx, size, f)
	} else {
		sent, err = c.copyBody(b.ctx, size, r)
	}
	b.left -= sent
	if lost := c.s.Life().Failure(); lost != nil {
		err = lost
	}
	return sent, err
}

// sendFile sends at most size bytes of f as the open body, and returns how many.
func (c *Conn) sendFile(ctx context.Context, size int64, f *os.File) (sent int64, err error) {
	w := session.SegmentWaiter() // of nothing: it has left when all before it has
	c.s.QueueBody(nil, nil, w)
	if c.awaitSegment(ctx, w) != nil {
		return 0, nil
	}
	if !c.cfg.traits.Lockstep {
		c.ensureReader()
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
		c.s.Out().Left(int(n))
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
	return sent, nil
}
