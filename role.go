package parley

import (
	"time"

	"github.com/parley-net/parley/wire"
)

// One goroutine at a time has the reader's role of a connection. This is how it
// changes hands.

// readerState tells what the goroutine with the reader's role is doing.
type readerState uint8

const (
	readerBusy      readerState = iota // reading, or running the machine
	readerInHandler                    // in a handler: the role can be taken over
	readerInStream                     // parked: a Stream reads
	readerParked                       // parked: the inbox is full
	readerAttached                     // none: a loop tells when there is something to read
	readerGone                         // ended
)

// ensureReader makes sure that somebody reads while the caller waits: if the
// reader's role belongs to a goroutine that is in a handler, a new goroutine
// takes it over; a parked one looks again whether it can go on. It is called
// with the lock held.
func (c *Conn) ensureReader() {
	c.room.all(nil)
	c.ended() // what is waited for may not come any more
	if c.reader != readerInHandler || c.stream != nil || c.err != nil {
		return
	}
	c.leaveLoop()
	rest := c.in.fork()
	c.in = &rest
	c.event = nil // the other one is in use
	c.gen++
	c.reader = readerBusy
	c.goroutines++
	go c.read()
}

// promote gives c, which is attached to a loop, a goroutine of its own that
// reads on. It is called with the lock held.
func (c *Conn) promote() {
	rest := c.in.fork()
	c.in.release()
	c.in = &rest
	c.runner = nil
	c.event = nil // it is the loop's
	c.gen++
	c.reader = readerBusy
	c.goroutines++
	go c.read()
}

// resume goes on with an offer that a loop has left to this goroutine.
func (c *Conn) resume(gen int32) bool {
	return c.event.Kind != wire.EventOffer || c.offered(gen, c.event)
}

// leaveLoop: the handler that a loop runs for c is going to wait, so the loop
// needs another goroutine. It is called with the lock held.
func (c *Conn) leaveLoop() {
	if r := c.runner; r != nil {
		c.runner = nil
		r.Leave()
	}
}

// park blocks the reading goroutine until something has changed.
func (c *Conn) park() {
	w := &waiter{ch: make(chan struct{}, 1)}
	was := c.reader
	if was == readerBusy {
		c.reader = readerParked
	}
	c.room.push(w)
	c.unlock()
	<-w.ch
	c.lock()
	c.reader = was
}

// arriving reports whether a message of the peer has begun and is being read.
func (c *Conn) arriving() bool {
	if c.draining || c.reader == readerInStream || c.reader == readerGone {
		return false // the program decides when that goes on, if ever
	}
	return !c.asm.idle() || c.extra.talk.unread
}

// waitsForTurn reports whether somebody waits until the peer has had its turn.
func (c *Conn) waitsForTurn() bool { return c.cfg.traits.TakesTurns && !c.turns.empty() }

// passTurnAfter calls passTurn after d, if somebody waits then.
func (c *Conn) passTurnAfter(d time.Duration) {
	if t := c.extra.talk; t.timer == nil {
		t.timer = time.AfterFunc(d, func() {
			c.lock()
			defer c.unlock()
			if !c.turns.empty() && c.err == nil {
				c.passTurn()
				c.flush() // what passTurn itself has sent
			}
		})
	} else {
		t.timer.Reset(d)
	}
}
