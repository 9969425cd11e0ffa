package main

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
	exitOK          = 0
	exitFail        = 1 // an error reply, a failed check, any other error
	exitUsage       = 2
	exitConnect     = 3
	exitTimeout     = 4
	exitProtocol    = 5
	exitTLS         = 6
	exitInterrupted = 130
)

// usageError marks a mistake on the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// asUsage marks err as one.
func asUsage(err error) error { return usageError{err} }

// usagef returns a usageError.
func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// fault is an error whose exit code is known better than its cause tells, and
// what to do about it.
type fault struct {
	code int
	err  error
	hint string // or ""
}

func (f *fault) Error() string {
	if f.hint == "" {
		return f.err.Error()
	}
	return f.err.Error() + "\n  " + f.hint
}

func (f *fault) Unwrap() error { return f.err }

// exitCode returns the exit code that an error stands for. It is the only
// place that decides it.
func exitCode(err error) int {
	var known *fault
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &known):
		return known.code
	case errors.As(err, new(usageError)), isMissing(err):
		return exitUsage
	case isTLS(err):
		return exitTLS
	case errors.As(err, new(*parley.ProtocolError)) && !errors.Is(err, parley.ErrTooLarge): // that limit is ours
		return exitProtocol
	case isTimeout(err):
		return exitTimeout
	case isDial(err):
		return exitConnect
	}
	return exitFail
}

// isMissing reports whether a file is not there: the command line names it.
func isMissing(err error) bool {
	var path *fs.PathError
	return errors.As(err, &path) && errors.Is(path, fs.ErrNotExist)
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded) ||
		errors.As(err, &ne) && ne.Timeout()
}

// isDial reports whether err says that there is no connection at all.
func isDial(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && (op.Op == "dial" || op.Op == "listen") || errors.As(err, new(*net.DNSError))
}

// isTLS reports whether TLS itself has failed.
func isTLS(err error) bool {
	var op *net.OpError
	return errors.As(err, new(tls.RecordHeaderError)) ||
		errors.As(err, new(*tls.CertificateVerificationError)) ||
		errors.As(err, new(x509.UnknownAuthorityError)) ||
		errors.As(err, new(*pinError)) ||
		errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error") // a TLS alert
}

// pinError says that the peer has another certificate than the pinned one.
type pinError struct{ got string }

func (e *pinError) Error() string {
	return "the peer's certificate has the fingerprint " + e.got + ", which is not the one given with --pin"
}

// bare removes the library's own prefix from an error that gets another one.
func bare(err error) error {
	text := err.Error()
	for _, prefix := range []string{"parley: ", "transfer: "} {
		if rest, ok := strings.CutPrefix(text, prefix); ok {
			return &bared{rest, err}
		}
	}
	return err
}

// errInterrupted is what Ctrl-C asks for where it sends no signal.
var errInterrupted = &fault{code: exitInterrupted, err: errors.New("interrupted")}

type bared struct {
	text string
	err  error
}

func (b *bared) Error() string { return b.text }

func (b *bared) Unwrap() error { return b.err }
