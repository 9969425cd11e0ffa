package main

import (
	"context"
	"errors"
	"io"
	"log/slog"

	"github.com/parley-net/parley"
)

// newLogger returns the log of a command: warnings, with verbose 1 connections
// too, with 2 everything.
func newLogger(w io.Writer, verbose int) *slog.Logger {
	level := slog.LevelWarn - slog.Level(4*verbose)
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

// logHandler is the log of a server. It raises the end of a connection to a
// warning if it was not a proper one, and says what the peer may have been. (A
// client's command says so itself.)
type logHandler struct{ slog.Handler }

// Enabled lets the end of connections through to Handle.
func (h *logHandler) Enabled(_ context.Context, l slog.Level) bool {
	return l >= slog.LevelInfo || h.Handler.Enabled(context.Background(), l)
}

// Handle logs one record.
func (h *logHandler) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == "connection closed" {
		r.Attrs(func(a slog.Attr) bool {
			err, ok := a.Value.Any().(error)
			if !ok || a.Key != "reason" {
				return true
			}
			if isAbnormal(err) {
				r.Level = slog.LevelWarn
			}
			if hint := whoWasThat(err); hint != "" {
				r.AddAttrs(slog.String("hint", hint))
			}
			return false
		})
	}
	if !h.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs keeps the handler's behaviour.
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &logHandler{h.Handler.WithAttrs(attrs)}
}

// WithGroup keeps the handler's behaviour.
func (h *logHandler) WithGroup(name string) slog.Handler {
	return &logHandler{h.Handler.WithGroup(name)}
}

// isAbnormal reports whether a connection should not have ended so. That a
// peer goes away, or is idle for too long, is normal.
func isAbnormal(err error) bool {
	for _, normal := range []error{parley.ErrPeerClosed, parley.ErrClosed, parley.ErrServerClosed} {
		if errors.Is(err, normal) {
			return false
		}
	}
	return !errors.As(err, new(*parley.ConnError)) && !isTimeout(err)
}

// whoWasThat guesses what a client of a server spoke that broke the rules so.
func whoWasThat(err error) string {
	var p *parley.ProtocolError
	if errors.As(err, &p) && p.Protocol == "oneline" && p.Offset == 1 {
		return "one byte and then nothing: it may have been a tinyproto client"
	}
	return ""
}
