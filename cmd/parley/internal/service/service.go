// Package service is what the command and a service manager tell each other in
// systemd's protocol: which sockets the manager has opened, when the command is
// ready, reads its files again and ends, and that it is alive.
//
// Nothing here needs systemd: whoever sets the variables LISTEN_FDS, NOTIFY_SOCKET
// and WATCHDOG_USEC is the manager. Without them everything does nothing.
package service

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-systemd/v22/activation"
	"github.com/coreos/go-systemd/v22/daemon"
)

// Manager is who has started the process. The zero value is a shell, which wants to
// know nothing. One goroutine may take its sockets; its states may be told by any.
type Manager struct {
	sockets  []*socket
	watchdog time.Duration // the longest silence that it allows; 0: any
	err      error         // what was wrong with its variables
}

// socket is one that the manager has opened.
type socket struct {
	name     string
	fd       int
	listener net.Listener
	taken    bool
}

// FromEnvironment returns the manager that the environment tells of, and removes it
// from there: sockets and watchdog are not for the programs that the command starts.
// It must be called once, before other files are opened.
func FromEnvironment() *Manager {
	m := new(Manager)
	for i, f := range activation.Files(true) {
		s := &socket{name: f.Name(), fd: 3 + i}
		var err error
		if s.listener, err = net.FileListener(f); err == nil {
			err = listens(s.listener)
		}
		if err != nil {
			m.err = errors.Join(m.err, fmt.Errorf("%s, which was inherited, is no stream socket that listens (Accept=yes and ListenDatagram= can't be served): %w", s, err))
		}
		f.Close()
		m.sockets = append(m.sockets, s)
	}
	var err error
	if m.watchdog, err = daemon.SdWatchdogEnabled(true); err != nil {
		m.err = errors.Join(m.err, fmt.Errorf("WATCHDOG_USEC: %w", err))
	}
	return m
}

// String names the socket for a person.
func (s *socket) String() string {
	text := "socket " + strconv.Itoa(s.fd)
	if !strings.HasPrefix(s.name, "LISTEN_FD_") {
		text += " (" + s.name + ")"
	}
	if s.listener != nil {
		text += " at " + s.listener.Addr().String()
	}
	return text
}

// Listener returns the inherited socket for an address as a parley.Server takes it,
// or nil if the command has to listen itself. "fd:NAME" is the socket of that name or
// number and no other; a host and port stand for the socket that listens there, and
// no wider: port 0 for any port, no host for any host; "unix:/path" likewise. Each
// socket is given once, in the manager's order.
func (m *Manager) Listener(addr string) (net.Listener, error) {
	if m.err != nil {
		return nil, m.err
	}
	name, named := strings.CutPrefix(addr, "fd:")
	for _, s := range m.sockets {
		if s.taken {
			continue
		}
		if named && (s.name == name || strconv.Itoa(s.fd) == name) || !named && at(s.listener.Addr(), addr) {
			s.taken = true
			return s.listener, nil
		}
	}
	switch {
	case !named:
		return nil, nil
	case len(m.sockets) == 0:
		return nil, fmt.Errorf("there is no inherited socket %q: none was inherited (LISTEN_FDS and LISTEN_PID tell of them, as a .socket unit of systemd does)", name)
	}
	var all []string
	for _, s := range m.sockets {
		all = append(all, s.String())
	}
	return nil, fmt.Errorf("there is no inherited socket %q that is free; inherited are %s", name, strings.Join(all, ", "))
}

// at reports whether a socket at a is what addr asks for, and not open to more.
func at(a net.Addr, addr string) bool {
	if path, ok := strings.CutPrefix(addr, "unix:"); ok {
		abs, err := filepath.Abs(path)
		return a.Network() == "unix" && (a.String() == path || err == nil && a.String() == abs)
	}
	have, ok := a.(*net.TCPAddr)
	want, err := net.ResolveTCPAddr("tcp", addr)
	if !ok || err != nil {
		return false
	}
	return (want.Port == 0 || want.Port == have.Port) && (want.IP == nil || want.IP.Equal(have.IP) && want.Zone == have.Zone)
}

// Unused is an error if the manager has opened a socket that nobody has taken: its
// clients would wait for ever.
func (m *Manager) Unused() error {
	for _, s := range m.sockets {
		if !s.taken {
			return fmt.Errorf("no URL names %s, which was inherited: give its address, or fd:%s in the place of host and port", s, s.name)
		}
	}
	return nil
}

// Ready tells that the command listens; status is for people who ask the manager.
func (m *Manager) Ready(status string) error {
	return tell(daemon.SdNotifyReady, "STATUS="+strings.ReplaceAll(status, "\n", " "))
}

// Reloading tells that files are being read again; Ready tells the end of that.
func (m *Manager) Reloading() error {
	return tell(daemon.SdNotifyReloading, "MONOTONIC_USEC="+strconv.FormatInt(monotonic().Microseconds(), 10))
}

// Stopping tells that the command lets end what is under way.
func (m *Manager) Stopping() error { return tell(daemon.SdNotifyStopping) }

// Alive tells that it goes on. It has to be called every Watchdog.
func (m *Manager) Alive() error { return tell(daemon.SdNotifyWatchdog) }

// Watchdog is how often the manager wants to hear that the command is alive: half of
// what it allows. 0 means never.
func (m *Manager) Watchdog() time.Duration { return m.watchdog / 2 }

func tell(state ...string) error {
	if _, err := daemon.SdNotify(false, strings.Join(state, "\n")); err != nil {
		return fmt.Errorf("NOTIFY_SOCKET: %w", err)
	}
	return nil
}
