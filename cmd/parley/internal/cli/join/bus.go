// Package join is the way to other nodes: the bus that the flags name, and this process
// as a node in rooms. With the build tag nobus there is no bus but that in memory.
package join

import (
	"context"
	"errors"

	"github.com/parley-net/parley/bus"
	"github.com/parley-net/parley/cluster"
	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
)

// Link is this process's way to the others.
type Link struct {
	bus.Bus
	notes []string // for the log, when it is ready
	end   func() error
	fault func() error // why nothing is kept any more here; nil: others keep it
}

// Close ends it.
func (l *Link) Close() error { return errors.Join(l.Bus.Close(), l.end()) }

// Check refuses flags that make no sense together, and names that nobody can have.
func Check(a *app.App) error {
	if err := a.Bus.Check(); err != nil {
		return err
	}
	o := cluster.Options{Name: a.Bus.Node, Namespace: a.Bus.Namespace}
	if err := o.Check(); err != nil {
		return fault.AsUsage(err)
	}
	return nil
}

// openBus returns the way to the others; in memory if there are none.
func openBus(ctx context.Context, a *app.App) (*Link, error) {
	if err := Check(a); err != nil {
		return nil, err
	}
	if !a.Bus.Any() {
		return &Link{Bus: new(bus.Memory).Connect(), end: func() error { return nil }}, nil
	}
	return OpenNATS(ctx, a, false)
}
