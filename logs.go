package parley

import (
	"errors"
	"log/slog"
	"net"
	"os"

	"github.com/parley-net/parley/internal/loglimit"
	"github.com/parley-net/parley/wire"
)

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
