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

// noRole is the generation of a goroutine that never has the reader's role.
const noRole = -1

// counted runs f on a goroutine that counts as c's, and does what is left to do if that
// is ended. gen and own are what they were when it began.
func (c *Conn) counted(gen int32, own *session.Input, f func()) {
	returned := false
	defer func() {
		switch {
		case returned:
		case c.endedBy == endedByHandler:
			c.unlock()
		case c.endedBy == endedByMachine:
			c.passed(gen, own)
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
func (c *Conn) handle(gen int32, in *session.Input, m Message) (err error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if r := recover(); r != nil {
			err = c.failed(&fault{r, debug.Stack()}, false)
		} else {
			c.succeeded(gen, in)
		}
	}()
	err = c.cfg.serve(c.Context(), c, m)
	returned = true
	return err
}

// succeeded is called, without the lock, by a goroutine of c that the handler has
// ended: another one goes on where it was. It takes the lock; see endedBy.
func (c *Conn) succeeded(gen int32, in *session.Input) {
	c.lock()
	known := c.endedBy.machine()
	c.unlock()
	err := c.failed(&fault{value: session.ErrGoexit}, known)
	c.lock()
	if gen == c.gen {
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
		c.counted(gen, in, func() {
			c.lock()
			more := c.handled(gen, in, err)
			c.equip(c.nc)
			c.readOn(gen, more && c.process(gen))
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
