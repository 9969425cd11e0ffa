package parley

import (
	"net"

	"github.com/parley-net/parley/wire"
)

// driver is what the goroutine with the reader's role works with, and which goroutine that
// is: one of the connection's own, or the runner of an event loop. While a handler runs on
// it, another one may take the role over: Conn.gen tells the old one that it has lost it.
// Which of them it is, is asked here alone.
type driver struct {
	event        *wire.Event // the last one; nil: of nobody
	io           *transport  // for who may wait; nil: a loop tells when there is something to read
	runner       *runner     // of the loop that serves the connection now, or nil
	pendingEvent bool        // a loop saw an event while another goroutine served it
}

// equip makes what a goroutine needs that reads from nc.
func (d *driver) equip(nc net.Conn) {
	if d.event == nil { // else there may be an offer to be decided about
		d.event = new(wire.Event)
	}
	if d.io == nil {
		d.io = newTransport(nc)
	}
}

// try writes what the kernel takes of p without blocking.
func (d *driver) try(nc net.Conn, p []byte) (int, error) {
	if lc := looped(nc); lc != nil {
		return lc.TryWrite(p)
	}
	return d.io.try(p)
}

// unequip lets go of what equip has made.
func (d *driver) unequip() { d.event, d.io = nil, nil }

// forgetEvent lets go of the event, which refers to buffers. Who writes may still be
// inside of io.
func (d *driver) forgetEvent() { d.event = nil }

// decide leaves an offer to the goroutine that takes the role over.
func (d *driver) decide(offer wire.Event) { d.event = &offer }

// serveBy notes that a loop's runner has the role.
func (d *driver) serveBy(by *runner) { d.runner, d.event, d.pendingEvent = by, &by.event, false }

// onLoop reports whether a loop's runner has the role: it has other connections to serve,
// and must not wait.
func (d *driver) onLoop() bool { return d.runner != nil }

// leaveRunner returns the runner that has had the role, or nil.
func (d *driver) leaveRunner() *runner {
	by := d.runner
	d.runner = nil
	return by
}

// leaveLoop gives a loop that runs a handler for the connection another goroutine, as
// that is going to wait.
func (d *driver) leaveLoop() {
	if by := d.leaveRunner(); by != nil {
		by.Leave()
	}
}

// notePending notes that a loop has seen an event.
func (d *driver) notePending() { d.pendingEvent = true }

// looped returns nc if an event loop tells when it can be read, or nil.
func looped(nc net.Conn) *loopConn {
	lc, _ := nc.(*loopConn)
	return lc
}
