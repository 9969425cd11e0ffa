//go:build unix

package poller

import (
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// pollable is a listener whose clients can be seen before they are accepted.
// Package net does not let one wait for that; a copy of the descriptor does.
type pollable struct {
	net.Listener
	f   *os.File
	raw syscall.RawConn
}

// newPollable returns nil if l has no descriptor, or is pollable already.
func newPollable(l net.Listener) *pollable {
	s, ok := l.(interface {
		File() (*os.File, error)
		SetDeadline(time.Time) error
	})
	if !ok {
		return nil
	}
	f, err := s.File()
	if err != nil {
		return nil
	}
	raw, err := f.SyscallConn()
	if err != nil {
		f.Close()
		return nil
	}
	return &pollable{Listener: l, f: f, raw: raw}
}

// Pollable returns l as a listener that can be waited for, if it can be.
func Pollable(l net.Listener) net.Listener {
	if p := newPollable(l); p != nil {
		return p
	}
	return l
}

// Wait waits until a client waits, or the listener is closed.
func (p *pollable) Wait() error {
	return p.raw.Read(func(fd uintptr) bool {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 0)
		return n > 0 || err != nil && err != unix.EINTR
	})
}

// SetDeadline bounds Accept.
func (p *pollable) SetDeadline(t time.Time) error {
	return p.Listener.(interface{ SetDeadline(time.Time) error }).SetDeadline(t)
}

func (p *pollable) Close() error {
	p.f.Close()
	return p.Listener.Close()
}
