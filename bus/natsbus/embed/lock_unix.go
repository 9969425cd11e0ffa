//go:build unix

package embed

import (
	"os"

	"golang.org/x/sys/unix"
)

// lockFile takes the file for this process until it ends, however it ends.
func lockFile(f *os.File) error { return unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) }
