package parley

import (
	"context"
	"time"

	"github.com/parley-net/parley/internal/session"

	"github.com/parley-net/parley/internal/bufpool"
	"github.com/parley-net/parley/wire"
)

// Send sends m. Messages leave in the order of the calls. It returns when the
// bytes are on their way (those of messages that follow each other closely leave
// together, by another goroutine); m's bytes may then be used again. It blocks while
// more than Limits.MaxOutput bytes wait for the peer.
//
// An error that matches ErrNotSent means that nothing of m has left, any other one
// that m may have arrived. With ErrTooLarge, ErrNotRepresentable and ErrUnsolicited,
// possibly wrapped, the connection is unharmed, unless it had ended before (Err
// tells). If ctx ends before the message's turn has come, nothing was sent; if it
// ends when a part of the message has left, the connection ends too.
func (c *Conn) Send(ctx context.Context, m Message) (err error) {
	asking := false // the machine runs
	c.hold()
	defer c.sendEnds(&asking, &err)
	if !c.runs.exclusive() || c.s.Filled() || !c.outlives(ctx) {
		c.entered()
		_, _, err := c.send(ctx, m, nil, false)
		return err
	}
	// In a batch nothing is in the way. A panic of the machine is caught by sendEnds.
	from := c.stats.BytesOut
	sent, err := c.s.EncodeExclusive(&m, &asking)
	if err != nil {
		c.flush(flushDeferred)
		return session.NotSent(err)
	}
	if c.runs == batchAlone && sent.Body == wire.BodyNone {
		return nil // the reader will flush
	}
	c.runs.meet()
	c.s.Sending().Take()
	return c.finishSend(ctx, m, sent, from, nil, false)
}

// sendEnds is deferred by Send: it releases the lock, and catches a panic of the machine.
func (c *Conn) sendEnds(asking *bool, err *error) {
	if *asking {
		if r := recover(); r != nil {
			*err = session.NotSent(c.s.Machine().Panicked(r))
		} else {
			c.s.Machine().Deserted()
		}
	}
	c.unlock()
}

// Confirm sends m and waits until the peer has confirmed it in the wire's own
// way: tinyproto's OK, serpy's acknowledgement (which implies one of serpy's
// acknowledged modes). On other wires it returns ErrNoConfirmation. An error
// means that the message has not been confirmed; it may have arrived, unless the
// error matches ErrNotSent.
func (c *Conn) Confirm(ctx context.Context, m Message) error {
	if !c.cfg.traits.Confirms {
		return ErrNoConfirmation
	}
	c.lock()
	defer c.unlock()
	n, from, err := c.send(ctx, m.WithConfirm(), nil, true)
	if err != nil || c.stats.Confirmed >= n {
		return err
	}
	if c.s.Life().Err() != nil {
		return c.s.UnsentSince(from, c.s.Life().Err())
	}
	w := c.spare.take()
	w.Wants(n)
	c.s.Sending().Confirms().Insert(w) // in the order of sending
	c.s.EnsureReader()
	return c.s.UnsentSince(from, c.await(ctx, c.s.Sending().Confirms(), w))
}

// Call sends m and returns the next message that arrives after it. Several
// concurrent Calls get their answers in the order in which they were sent.
// The returned message owns its bytes. A *MessageError says that the answer was
// lost. After an error that matches ErrNotSent the peer does not know of m, after any
// other one it may have done what m says.
//
// Which answer belongs to which question is told by their order only, as no wire
// has numbers. Where the peer may also speak unasked (tinyproto, serpy, serpy2),
// what it says then is taken for an answer.
//
// If ctx ends when m has left, Call keeps its place once: the next message that
// would be an answer goes to Hooks.OnMessageError, in a *LateAnswerError, and not
// to the next Call. Nobody can tell whether there was an answer to come. So when a
// second Call gives up while that place is kept, or after its own answer may have
// been taken for the late one, the connection ends with ErrOutOfStep. See Resync.
func (c *Conn) Call(ctx context.Context, m Message) (Message, error) {
	c.lock()
	defer c.unlock()
	w := c.spare.take()
	w.Asks(m)
	_, from, err := c.send(ctx, m, w, true)
	if err != nil {
		if w.Enlisted() {
			c.s.Ready().Remove(w)
		}
		return Message{}, err
	}
	c.s.EnsureReader()
	answer, err := c.received(ctx, w)
	return answer, c.s.UnsentSince(from, err)
}

