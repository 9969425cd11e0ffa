package parley

import (
	"context"
	"fmt"
	"time"

	"github.com/parley-net/parley/internal/poller"
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
	sent, err := c.s.Alone(&m, &asking)
	if err != nil {
		c.flush(flushDeferred)
		return notSent(err)
	}
	if c.runs == batchAlone && sent.Body == wire.BodyNone {
		return nil // the reader will flush
	}
	c.runs.meet()
	c.s.Sending().Take()
	return c.handed(ctx, m, sent, from, nil, false)
}

// sendEnds is deferred by Send: it releases the lock, and catches a panic of the machine.
func (c *Conn) sendEnds(asking *bool, err *error) {
	if *asking {
		if r := recover(); r != nil {
			*err = notSent(c.s.Machine().Panicked(r))
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
		return c.unsentSince(from, c.s.Life().Err())
	}
	w := c.newWaiter()
	w.Wants(n)
	c.s.Sending().Confirms().Insert(w) // in the order of sending
	c.ensureReader()
	return c.unsentSince(from, c.await(ctx, c.s.Sending().Confirms(), w))
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
	w := c.newWaiter()
	w.Asks(m)
	_, from, err := c.send(ctx, m, w, true)
	if err != nil {
		if w.Enlisted() {
			c.s.Ready().Remove(w)
		}
		return Message{}, err
	}
	c.ensureReader()
	answer, err := c.received(ctx, w)
	return answer, c.unsentSince(from, err)
}

// send hands m to the machine when its turn has come, and returns how many
// messages must be confirmed for it to be, and how many bytes leave before it.
// receiver, if not nil, will get the next message. waits says that the caller waits
// for what the peer answers. It is called, and returns, with the lock held.
func (c *Conn) send(ctx context.Context, m Message, receiver *session.Waiter, waits bool) (n, from uint64, err error) {
	if err := c.takeTurn(ctx); err != nil {
		return 0, 0, notSent(err)
	}
	if len(c.s.Transform()) > 0 {
		plain, buf, err := c.transformed(m)
		if err != nil {
			c.releaseTurn()
			return 0, 0, notSent(err)
		}
		defer bufpool.Put(buf)
		if err := c.s.Life().Failure(); err != nil {
			return 0, 0, &notSentError{err, true}
		}
		m = plain
	}
	from = c.stats.BytesOut
	sent, err := c.s.Hand(m)
	if receiver != nil && err == nil {
		c.s.Ready().Push(receiver)
		c.s.Room().All(nil)
	}
	n = c.s.Sending().Sent()
	return n, from, c.handed(ctx, m, sent, from, err, waits)
}

// handed sees to it that a message which has been handed to the machine leaves,
// and gives the turn back as soon as the next one may follow. from is how many bytes
// leave before it.
func (c *Conn) handed(ctx context.Context, m Message, sent wire.Sent, from uint64, err error, waits bool) error {
	switch {
	case err != nil:
		c.releaseTurn()
		c.flush(flushDeferred)
		return notSent(err)
	case sent.Body == wire.BodyNone:
		c.releaseTurn()
		if !waits && !c.s.Handling() && c.s.Out().Burst(time.Since(c.cfg.epoch)) {
			c.flush(flushAside)
			return nil
		}
		end := c.stats.BytesOut
		c.flush(flushDeferred)
		if c.s.Out().Gone() < end { // if the connection is gone, they are too
			return c.unsentSince(from, c.s.Life().Failure())
		}
		return nil
	case sent.Body == wire.BodyFollows:
		w := session.SegmentWaiter()
		c.s.QueueBody(m.Bytes(), nil, w)
		c.s.BodySent()
		c.releaseTurn()
		return c.unsentSince(from, c.awaitSegment(ctx, w))
	default:
		w := session.SegmentWaiter()
		c.s.Sending().Hold(&session.Held{Body: m.Bytes(), Sender: w})
		return c.awaitSegment(ctx, w)
	}
}

// unsent is called when the machine has refused a message. A plugin may have
// counted it already, and the peer's would wait for it: then the connection
// can't go on.
func (c *Conn) unsent(err error) {
	if len(c.s.Transform()) > 0 {
		c.cut(fmt.Errorf("parley: a message was lost behind the plugins: %w", err))
	}
}

// takeTurn waits until the next message may be handed to the machine, and
// reserves that for the caller.
func (c *Conn) takeTurn(ctx context.Context) error {
	if !c.free(ctx) {
		if err := c.sendable(); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return c.ctxErr(ctx)
		}
	}
	if c.mayTurn() && c.s.Sending().Turns().Empty() {
		c.s.Sending().Take()
		return nil
	}
	w := session.NewWaiter(nil)
	c.s.Sending().Turns().Push(w)
	c.passTurn()
	c.flush(flushNow)
	if w.Enlisted() && !c.cfg.traits.Lockstep {
		c.ensureReader()
	}
	if err := c.await(ctx, c.s.Sending().Turns(), w); err != nil {
		return err
	}
	if err := c.sendable(); err != nil { // it ended between the signal and now
		c.releaseTurn()
		return err
	}
	return nil
}

