package parley

import (
	"errors"
	"sync/atomic"
)

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