// send hands m to the machine when its turn has come, and returns how many
// messages must be confirmed for it to be, and how many bytes leave before it.
// receiver, if not nil, will get the next message. waits says that the caller waits
// for what the peer answers. It is called, and returns, with the lock held.
func (c *Conn) send(ctx context.Context, m Message, receiver *session.Waiter, waits bool) (n, from uint64, err error) {
	if err := c.takeTurn(ctx); err != nil {
		return 0, 0, session.NotSent(err)
	}
	if len(c.s.Transform()) > 0 {
		plain, buf, err := c.s.Transformed(m)
		if err != nil {
			c.s.ReleaseTurn()
			return 0, 0, session.NotSent(err)
		}
		defer bufpool.Put(buf)
		m = plain
	}
	from = c.stats.BytesOut
	sent, err := c.s.Encode(m)
	if receiver != nil && err == nil {
		c.s.Ready().Push(receiver)
		c.s.ReaderWake().All(nil)
	}
	n = c.s.Sending().ExpectConfirms()
	return n, from, c.finishSend(ctx, m, sent, from, err, waits)
}

// finishSend sees to it that a message which has been handed to the machine leaves,
// and gives the turn back as soon as the next one may follow. from is how many bytes
// leave before it.
func (c *Conn) finishSend(ctx context.Context, m Message, sent wire.Sent, from uint64, err error, waits bool) error {
	switch {
	case err != nil:
		c.s.ReleaseTurn()
		c.flush(flushDeferred)
		return session.NotSent(err)
	case sent.Body == wire.BodyNone:
		c.s.ReleaseTurn()
		if !waits && !c.s.Handling() && c.s.Out().Burst(time.Since(c.cfg.epoch)) {
			c.flush(flushLater)
			return nil
		}
		end := c.stats.BytesOut
		c.flush(flushDeferred)
		if c.s.Out().Written() < end { // if the connection is gone, they are too
			return c.s.UnsentSince(from, c.s.Life().Failure())
		}
		return nil
	case sent.Body == wire.BodyFollows:
		w := session.SegmentWaiter()
		c.s.QueueBody(m.Bytes(), nil, w)
		c.s.BodySent()
		c.s.ReleaseTurn()
		return c.s.UnsentSince(from, c.awaitSegment(ctx, w))
	default:
		w := session.SegmentWaiter()
		c.s.Sending().Hold(&session.Held{Body: m.Bytes(), Sender: w})
		return c.awaitSegment(ctx, w)
	}
}

// takeTurn waits until the next message may be handed to the machine, and
// reserves that for the caller.
func (c *Conn) takeTurn(ctx context.Context) error {
	if !c.s.Free() || !c.outlives(ctx) {
		if err := c.s.Sendable(); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return c.ctxErr(ctx)
		}
	}
	if c.s.TakeTurn() {
		return nil
	}
	w := session.NewWaiter(nil)
	c.s.Sending().Turns().Push(w)
	c.s.PassTurn()
	c.flush(flushNow)
	if w.Enlisted() && !c.cfg.traits.Lockstep {
		c.s.EnsureReader()
	}
	if err := c.await(ctx, c.s.Sending().Turns(), w); err != nil {
		return err
	}
	if err := c.s.Sendable(); err != nil { // it ended between the signal and now
		c.s.ReleaseTurn()
		return err
	}
	return nil
}

// outlives: ctx has not ended, unless c has.
func (c *Conn) outlives(ctx context.Context) bool {
	own, ok := ctx.(connContext) // it ends with its connection
	return ok && own.c == c || ctx.Err() == nil
}

// TrySend is Send that never waits: if Limits.MaxOutput bytes wait for the peer
// it returns ErrSlowConsumer, and m is not sent. Where another message has the
// turn m queues behind it. m's bytes may be used again when TrySend returns; a nil
// error means that m will leave as one that was sent would, not that it has.
//
// It is for who must not be held up by one peer that reads slowly: a room of
// many, a reading that is worth nothing later. See also Server.BroadcastTo.
func (c *Conn) TrySend(m Message) error {
	c.lock()
	defer c.unlock()
	b := session.NewBroadcast(m, 1)
	posted, err := c.s.Post(&b)
	if posted {
		c.flush(flushDeferred)
	}
	return err
}