// free: neither the connection nor ctx has ended, and the output is not full.
func (c *Conn) free(ctx context.Context) bool {
	if c.s.Life().Ending() || c.s.Life().Reset() || c.s.Sending().Ours() != session.DirectionOpen || c.s.Filled() {
		return false
	}
	return c.outlives(ctx)
}

// outlives: ctx has not ended, unless c has.
func (c *Conn) outlives(ctx context.Context) bool {
	own, ok := ctx.(connContext) // it ends with its connection
	return ok && own.c == c || ctx.Err() == nil
}

// sendable says why nothing can be sent any more.
func (c *Conn) sendable() error {
	if err := c.s.Life().Failure(); err != nil {
		return &notSentError{err, true}
	}
	if c.s.Life().Ending() {
		return &notSentError{c.s.Life().Reason(), true}
	}
	if c.s.Sending().Ours() != session.DirectionOpen {
		return &notSentError{errOursEnded, true}
	}
	return nil
}

func (c *Conn) mayTurn() bool {
	if c.s.Sending().Turn() != session.TurnFree || c.s.Filled() {
		return false
	}
	if !c.cfg.traits.TakesTurns {
		return true
	}
	switch {
	case c.cfg.limits.overrun(c.s.Inbox(), session.InboxSlack):
		return true // nothing more is read, and a peer that sends so much ahead is no original
	case c.s.Life().Draining(), c.s.Reader() == session.ReaderInStream, c.s.Reader() == session.ReaderGone:
		// a message of the peer may have begun; the program decides when that goes on, if ever
	case !c.s.Assembly().Idle(), c.s.Talk().Unread():
		return false // the reader passes the turn when it has read that
	}
	ours, again := c.s.OurTurn(time.Now(), poller.Unsent(c.nc) > 0, c.cfg.timeouts.Turn)
	if again > 0 {
		c.passTurnAfter(again)
	}
	return ours
}

// releaseTurn lets the next sender go on.
func (c *Conn) releaseTurn() {
	c.s.Sending().Give()
	c.passTurn()
	c.checkDrained()
}

func (c *Conn) passTurn() {
	for !c.s.Sending().Turns().Empty() && c.mayTurn() {
		w := c.s.Sending().PopTurn()
		if !w.Post() {
			c.s.Sending().Take()
			w.Signal(nil)
			return
		}
		err := c.post(&broadcast{m: w.Msg(), body: w.Pool()})
		c.s.Out().Part(w.Pool())
		if err != nil && c.cfg.logger != nil {
			c.cfg.logger.Warn("broadcast failed", "conn", c.id, "peer", c.peer(), "error", err)
		}
	}
}

// granted sends the held body.
func (c *Conn) granted() {
	if c.s.Sending().Held() == nil {
		return
	}
	c.s.Owed() // what is owed leaves before the body; if the machine fails it is still held
	h, stream := c.s.Sending().Unhold()
	if h == nil {
		return
	}
	if stream {
		h.Sender.Signal(nil)
		return
	}
	c.s.QueueShared(session.Segment{Bytes: h.Body, Whole: h.Whole, Done: h.Sender, Pool: h.Pool})
	c.s.Out().Part(h.Pool)
	c.s.BodySent()
	c.releaseTurn()
	c.flush(flushNow)
}
