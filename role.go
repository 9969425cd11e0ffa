package parley

import (
	"github.com/parley-net/parley/internal/session"
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

// promote gives c, which is attached to a loop, a goroutine of its own that
// reads on. It is called with the lock held.
func (c *Conn) promote() {
	c.driver.leaveRunner()
	c.succeed().Release()
}

// succeed has a new goroutine read on, with a copy of the input; what that was before,
// from which the program's code may borrow, is returned.
func (c *Conn) succeed() (was *session.Input) {
	c.driver.forgetEvent() // the other one is in use
	was = c.s.Fork()
	c.gen++
	c.s.ReaderIs(session.ReaderBusy)
	c.goroutines++
	go reader{c, c.gen}.read()
	return was
}

// wait waits until something has changed. It returns false if the goroutine is a loop's,
// which must not wait and has given the role to one of the connection's own.
func (r reader) wait() bool {
	if r.c.driver.onLoop() {
		r.c.promote()
		return false
	}
	r.c.park()
	return true
}

// park blocks the reading goroutine until something has changed.
func (c *Conn) park() {
	w := session.NewWaiter(nil)
	was := c.s.Reader()
	if was == session.ReaderBusy {
		c.s.ReaderIs(session.ReaderParked)
	}
	c.s.ReaderWake().Push(w)
	if was == session.ReaderBusy && c.s.Life().Watched() && c.s.ReadFailed() == nil {
		c.lookOut(w)
	} else {
		c.unlock()
		<-w.Ch()
		c.lock()
	}
	c.s.ReaderIs(was)
}

// counted runs f on the goroutine, and does what is left to do if that is ended. own is
// what the input was when it began.
func (r reader) counted(own *session.Input, f func()) {
	c, returned := r.c, false
	defer func() {
		switch {
		case returned:
		case c.endedBy == endedByHandler:
			c.unlock()
		case c.endedBy == endedByMachine:
			r.endTurn(own)
		}
	}()
	f()
	returned = true
}

// start begins reading on a new goroutine. It is called with the lock held.
func (c *Conn) start() {
	c.driver.equip(c.nc)
	c.goroutines++
	go reader{c, c.gen}.read()
}
