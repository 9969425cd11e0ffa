//go:build unix

package parley

import (
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// visible is a listener whose clients can be seen before they are accepted.
// Package net does not let one wait for that; a copy of the descriptor does.
type visible struct {
	net.Listener
	f   *os.File
	raw syscall.RawConn
}

// newVisible returns nil if l has no descriptor, or is visible already.
func newVisible(l net.Listener) *visible {
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
	return &visible{Listener: l, f: f, raw: raw}
}

// seeing returns l as a listener that can be waited for, if it can be.
func seeing(l net.Listener) net.Listener {
	if v := newVisible(l); v != nil {
		return v
	}
	return l
}

// wait waits until a client waits, or the listener is closed.
func (v *visible) wait() error {
	return v.raw.Read(func(fd uintptr) bool {
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, 0)
		return n > 0 || err != nil && err != unix.EINTR
	})
}

// SetDeadline bounds Accept.
func (v *visible) SetDeadline(t time.Time) error {
	return v.Listener.(interface{ SetDeadline(time.Time) error }).SetDeadline(t)
}

func (v *visible) Close() error {
	v.f.Close()
	return v.Listener.Close()
}
