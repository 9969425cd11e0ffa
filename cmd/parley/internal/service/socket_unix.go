//go:build unix

package service

import (
	"errors"
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// listens returns an error if l is a connection, which package net can't tell from a
// listener.
func listens(l net.Listener) error {
	s, ok := l.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := s.SyscallConn()
	if err != nil {
		return err
	}
	on, optErr := 0, error(nil)
	if err := raw.Control(func(fd uintptr) { on, optErr = unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ACCEPTCONN) }); err != nil {
		return err
	}
	if optErr == nil && on == 0 {
		return errors.New("it does not listen")
	}
	return optErr
}
