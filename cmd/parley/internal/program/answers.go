package program

import (
	"errors"
	"sync"

	"github.com/parley-net/parley"
)

const (
	// maxAnswers is how many bytes of answers wait for one client, and allAnswers
	// how many of all clients, beyond what their connections hold.
	maxAnswers = 8 << 20
	allAnswers = 64 << 20
)

// errNotTaking: a client has left too many answers untaken.
var errNotTaking = errors.New("it does not take what the program answers")

// Answers are what a program that is shared has to say to its clients. Nobody waits
// for a client: what it does not take is held for it, up to a bound, at which its
// connection is cut.
type Answers struct {
	// Lost is told that n answers were not sent, as a connection has ended.
	Lost func(n int, err error)
	// Failed is told that m can't be sent on a connection.
	Failed func(m parley.Message, err error)
	// Cut is told that a connection was cut because of a bound.
	Cut func(c *parley.Conn, err error)

	mu   sync.Mutex
	by   map[*parley.Conn]*outbox // those to whom something is under way
	held int                      // bytes, of all
}

// outbox holds what is under way to one connection.
type outbox struct {
	waiting []parley.Message
	held    int  // bytes
	closing bool // the connection is to be closed behind them
}

// sizeOf is what m takes while it waits.
func sizeOf(m parley.Message) int { return m.Len() + 128 }

// Send sends m, which it keeps, to c, after what was sent before.
func (a *Answers) Send(c *parley.Conn, m parley.Message) {
	a.mu.Lock()
	defer a.mu.Unlock()
	box := a.by[c]
	if box == nil {
		if a.by == nil {
			a.by = make(map[*parley.Conn]*outbox)
		}
		box = &outbox{}
		a.by[c] = box
		go a.deliver(c, box)
	}
	box.waiting = append(box.waiting, m)
	box.held += sizeOf(m)
	a.held += sizeOf(m)
	if len(box.waiting) > 1 && box.held > maxAnswers {
		a.cut(c)
	}
	for a.held > allAnswers && len(a.by) > 1 {
		a.cut(a.largest())
	}
}

// Close closes c when all that was sent to it before has left.
func (a *Answers) Close(c *parley.Conn) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if box := a.by[c]; box != nil {
		box.closing = true
	} else {
		go c.Close()
	}
}

// Broadcast sends m to those of whom nothing is under way by all, and to the
// others after that; all gets the connections to leave out.
func (a *Answers) Broadcast(m parley.Message, all func(except ...*parley.Conn) error) error {
	a.mu.Lock()
	var busy []*parley.Conn
	for c := range a.by {
		busy = append(busy, c)
	}
	a.mu.Unlock()
	for _, c := range busy {
		a.Send(c, m)
	}
	return all(busy...)
}

// deliver sends what waits for c until nothing does.
func (a *Answers) deliver(c *parley.Conn, box *outbox) {
	for {
		a.mu.Lock()
		if len(box.waiting) == 0 {
			if a.by[c] == box {
				delete(a.by, c)
			}
			a.mu.Unlock()
			if box.closing {
				c.Close()
			}
			return
		}
		m := box.waiting[0]
		a.mu.Unlock()
		err := c.Send(c.Context(), m)
		a.mu.Lock()
		n := 0
		if len(box.waiting) > 0 { // it was not cut meanwhile
			box.waiting = box.waiting[1:]
			box.held -= sizeOf(m)
			a.held -= sizeOf(m)
			n = 1
		}
		if err != nil && c.Err() != nil {
			n += a.drop(box)
		}
		a.mu.Unlock()
		switch {
		case err == nil:
		case c.Err() == nil:
			a.Failed(m, err)
		default:
			a.Lost(max(n, 1), err)
		}
	}
}

// What follows is called with the lock held.

// drop forgets what waits and returns how many messages it was.
func (a *Answers) drop(box *outbox) int {
	n := len(box.waiting)
	a.held -= box.held
	box.waiting, box.held = nil, 0
	return n
}

// cut ends the connection of somebody who does not take answers.
func (a *Answers) cut(c *parley.Conn) {
	n := a.drop(a.by[c]) - 1 // the first one is being sent, and fails
	delete(a.by, c)
	go func() {
		a.Cut(c, errNotTaking)
		c.CloseNow()
		if n > 0 {
			a.Lost(n, errNotTaking)
		}
	}()
}

// largest is the connection for which most is held.
func (a *Answers) largest() (most *parley.Conn) {
	for c, box := range a.by {
		if most == nil || box.held > a.by[most].held {
			most = c
		}
	}
	return most
}
