package main

import (
	"context"
	"errors"

	"github.com/parley-net/parley/bus"
)

// link is this process's way to the others.
type link struct {
	bus.Bus
	notes []string // for the log, when it is ready
	end   func() error
	fault func() error // why nothing is kept any more here; nil: others keep it
}

// close ends it.
func (l *link) close() error { return errors.Join(l.Bus.Close(), l.end()) }

// openBus returns the way to the others; in memory if there are none.
func openBus(ctx context.Context, a *app) (*link, error) {
	if err := a.bus.check(); err != nil {
		return nil, err
	}
	if !a.bus.any() {
		return &link{Bus: new(bus.Memory).Connect(), end: func() error { return nil }}, nil
	}
	return openNATS(ctx, a, false)
}
