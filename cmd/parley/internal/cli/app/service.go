package app

import (
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/cmd/parley/internal/service"
)

// managed is the command as a service manager sees it.
type managed struct {
	Manager *service.Manager
	status  atomic.Pointer[string] // of the last ready; nil: it was not ready yet
}

// Inherited returns the socket that the service manager has opened for an address,
// or nil.
func (a *App) Inherited(addr string) (net.Listener, error) {
	l, err := a.Managed.Manager.Listener(addr)
	if err != nil {
		return nil, fault.AsUsage(err)
	}
	return l, nil
}

// Ready tells the manager that the command listens at the places, and from then on
// until end is called that it is alive. alive must return if it is.
func (a *App) Ready(places []string, alive func()) (end func(), err error) {
	m := a.Managed
	if err := m.Manager.Unused(); err != nil {
		return nil, fault.AsUsage(err)
	}
	status := "listening on " + strings.Join(places, ", ")
	m.status.Store(&status)
	a.told(m.Manager.Ready(status))
	every := m.Manager.Watchdog()
	if every <= 0 {
		return func() {}, nil
	}
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			alive()
			a.told(m.Manager.Alive())
			select {
			case <-tick.C:
			case <-done:
				return
			}
		}
	}()
	return func() { close(done) }, nil
}

// Reloading tells the manager that files are read again, as again does.
func (a *App) Reloading(again func()) {
	status := a.Managed.status.Load()
	if status == nil { // nobody waits for it yet
		again()
		return
	}
	a.told(a.Managed.Manager.Reloading())
	again()
	a.told(a.Managed.Manager.Ready(*status))
}

// Stopping tells the manager that the command ends.
func (a *App) Stopping() { a.told(a.Managed.Manager.Stopping()) }

// told notes that the manager could not be told something.
func (a *App) told(err error) {
	if err != nil {
		a.Log.Warn("the service manager was not told", "error", err)
	}
}
