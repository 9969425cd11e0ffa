package parley

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"

	"github.com/parley-net/parley/internal/session"

	"github.com/parley-net/parley/internal/loglimit"
)

// The program's code (a handler, a hook, a trace function, a logger, a callback of
// TLS) may panic, or end its goroutine with runtime.Goexit, as t.Fatal does. Either
// costs the connection that it ran for, and nothing else. What runs once or seldom
// runs on a goroutine of its own, where both are the same. A handler of messages
// runs on the reading goroutine: if that is ended, another one succeeds it. A machine
// and a plugin run on whatever goroutine needs them: if that is one of the
// connection's own, counted does what is left to do, and else the caller ends, and
// releases the lock.

// fault is how a function has ended that did not return.
type fault struct {
	value any // of panic, or errGoexit
	stack []byte
}

// endedBy is what has ended a goroutine of a connection, which holds the lock from
// then on until it has unwound.
type endedBy uint8

const (
	endedByNothing endedBy = iota
	endedByHandler         // another goroutine has succeeded it
	endedByMachine         // or by a plugin, and the connection has been cut
)

// machine reports, once, whether it was the machine or a plugin: that has been counted.
func (e *endedBy) machine() bool {
	was := *e == endedByMachine
	if was {
		*e = endedByNothing
	}
	return was
}

// forsaken ends the connection, because of err, as the machine or a plugin has ended the
// goroutine, which can't go on; see counted.
func (c *Conn) forsaken(err error) {
	c.endedBy = endedByMachine
	c.s.Cut(err)
}

// counted runs f on a goroutine that counts as c's and never has the reader's role, and
// does what is left to do if that is ended.
func (c *Conn) counted(f func()) { reader{c, noRole}.counted(nil, f) }

// noRole is the generation of a goroutine that never has the reader's role.
const noRole = -1

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
			r.passed(own)
		}
	}()
	f()
	returned = true
}

// aside runs f on a goroutine of its own, waits for it, and returns nil if it has
// returned.
func aside(f func()) *fault {
	ended := make(chan *fault, 1)
	go func() {
		at := &fault{value: session.ErrGoexit}
		defer func() {
			if r := recover(); r != nil {
				at = &fault{r, debug.Stack()}
			}
			ended <- at
		}()
		f()
		at = nil
	}()
	return <-ended
}

// hook runs f, the program's code, and makes an error of a panic.
func (c *Conn) hook(f func() error) (err error) {
	at := aside(func() { err = f() })
	if at == nil {
		return err
	}
	c.lock()
	known := at.value == session.ErrGoexit && c.endedBy.machine()
	c.unlock()
	return c.failed(at, known)
}

// failed makes an error of what the program's code did instead of returning; known: it
// has been counted.
func (c *Conn) failed(at *fault, known bool) error {
	if !known {
		c.cfg.faults.panics.Add(1)
	}
	if c.cfg.logger != nil && !known {
		c.cfg.logger.Error("panic", "conn", c.id, "peer", c.peer(), "panic", at.value, "stack", string(at.stack))
	}
	if at.value == session.ErrGoexit {
		return crash{fmt.Errorf("parley: while serving %s %w", c.peer(), session.ErrGoexit)}
	}
	return crash{fmt.Errorf("parley: panic while serving %s: %v", c.peer(), at.value)}
}

// handle runs the handler on the reading goroutine, which borrows from in.
func (r reader) handle(in *session.Input, m Message) (err error) {
	c := r.c
	returned := false
	defer func() {
		if returned {
			return
		}
		if v := recover(); v != nil {
			err = c.failed(&fault{v, debug.Stack()}, false)
		} else {
			r.succeeded(in)
		}
	}()
	err = c.cfg.serve(c.Context(), c, m)
	returned = true
	return err
}

// succeeded is called, without the lock, by a goroutine of c that the handler has
// ended: another one goes on where it was. It takes the lock; see endedBy.
func (r reader) succeeded(in *session.Input) {
	c := r.c
	c.lock()
	known := c.endedBy.machine()
	c.unlock()
	err := c.failed(&fault{value: session.ErrGoexit}, known)
	c.lock()
	if r.has() {
		if in.Kind() == session.InputLent { // by a loop that another goroutine runs from now on
			rest := in.Fork()
			in = &rest
			c.s.ReadFrom(in)
		}
		c.leaveRunner()
		c.unequip()
	}
	c.unlock()
	go func() { // it counts as the one that ends
		r.counted(in, func() {
			c.lock()
			more := r.handled(in, err)
			c.equip(c.nc)
			r.readOn(more && r.process())
		})
	}()
	c.lock()
	c.endedBy = endedByHandler
}

// cutAside ends c because of err, from where its lock is held and it can't be now.
func (c *Conn) cutAside(err error) {
	go func() {
		c.lock()
		defer c.unlock()
		c.s.Cut(err)
	}()
}

// quietly is a logger's handler whose faults harm nobody: the line is lost.
type quietly struct{ slog.Handler }

// guarded returns a logger that can neither panic nor end a goroutine, and in which
// peers can't have written as much as they like; nil if there is none.
func guarded(l *slog.Logger) *slog.Logger {
	if l == nil {
		return nil
	}
	h := l.Handler()
	if _, bounded := h.(*loglimit.Handler); !bounded {
		h = loglimit.New(quietly{h})
	}
	return slog.New(h)
}

func (q quietly) Handle(ctx context.Context, r slog.Record) (err error) {
	aside(func() { err = q.Handler.Handle(ctx, r) })
	return err
}

func (q quietly) WithAttrs(attrs []slog.Attr) slog.Handler {
	return quietly{q.Handler.WithAttrs(attrs)}
}

func (q quietly) WithGroup(name string) slog.Handler { return quietly{q.Handler.WithGroup(name)} }
