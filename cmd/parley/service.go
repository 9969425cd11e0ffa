package main

import (
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/parley-net/parley/cmd/parley/internal/service"
)

// managed is the command as a service manager sees it.
type managed struct {
	manager *service.Manager
	status  atomic.Pointer[string] // of the last ready; nil: it was not ready yet
}

// inherited returns the socket that the service manager has opened for an address,
// or nil.
func (a *app) inherited(addr string) (net.Listener, error) {
	l, err := a.managed.manager.Listener(addr)
	if err != nil {
		return nil, asUsage(err)
	}
	return l, nil
}

// ready tells the manager that the command listens at the places, and from then on
// until end is called that it is alive. alive must return if it is.
func (a *app) ready(places []string, alive func()) (end func(), err error) {
	m := a.managed
	if err := m.manager.Unused(); err != nil {
		return nil, asUsage(err)
	}
	status := "listening on " + strings.Join(places, ", ")
	m.status.Store(&status)
	a.told(m.manager.Ready(status))
	every := m.manager.Watchdog()
	if every <= 0 {
		return func() {}, nil
	}
	done := make(chan struct{})
	go func() {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			alive()
			a.told(m.manager.Alive())
			select {
			case <-tick.C:
			case <-done:
				return
			}
		}
	}()
	return func() { close(done) }, nil
}

// reloading tells the manager that files are read again, as again does.
func (a *app) reloading(again func()) {
	status := a.managed.status.Load()
	if status == nil { // nobody waits for it yet
		again()
		return
	}
	a.told(a.managed.manager.Reloading())
	again()
	a.told(a.managed.manager.Ready(*status))
}

// stopping tells the manager that the command ends.
func (a *app) stopping() { a.told(a.managed.manager.Stopping()) }

// told notes that the manager could not be told something.
func (a *app) told(err error) {
	if err != nil {
		a.log.Warn("the service manager was not told", "error", err)
	}
}
