package app

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/internal/loglimit"
)

// NewLogger returns the log of a command. What peers can have written to it is
// bounded over all servers of the command.
func NewLogger(w io.Writer, level slog.Level, form logForm) *slog.Logger {
	o := &slog.HandlerOptions{Level: level}
	var h slog.Handler = slog.NewTextHandler(w, o)
	if form == LogJSON {
		h = slog.NewJSONHandler(harmless{w}, o)
	}
	return slog.New(loglimit.New(hints{h}))
}

// hints adds to the end of a connection what the peer may have been.
type hints struct{ slog.Handler }

// Handle logs one record.
func (h hints) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "connection closed" {
		r.Attrs(func(a slog.Attr) bool {
			err, ok := a.Value.Any().(error)
			if !ok || a.Key != "reason" {
				return true
			}
			if hint := whoWasThat(err); hint != "" {
				r.AddAttrs(slog.String("hint", hint))
			}
			return false
		})
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs keeps the handler's behaviour.
func (h hints) WithAttrs(attrs []slog.Attr) slog.Handler { return hints{h.Handler.WithAttrs(attrs)} }

// WithGroup keeps the handler's behaviour.
func (h hints) WithGroup(name string) slog.Handler { return hints{h.Handler.WithGroup(name)} }

// told is the log of a command that itself tells each message that is lost.
type told struct{ slog.Handler }

// Handle logs one record, unless the command tells it.
func (h told) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "message lost" {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs keeps the handler's behaviour.
func (h told) WithAttrs(attrs []slog.Attr) slog.Handler { return told{h.Handler.WithAttrs(attrs)} }

// WithGroup keeps the handler's behaviour.
func (h told) WithGroup(name string) slog.Handler { return told{h.Handler.WithGroup(name)} }

// TellsLost is for a command whose Receive hands it each message that is lost, and
// which tells it: the log of its connections does not say the same once more.
func TellsLost(d *parley.Dialer) {
	if d.Logger != nil {
		d.Logger = slog.New(told{d.Logger.Handler()})
	}
}

// Arrivals says how many bytes have arrived at who writes to l, which may log more
// the more that are.
func Arrivals(l *slog.Logger, total func() uint64) { loglimit.New(l.Handler()).Add(total) }

// FlushLog tells what was left out of the log.
func FlushLog(l *slog.Logger) {
	if l != nil {
		loglimit.New(l.Handler()).Flush()
	}
}

// whoWasThat guesses what a client of a server spoke that broke the rules so.
func whoWasThat(err error) string {
	var p *parley.ProtocolError
	if errors.As(err, &p) && p.Protocol == "oneline" && p.Offset == 1 {
		return "one byte and then nothing: it may have been a tinyproto client"
	}
	return ""
}
