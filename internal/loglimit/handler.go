// Package loglimit bounds what peers can make a program log, without losing
// count: a few lines for each connection and kind, so many a second over all, and
// a summary of the others once a second.
package loglimit

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net"
	"strconv"
)

// Handler is a slog.Handler that bounds the records that have a "peer" or a
// "client" among their attributes, or in their place "for", a client for whom a
// connection was made; others pass, and so does what is below
// slog.LevelInfo, which somebody has asked for. A record's kind is its message, its
// connection the value of "conn" together with that of the peer. Where a record has a
// "request", each different one has lines of its own: who writes a device's answers
// wants to see all that are missing.
//
// Beyond the bounds a record is counted. A warning tells the counts of a second,
// by kind, and which addresses had the most of them.
type Handler struct {
	inner slog.Handler
	*limiter
	of origin // from WithAttrs
}

// origin is whose line a record is.
type origin struct {
	conn, peer string
	other      bool   // peer is another one than the connection's, for whom it was made
	request    string // the beginning of it
}

// New returns a Handler in front of inner. An inner that is one already, or that
// was made from one, is returned as it is, so that the bounds hold over all who
// share it.
func New(inner slog.Handler) *Handler {
	if h, ok := inner.(*Handler); ok {
		return h
	}
	return &Handler{inner: inner, limiter: newLimiter(inner)}
}

// Enabled reports whether the handler behind it takes records of level l.
func (h *Handler) Enabled(ctx context.Context, l slog.Level) bool { return h.inner.Enabled(ctx, l) }

// Handle passes r on, or counts it.
func (h *Handler) Handle(ctx context.Context, r slog.Record) error {
	if r.Level < slog.LevelInfo {
		return h.inner.Handle(ctx, r)
	}
	of := h.of
	r.Attrs(func(a slog.Attr) bool {
		of.note(a)
		return true
	})
	if of.peer == "" || h.take(r.Message, of, func() int { return sizeOf(r) }) {
		return h.inner.Handle(ctx, r)
	}
	return nil
}

// WithAttrs returns a Handler that shares h's bounds.
func (h *Handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	other := &Handler{h.inner.WithAttrs(attrs), h.limiter, h.of}
	for _, a := range attrs {
		other.of.note(a)
	}
	return other
}

// WithGroup returns a Handler that shares h's bounds.
func (h *Handler) WithGroup(name string) slog.Handler {
	return &Handler{h.inner.WithGroup(name), h.limiter, h.of}
}

// note takes what an attribute tells of the origin.
func (o *origin) note(a slog.Attr) {
	switch a.Key {
	case "conn", "for", "peer", "client", "request":
	default:
		return
	}
	text := a.Value.Resolve().String()
	switch a.Key {
	case "conn":
		o.conn = text
	case "request":
		o.request = text[:min(len(text), maxRequest)]
	case "for":
		o.peer, o.other = cmp.Or(text, unknown), true
	case "peer", "client":
		if !o.other {
			o.peer = cmp.Or(text, unknown)
		}
	}
}

// maxRequest is how much of a request tells it from others.
const maxRequest = 80

// lineSize is what a line has beside its message and attributes: time and level.
const lineSize = 64

// sizeOf returns about how many bytes a record is when it is printed.
func sizeOf(r slog.Record) int {
	size := lineSize + len(r.Message)
	r.Attrs(func(a slog.Attr) bool {
		v := a.Value.Resolve()
		text := v.String()
		switch v.Kind() {
		case slog.KindString, slog.KindAny:
			text = strconv.Quote(text)
		}
		size += len(a.Key) + 2 + len(text)
		return true
	})
	return size
}

const unknown = "unknown"

// host is the part of a peer's address that it can't change with every
// connection.
func host(peer string) string {
	if h, _, err := net.SplitHostPort(peer); err == nil && h != "" {
		return h
	}
	return peer
}

// counts are lines that were left out, by what they have in common.
type counts map[string]int

// maxCounts bounds how many different things are told apart in a second.
const maxCounts = 4096

func (c counts) add(what string) {
	if _, known := c[what]; known || len(c) < maxCounts {
		c[what]++
	}
}

// top prints the most frequent ones, at most n, and how often they occurred.
func (c counts) top(n int) string {
	var text string
	for i := 0; i < n && len(c) > 0; i++ {
		most := ""
		for what, count := range c {
			if most == "" || count > c[most] || count == c[most] && what < most {
				most = what
			}
		}
		if i > 0 {
			text += ", "
		}
		text += fmt.Sprintf("%s: %d", most, c[most])
		delete(c, most)
	}
	return text
}
