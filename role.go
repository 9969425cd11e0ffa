package parley

import (
	"net"

	"github.com/parley-net/parley/internal/session"

	"github.com/parley-net/parley/wire"
)

// One goroutine at a time has the reader's role of a connection. This is how it
// changes hands.

// reader is a goroutine that has the reader's role, or has had it: while the program's code
// runs on it, another one may take the role over.
type reader struct {
	c   *Conn
	gen int32 // Conn.gen when it was given the role
}

// has reports whether the goroutine still has the role.
func (r reader) has() bool { return r.gen == r.c.gen }

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

// try writes what the kernel takes of p without blocking.
func (r *reading) try(nc net.Conn, p []byte) (int, error) {
	if lc := looped(nc); lc != nil {
		return lc.TryWrite(p)
	}
	return r.io.try(p)
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

// leaveLoop gives a loop that runs a handler for the connection another goroutine, as
// that is going to wait.
func (r *reading) leaveLoop() {
	if by := r.leaveRunner(); by != nil {
		by.Leave()
	}
}

// miss notes that a loop has seen an event.
func (r *reading) miss() { r.missed = true }

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
	c.forgetEvent() // the other one is in use
	c.s.Fork()      // the program's code may borrow from the old input
	c.gen++
	c.s.ReaderIs(session.ReaderBusy)
	c.goroutines++
	go reader{c, c.gen}.read()
}

// promote gives c, which is attached to a loop, a goroutine of its own that
// reads on. It is called with the lock held.
func (c *Conn) promote() {
	c.forgetEvent()
	c.s.Fork().Release()
	c.leaveRunner()
	c.gen++
	c.s.ReaderIs(session.ReaderBusy)
	c.goroutines++
	go reader{c, c.gen}.read()
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
