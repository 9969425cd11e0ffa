package transfer

import (
	"errors"
	"os"

	"golang.org/x/sys/windows"
)

// lock locks f for this open file, or returns false if somebody else has it.
// The lock ends when f is closed. It covers one byte far behind the end, so
// that others can read the file.
func lock(f *os.File) (bool, error) {
	raw, err := f.SyscallConn()
	if err != nil {
		return false, err
	}
	var locked error
	if err := raw.Control(func(fd uintptr) {
		far := windows.Overlapped{OffsetHigh: 1 << 30}
		locked = windows.LockFileEx(windows.Handle(fd), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &far)
	}); err != nil {
		return false, err
	}
	switch {
	case locked == nil:
		return true, nil
	case errors.Is(locked, windows.ERROR_LOCK_VIOLATION), errors.Is(locked, windows.ERROR_IO_PENDING):
		return false, nil
	}
	return false, os.NewSyscallError("LockFileEx", locked)
}
