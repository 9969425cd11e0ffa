package embed

import (
	"os"

	"golang.org/x/sys/windows"
)

// lockFile takes the file for this process until it ends, however it ends. Its first bytes
// stay readable for others.
func lockFile(f *os.File) error {
	return windows.LockFileEx(windows.Handle(f.Fd()), windows.LOCKFILE_EXCLUSIVE_LOCK|windows.LOCKFILE_FAIL_IMMEDIATELY, 0, 1, 0, &windows.Overlapped{Offset: 1 << 20})
}
