package parley

import (
	"context"
	"fmt"
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
	if !c.runs.exclusive() || c.filled() || !c.outlives(ctx) {
		c.entered()
		_, _, err := c.send(ctx, m, nil, false)
		return err
	}
	// In a batch nothing is in the way. This is hand and took, without what batch has
	// asked. A panic of the machine is caught by sendEnds.
	from := c.stats.BytesOut
	c.out.Grow(c.formSize(m))
	before := len(c.out.Tail())
	asking = true
	if c.out.Control() == session.ControlOwed {
		c.out.AppendControl(c.machine())
	}
	out, sent, err := c.m.Send(c.out.Tail(), m)
	asking = false
	c.still = 0 // see checked
	if err != nil || len(out) < len(c.out.Tail()) || sent.Body > wire.BodyHeld {
		_, _, err = c.machine().checked("Send", c.out.Tail(), out, sent, err)
		c.stats.put(len(c.out.Tail()) - before)
		c.flush(flushDeferred)
		return notSent(err)
	}
	c.out.Appended(out)
	if sent.Owes {
		c.out.Owe()
	}
	c.account(sent, len(out)-before)
	if c.runs == batchAlone && sent.Body == wire.BodyNone {
		return nil // the reader will flush
	}
	c.runs.meet()
	c.sending.Take()
	return c.handed(ctx, m, sent, from, nil, false)
}

