//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package transfer

import (
	"errors"
	"os"
	"syscall"
)

// lock locks f for this open file, or returns false if somebody else has it.
// The lock ends when f is closed. On a file system without locks it returns
// true.
func lock(f *os.File) (bool, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return false, err
	}
	var locked error
	if err := raw.Control(func(fd uintptr) { locked = syscall.Flock(int(fd), syscall.LOCK_EX|syscall.LOCK_NB) }); err != nil {
		return false, err
	}
	switch {
	case locked == nil, errors.Is(locked, errors.ErrUnsupported):
		return true, nil
	case locked == syscall.EWOULDBLOCK, locked == syscall.EINTR:
		return false, nil
	}
	return false, os.NewSyscallError("flock", locked)
}
