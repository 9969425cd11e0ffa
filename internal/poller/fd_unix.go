//go:build unix

package poller

import (
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Raw returns nc's raw connection if nc is a bare stream socket, else nil.
func Raw(nc net.Conn) syscall.RawConn {
	switch nc.(type) {
	case *net.TCPConn, *net.UnixConn, interface{ polled() }: // the last is a Conn
		if rc, err := nc.(syscall.Conn).SyscallConn(); err == nil {
			return rc
		}
	}
	return nil
}

// Broken reports whether the peer has reset the connection, or both sides have ended
// it.
func Broken(fd uintptr) bool {
	p := []unix.PollFd{{Fd: int32(fd)}}
	n, err := unix.Poll(p, 0)
	return err == nil && n > 0 && p[0].Revents&(unix.POLLERR|unix.POLLHUP|unix.POLLNVAL) != 0
}

// Left reports whether the peer has ended its stream, or Broken is true. It is told
// before what has arrived has been read.
func Left(fd uintptr) bool {
	p := []unix.PollFd{{Fd: int32(fd), Events: leftEvents}}
	n, err := unix.Poll(p, 0)
	return err == nil && n > 0 && p[0].Revents&(leftEvents|unix.POLLERR|unix.POLLHUP|unix.POLLNVAL) != 0
}

// Read reads from a non-blocking descriptor; again says that there is
// nothing yet.
func Read(fd uintptr, p []byte) (n int, again bool, err error) {
	for {
		if n, err = sysRead(int(fd), p); err == nil {
			return n, false, nil
		}
		switch errno, _ := err.(syscall.Errno); errno {
		case syscall.EINTR:
		case syscall.EAGAIN:
			return 0, true, nil
		default:
			return 0, false, os.NewSyscallError("read", err)
		}
	}
}

// Write writes to a non-blocking descriptor what it takes at once.
func Write(fd uintptr, p []byte) (n int, err error) {
	for n < len(p) {
		m, err := sysWrite(int(fd), p[n:])
		if err == nil {
			n += m
			continue
		}
		switch errno, _ := err.(syscall.Errno); errno {
		case syscall.EINTR:
		case syscall.EAGAIN:
			return n, nil
		default:
			return n, os.NewSyscallError("write", err)
		}
	}
	return n, nil
}
