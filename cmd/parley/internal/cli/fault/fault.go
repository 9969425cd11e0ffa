// Package fault is what goes wrong: errors with the exit code that they stand for and
// what to do, and mistakes on a command line in our own words.
package fault

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"

	"github.com/parley-net/parley"
)

// The exit codes; "parley help exit-codes" explains them.
const (
	OK          = 0
	Fail        = 1 // an error reply, a failed check, any other error
	Usage       = 2
	Connect     = 3
	Timeout     = 4
	Protocol    = 5
	TLS         = 6
	Interrupted = 130
)

// usageError marks a mistake on the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// AsUsage marks err as one.
func AsUsage(err error) error { return usageError{err} }

// Usagef returns a usageError.
func Usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// Error is an error whose exit code is known better than its cause tells, and
// what to do about it.
type Error struct {
	Code int
	Err  error
	Hint string // or ""
}

func (f *Error) Error() string {
	if f.Hint == "" {
		return f.Err.Error()
	}
	return f.Err.Error() + "\n  " + f.Hint
}

func (f *Error) Unwrap() error { return f.Err }

// Code returns the exit code that an error stands for. It is the only
// place that decides it.
func Code(err error) int {
	var known *Error
	switch {
	case err == nil:
		return OK
	case errors.As(err, &known):
		return known.Code
	case errors.As(err, new(usageError)), IsMissing(err):
		return Usage
	case IsTLS(err):
		return TLS
	case errors.As(err, new(*parley.ProtocolError)) && !errors.Is(err, parley.ErrTooLarge): // that limit is ours
		return Protocol
	case IsTimeout(err):
		return Timeout
	case IsDial(err):
		return Connect
	}
	return Fail
}

// IsMissing reports whether a file is not there: the command line names it.
func IsMissing(err error) bool {
	var path *fs.PathError
	return errors.As(err, &path) && errors.Is(path, fs.ErrNotExist)
}

func IsTimeout(err error) bool {
	var ne net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) ||
		errors.As(err, &ne) && ne.Timeout()
}

// IsDial reports whether err says that there is no connection at all.
func IsDial(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && (op.Op == "dial" || op.Op == "listen") || errors.As(err, new(*net.DNSError))
}

// IsTLS reports whether TLS itself has failed.
func IsTLS(err error) bool {
	var op *net.OpError
	return errors.As(err, new(tls.RecordHeaderError)) ||
		errors.As(err, new(*tls.CertificateVerificationError)) ||
		errors.As(err, new(x509.UnknownAuthorityError)) ||
		errors.As(err, new(*PinError)) ||
		errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error") // a TLS alert
}

// PinError says that the peer has another certificate than the pinned one.
type PinError struct{ Got string }

func (e *PinError) Error() string {
	return "the peer's certificate has the fingerprint " + e.Got + ", which is not the one given with --pin"
}

// Bare removes the library's own prefix from an error that gets another one.
func Bare(err error) error {
	text := err.Error()
	for _, prefix := range []string{"parley: ", "transfer: "} {
		if rest, ok := strings.CutPrefix(text, prefix); ok {
			return &bared{rest, err}
		}
	}
	return err
}

// ErrInterrupted is what Ctrl-C asks for where it sends no signal.
var ErrInterrupted = &Error{Code: Interrupted, Err: errors.New("interrupted")}

type bared struct {
	text string
	err  error
}

func (b *bared) Error() string { return b.text }

func (b *bared) Unwrap() error { return b.err }
