package parley

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"sync/atomic"

	"github.com/parley-net/parley/internal/session"
	"github.com/parley-net/parley/wire"

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
	endedByHandler         // another goroutine has replaced it
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
	c.s.Abort(err)
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

// cutAside ends c because of err, from where its lock is held and it can't be now.
func (c *Conn) cutAside(err error) {
	go func() {
		c.lock()
		defer c.unlock()
		c.s.Abort(err)
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

// Faults counts what has gone wrong on the connections of a Server or Client, past
// and present: each is a reason to look into the log.
type Faults struct {
	Panics         uint64 // of handlers, hooks, machines and plugins; runtime.Goexit counts too
	HandlerErrors  uint64 // errors of handlers, and of OnOpen, that have ended a connection
	Timeouts       uint64 // connections that one of Timeouts has ended
	ProtocolErrors uint64 // connections that have ended because the peer broke the rules
	TLSFailures    uint64 // TLS handshakes that failed
}

// faults is what Faults is made of.
type faults struct{ panics, handlers, timeouts, violations, tls atomic.Uint64 }

// sum returns the counts.
func (f *faults) sum() Faults {
	return Faults{f.panics.Load(), f.handlers.Load(), f.timeouts.Load(), f.violations.Load(), f.tls.Load()}
}

// crash is the error of a panic.
type crash struct{ error }

// Unwrap returns what the panic was about.
func (e crash) Unwrap() error { return errors.Unwrap(e.error) }

// isCrash reports whether err is that of a panic.
func isCrash(err error) bool { return errors.As(err, new(crash)) }

// returned counts an error that the program's code has returned, and which ends its
// connection.
func (f *faults) returned(err error) {
	if !isCrash(err) { // which has been counted
		f.handlers.Add(1)
	}
}

// ended counts why a connection ends at once; begun is why its end had begun
// before, if it had. Before it has opened a peer that refuses us is one that speaks
// something else.
func (f *faults) ended(err, begun error, opened bool) {
	switch err.(type) {
	case *TimeoutError:
		if err != begun { // which a handler may have returned
			f.timeouts.Add(1)
		}
	case *ProtocolError:
		f.violations.Add(1)
	case *RefusedError:
		if !opened {
			f.violations.Add(1)
		}
	}
}

// logged says how much arrives at who writes to l. The function it returns is to
// be called at the end, when nothing is logged any more.
func logged(l *slog.Logger, arrived func() uint64) func() {
	if l == nil {
		return func() {}
	}
	h := loglimit.New(l.Handler())
	source := h.Add(arrived)
	return func() {
		h.Remove(source)
		h.Flush()
	}
}

// endLevel is the level at which the end of the connection is logged: a warning if
// a client should not have ended so. That a peer goes away, or is idle for too
// long, is normal; a program that has dialled is told itself.
func endLevel(role wire.Role, err error) slog.Level {
	if role == wire.Dialing {
		return slog.LevelInfo
	}
	for _, normal := range []error{ErrPeerClosed, ErrClosed, ErrServerClosed, os.ErrDeadlineExceeded} {
		if errors.Is(err, normal) {
			return slog.LevelInfo
		}
	}
	var ne net.Error
	if errors.As(err, new(*ConnError)) || errors.As(err, &ne) && ne.Timeout() {
		return slog.LevelInfo
	}
	return slog.LevelWarn
}
