package parley

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/parley-net/parley/internal/session"

	"github.com/parley-net/parley/wire"
)

// Stream is a message that is received piece by piece. It must be read to its
// end or closed before the next message can be received; one goroutine at a
// time may use it.
type Stream struct {
	c      *Conn
	typ    Type
	size   int64
	left   int64  // bytes the machine has still to bring
	piece  []byte // what it has brought; aliases the input
	mem    *bytes.Reader
	state  streamState
	waited time.Time // when the last wait for bytes ended
	err    error     // what Read returns in the end
}

type streamState uint8

const (
	streamOffered streamState = iota // announced, not accepted
	streamOpen
	streamDone
)

// Size returns the size of the message in bytes.
func (s *Stream) Size() int64 { return s.size }

// Type returns the type of the message.
func (s *Stream) Type() Type { return s.typ }

// ReceiveStream returns the next message as a stream. Messages larger than
// Limits.MaxMessage are read from the network as the program reads the stream;
// smaller ones are in memory already. While a stream is open nothing else is
// received on the connection.
func (c *Conn) ReceiveStream(ctx context.Context) (*Stream, error) {
	c.lock()
	defer c.unlock()
	if c.s.Inbox().Len() > 0 {
		r := c.s.Pop()
		if r.Err != nil {
			return nil, r.Err
		}
		return memStream(&c.s, r)
	}
	if s := c.stream; s != nil {
		if s.state != streamOffered {
			return nil, fmt.Errorf("parley: the last stream of %s has not been read to its end or closed", c.peer())
		}
		s.accept()
		return s, nil
	}
	w, err := c.enlist(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.await(ctx, c.s.Ready(), w); err != nil {
		return nil, err
	}
	if s := streamOf(w); s != nil {
		s.accept()
		return s, nil
	}
	return memStream(&c.s, session.Received{Msg: w.Msg()})
}

// streamOf returns the stream that w was handed, or nil.
func streamOf(w *session.Waiter) *Stream {
	s, _ := w.Stream().(*Stream)
	return s
}

// memStream returns a stream of a message that is in memory. A number or an
// object has no bytes to stream: it stays for Receive.
func memStream(from *session.Session, r session.Received) (*Stream, error) {
	m := r.Msg
	if m.Type() != TypeBytes && m.Type() != TypeText {
		from.Inbox().Unpop(r)
		return nil, fmt.Errorf("%w: the next message is an %v, which has no bytes to stream; use Receive", ErrNotRepresentable, m.Type())
	}
	return &Stream{typ: m.Type(), size: int64(m.Len()), mem: bytes.NewReader(m.Bytes()), state: streamDone}, nil
}

// openStream hands an announced message to the program and returns when that
// has done with it. It runs on the reading goroutine.
func (r reader) openStream(ev *wire.Event) bool {
	c := r.c
	s := &Stream{c: c, typ: ev.Message.Type(), size: ev.N, left: ev.N}
	if c.driver.io == nil { // a handler that waited has given its loop away, and we go on here
		c.driver.equip(c.nc)
	}
	c.flush(flushNow)
	if c.cfg.handler != nil {
		for c.s.Handling() && !c.s.Life().Ending() { // its turn comes, unless the handler waits for us
			if !c.s.Ready().Empty() {
				return c.s.Refuse(c.s.TooLarge(s.size, "raise it, as the handler waits for what is behind this message"))
			}
			// Who waits for a confirmation may be another goroutine; if it is
			// the handler, Timeouts.Answer ends it.
			if c.park(); c.s.ReadFailed() != nil {
				c.s.Abort(connError(&c.s, c.s.ReadFailed()))
				return false
			}
		}
		if c.s.Life().Ending() {
			return c.s.Life().Err() == nil && c.s.Refuse(ErrClosed)
		}
		c.reads(s)
		s.accept()
		return r.serveStream(s)
	}
	c.reads(s)
	c.s.ReaderIs(session.ReaderInStream)
	if !c.s.Ready().Empty() {
		c.s.Ready().Pop().GetStream(s)
	}
	for c.stream == s && c.s.Life().Err() == nil && !(c.s.Life().Ending() && s.state == streamOffered) {
		c.park()
	}
	c.s.ReaderIs(session.ReaderBusy)
	if c.stream == s && c.s.Life().Err() == nil { // Close came before anyone wanted it
		c.reads(nil)
		return c.s.Refuse(ErrClosed)
	}
	return c.s.Life().Err() == nil
}

// serveStream runs the StreamHandler on the reading goroutine. When it has read
// the stream to its end it is like any other handler: somebody else reads on
// while it waits.
func (r reader) serveStream(s *Stream) bool {
	c := r.c
	return r.runOnReader(func() error {
		if err := c.cfg.streams.ServeStream(c.Context(), c, s); err != nil {
			return err
		}
		err := s.Close()
		if !errors.As(err, new(*MessageError)) {
			return err
		}
		if hook := c.cfg.hooks.OnMessageError; hook != nil {
			hook(c, err)
		}
		return nil
	})
}

// accept grants the offer. It is called with the lock held.
func (s *Stream) accept() {
	s.state = streamOpen
	s.c.s.Accept()
	s.c.flush(flushNow)
}

// refuse declines the offer: the program wanted a message in memory.
func (s *Stream) refuse() error {
	c := s.c
	c.reads(nil)
	c.s.ReaderWake().All(nil)
	if !c.s.Refuse(c.s.TooLarge(s.size, "raise it, or use ReceiveStream")) {
		return c.s.Life().Reason()
	}
	return c.s.Assembly().Tell()
}

// Read reads the next bytes of the message. At its end it returns io.EOF; if
// the message turns out to be damaged, a *MessageError; if the connection ends
// first, its reason. It waits for the peer without a context: Timeouts.Progress
// bounds that, and closing the connection ends it.
func (s *Stream) Read(p []byte) (int, error) {
	if s.mem != nil {
		return s.mem.Read(p)
	}
	if len(p) == 0 {
		return 0, nil
	}
	c := s.c
	c.lock()
	defer c.unlock()
	ev := c.driver.event
	for {
		if s.err == nil && c.s.Life().Err() != nil {
			s.finish(c.s.Life().Err()) // and the piece is void, with the input
		}
		if s.err != nil {
			return 0, s.err
		}
		if len(s.piece) > 0 {
			n := copy(p, s.piece)
			s.piece = s.piece[n:]
			return n, nil
		}
		n, err := c.s.Receive(c.s.In().Bytes(), ev, false)
		c.s.In().Consume(n)
		if err == nil && ev.Kind == wire.EventNone {
			if n, err := s.fill(p); n > 0 || err != nil {
				return n, err
			}
			continue
		}
		s.event(ev, err)
	}
}

// fill waits for more bytes: those of the body go directly to p.
func (s *Stream) fill(p []byte) (int, error) {
	c := s.c
	c.flush(flushNow)
	var direct []byte
	if c.s.In().Len() == 0 && s.left > 0 {
		direct = p[:min(int64(len(p)), s.left)]
	}
	t, in := c.driver.io, c.s.In()
	if !s.waited.IsZero() { // the program's own time does not count as the peer's
		c.s.ForgiveProgress(time.Since(s.waited))
	}
	c.s.AwaitRest(true)
	c.s.WatchWaits()
	c.goroutines++ // the input must outlive the read
	c.unlock()
	n, err := t.read(in, direct)
	c.lock()
	c.goroutines--
	c.s.AwaitRest(false)
	s.waited = time.Now()
	if c.s.Life().Err() != nil {
		c.finishIfIdle()
		return 0, nil
	}
	c.stats.Got(n)
	if errors.Is(err, io.EOF) {
		// The reading goroutine will meet the end too, and end the connection.
		s.finish(c.s.Named(c.s.Machine().ReceiveEOF(in.Bytes(), c.driver.event)))
		return 0, nil
	}
	if err != nil {
		if !(reader{c, c.gen}).readFailed(err) {
			s.finish(c.s.Life().Err())
		}
		return 0, nil
	}
	if direct == nil {
		return 0, nil
	}
	got := 0
	ev := c.driver.event
	for rest := direct[:n]; len(rest) > 0; {
		used, err := c.s.Receive(rest, ev, false)
		if ev.Kind == wire.EventData && err == nil {
			s.left -= int64(len(ev.Data))
			got += copy(p[got:], ev.Data)
		} else {
			s.event(ev, err)
		}
		if s.err != nil {
			break
		}
		rest = rest[used:]
	}
	return got, nil
}

// event handles what the machine found while the stream is open.
func (s *Stream) event(ev *wire.Event, err error) {
	c := s.c
	switch {
	case err != nil:
		s.finish(c.s.Violated(err))
	case ev.Kind == wire.EventData && int64(len(ev.Data)) > s.left, ev.Kind == wire.EventEnd && s.left > 0:
		s.finish(c.s.Machine().Broke("event %v in a message of %d bytes, of which %d are to come", ev.Kind, s.size, s.left))
	case ev.Kind == wire.EventData:
		s.piece = ev.Data
		s.left -= int64(len(ev.Data))
	case ev.Kind == wire.EventEnd:
		c.stats.Message()
		s.finish(io.EOF)
	case ev.Kind == wire.EventLost:
		c.more().counts(session.SeldomLost)
		s.finish(c.s.Named(ev.Err))
	case ev.Kind == wire.EventNone, ev.Kind == wire.EventConfirmed, ev.Kind == wire.EventGranted:
		if err := c.s.Machine().Told(ev); err != nil {
			s.finish(err)
			return
		}
		c.s.Control(ev)
	default:
		s.finish(c.s.Machine().Broke("event %v comes inside a message", ev.Kind))
	}
}

// finish ends the stream and lets the reading goroutine go on.
func (s *Stream) finish(err error) {
	c := s.c
	s.err = err
	s.state = streamDone
	if c.stream != s {
		return
	}
	c.reads(nil)
	c.s.ReaderWake().All(nil) // the reading goroutine goes on
	if c.s.Sending().Held() != nil || !c.s.Sending().Confirms().Empty() || !c.s.Ready().Empty() || !c.s.Drained().Empty() || !c.s.Sending().Turns().Empty() {
		c.s.EnsureReader() // it is in the StreamHandler, and others wait already
	}
}

// Close skips what has not been read of the message.
func (s *Stream) Close() error {
	if s.mem != nil {
		s.mem = bytes.NewReader(nil)
		return nil
	}
	_, err := io.Copy(io.Discard, onlyReader{s})
	return err
}