// sendEnds is deferred by Send: it releases the lock, and catches a panic of the machine.
func (c *Conn) sendEnds(asking *bool, err *error) {
	if *asking {
		if r := recover(); r != nil {
			*err = notSent(c.machine().panicked(r))
		} else {
			c.machine().deserted()
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
	if c.life.Err() != nil {
		return c.unsentSince(from, c.life.Err())
	}
	w := c.newWaiter()
	w.Wants(n)
	c.sending.Confirms().Insert(w) // in the order of sending
	c.ensureReader()
	return c.unsentSince(from, c.await(ctx, c.sending.Confirms(), w))
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
			c.ready.Remove(w)
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
	if len(c.transform) > 0 {
		plain, buf, err := c.transformed(m)
		if err != nil {
			c.releaseTurn()
			return 0, 0, notSent(err)
		}
		defer bufpool.Put(buf)
		if err := c.life.Failure(); err != nil {
			return 0, 0, &notSentError{err, true}
		}
		m = plain
	}
	from = c.stats.BytesOut
	sent, err := c.hand(m)
	if receiver != nil && err == nil {
		c.ready.Push(receiver)
		c.room.All(nil)
	}
	n = c.sending.Sent()
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
		if !waits && !c.handling && c.out.Burst(time.Since(c.cfg.epoch)) {
			c.flush(flushAside)
			return nil
		}
		end := c.stats.BytesOut
		c.flush(flushDeferred)
		if c.out.Gone() < end { // if the connection is gone, they are too
			return c.unsentSince(from, c.life.Failure())
		}
		return nil
	case sent.Body == wire.BodyFollows:
		w := session.SegmentWaiter()
		c.queueBody(m.Bytes(), nil, w)
		c.bodySent()
		c.releaseTurn()
		return c.unsentSince(from, c.awaitSegment(ctx, w))
	default:
		w := session.SegmentWaiter()
		c.sending.Hold(&session.Held{Body: m.Bytes(), W: w})
		return c.awaitSegment(ctx, w)
	}
}

// hand gives m to the machine; what that owes leaves first.
func (c *Conn) hand(m Message) (wire.Sent, error) {
	c.out.Grow(c.formSize(m))
	c.owed()
	before := len(c.out.Tail())
	out, sent, err := c.machine().Send(c.out.Tail(), m)
	c.out.Appended(out)
	c.took(before, m, sent, err)
	return sent, err
}

// took accounts for what the machine has made of m: what stands behind before in
// the output, or an error.
func (c *Conn) took(before int, m Message, sent wire.Sent, err error) {
	if sent.Owes {
		c.out.Owe()
	}
	if err != nil {
		c.unsent(err)
		return
	}
	c.account(sent, len(c.out.Tail())-before)
	if c.cfg.trace != nil {
		c.traceOut("message", c.out.Tail()[before:], m)
	}
}

// formSize is how much room m's wire form may need in the output, more or less:
// a wire that announces sizes leaves a large payload out of it.
func (c *Conn) formSize(m Message) int {
	n := m.Len()
	if c.cfg.traits.Sized {
		n = min(n, 16<<10)
	}
	return n + n>>2 + 64
}

// unsent is called when the machine has refused a message. A plugin may have
// counted it already, and the peer's would wait for it: then the connection
// can't go on.
func (c *Conn) unsent(err error) {
	if len(c.transform) > 0 {
		c.cut(fmt.Errorf("parley: a message was lost behind the plugins: %w", err))
	}
}

// account counts a message that has just been handed to the machine, which made
// n bytes of it.
func (c *Conn) account(sent wire.Sent, n int) {
	c.stats.sentMessage()
	c.talked.Spoke()
	c.stats.put(n)
	c.sending.Accepted(sent)
	if c.cfg.traits.TakesTurns {
		c.extra.talk.spoken()
	}
	if cap(c.out.Tail()) > session.ReadSize {
		c.holds()
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
	if c.mayTurn() && c.sending.Turns().Empty() {
		c.sending.Take()
		return nil
	}
	w := session.NewWaiter(nil)
	c.sending.Turns().Push(w)
	c.passTurn()
	c.flush(flushNow)
	if w.Enlisted() && !c.cfg.traits.Lockstep {
		c.ensureReader()
	}
	if err := c.await(ctx, c.sending.Turns(), w); err != nil {
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
	if c.life.Ending() || c.life.Reset() || c.filled() {
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
	if err := c.life.Failure(); err != nil {
		return &notSentError{err, true}
	}
	if c.life.Ending() {
		return &notSentError{c.life.Reason(), true}
	}
	return nil
}

func (c *Conn) mayTurn() bool {
	if c.sending.Turn() != session.TurnFree || c.filled() {
		return false
	}
	if !c.cfg.traits.TakesTurns {
		return true
	}
	switch {
	case c.cfg.limits.overrun(&c.inbox, session.InboxSlack):
		return true // nothing more is read, and a peer that sends so much ahead is no original
	case c.arriving():
		return false // the reader passes the turn when it has read that
	}
	ours, again := c.ourTurn()
	if again > 0 {
		c.passTurnAfter(again)
	}
	return ours
}

// releaseTurn lets the next sender go on.
func (c *Conn) releaseTurn() {
	c.sending.Give()
	c.passTurn()
	c.checkDrained()
}

func (c *Conn) passTurn() {
	for !c.sending.Turns().Empty() && c.mayTurn() {
		w := c.sending.PopTurn()
		if !w.Post() {
			c.sending.Take()
			w.Signal(nil)
			return
		}
		err := c.post(&broadcast{m: w.Msg(), body: w.Pool()})
		c.out.Part(w.Pool())
		if err != nil && c.cfg.logger != nil {
			c.cfg.logger.Warn("broadcast failed", "conn", c.id, "peer", c.peer(), "error", err)
		}
	}
}

// granted sends the held body.
func (c *Conn) granted() {
	h, stream := c.sending.Unhold()
	if h == nil {
		return
	}
	c.owed() // what is owed leaves before the body
	if stream {
		h.W.Signal(nil)
		return
	}
	c.queueShared(session.Segment{B: h.Body, Whole: h.Whole, W: h.W, Pool: h.Pool})
	c.out.Part(h.Pool)
	c.bodySent()
	c.releaseTurn()
	c.flush(flushNow)
}

// bodySent tells the machine that the open body has been queued: what it owes
// since the body began may leave behind it.
func (c *Conn) bodySent() {
	c.machine().BodySent()
	c.out.Owe()
}
