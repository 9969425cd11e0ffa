package parley

import (
	"net"

	"github.com/parley-net/parley/internal/session"

	"github.com/parley-net/parley/wire"
)

// One goroutine at a time has the reader's role of a connection. This is how it
// changes hands.

// reading is what the goroutine with the reader's role works with. While a handler
// runs on it, another one may take the role over: Conn.gen tells the old one that it
// has lost it.
type reading struct {
	event  *wire.Event // the last one; nil: of nobody
	io     *transport  // for who may wait; nil: a loop tells when there is something to read
	runner *runner     // of the loop that serves the connection now, or nil
	missed bool        // a loop saw an event while another goroutine served it
}

// equip makes what a goroutine needs that reads from nc.
func (r *reading) equip(nc net.Conn) {
	if r.event == nil { // else there may be an offer to be decided about
		r.event = new(wire.Event)
	}
	if r.io == nil {
		r.io = newTransport(nc)
	}
}

// unequip lets go of what equip has made.
func (r *reading) unequip() { r.event, r.io = nil, nil }

// forgetEvent lets go of the event, which refers to buffers. Who writes may still be
// inside of io.
func (r *reading) forgetEvent() { r.event = nil }

// decide leaves an offer to the goroutine that takes the role over.
func (r *reading) decide(offer wire.Event) { r.event = &offer }

// serveBy notes that a loop's runner has the role.
func (r *reading) serveBy(by *runner) { r.runner, r.event, r.missed = by, &by.event, false }

// leaveRunner returns the runner that has had the role, or nil.
func (r *reading) leaveRunner() *runner {
	by := r.runner
	r.runner = nil
	return by
}

// miss notes that a loop has seen an event.
func (r *reading) miss() { r.missed = true }

// succeed gives the role's next goroutine a copy of the input. The old one, from
// which the program's code may borrow, is returned.
func (c *Conn) succeed() (was *session.Input) {
	c.event = nil // the other one is in use
	return c.s.Fork()
}

// ensureReader makes sure that somebody reads while the caller waits: if the
// reader's role belongs to a goroutine that is in a handler, a new goroutine
// takes it over; a parked one looks again whether it can go on. It is called
// with the lock held.
func (c *Conn) ensureReader() {
	c.s.Room().All(nil)
	c.s.FinishIfServed() // what is waited for may not come any more
	if c.s.Reader() != session.ReaderInHandler || c.stream != nil || c.s.Life().Err() != nil {
		return
	}
	c.leaveLoop()
	c.lend(c.lent + int64(c.s.In().Kept()))
	c.succeed()
	c.gen++
	c.s.ReaderIs(session.ReaderBusy)
	c.goroutines++
	go c.read()
}

// promote gives c, which is attached to a loop, a goroutine of its own that
// reads on. It is called with the lock held.
func (c *Conn) promote() {
	c.succeed().Release()
	c.leaveRunner()
	c.gen++
	c.s.ReaderIs(session.ReaderBusy)
	c.goroutines++
	go c.read()
}

// promoted is promote if a loop serves c, and reports whether it does.
func (c *Conn) promoted() bool {
	if c.runner == nil {
		return false
	}
	c.promote()
	return true
}

// leaveLoop: the handler that a loop runs for c is going to wait, so the loop
// needs another goroutine. It is called with the lock held.
func (c *Conn) leaveLoop() {
	if r := c.leaveRunner(); r != nil {
		r.Leave()
	}
}

// park blocks the reading goroutine until something has changed.
func (c *Conn) park() {
	w := session.NewWaiter(nil)
	was := c.s.Reader()
	if was == session.ReaderBusy {
		c.s.ReaderIs(session.ReaderParked)
	}
	c.s.Room().Push(w)
	if was == session.ReaderBusy && c.s.Life().Watched() && c.s.Broken() == nil {
		c.lookOut(w)
	} else {
		c.unlock()
		<-w.Ch()
		c.lock()
	}
	c.s.ReaderIs(was)
}
