package parley

import "golang.org/x/sys/unix"

// outqueueFD returns how many bytes that were written to fd the peer's kernel
// has not taken yet.
func outqueueFD(fd uintptr) int {
	n, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
	if err != nil {
		return 0
	}
	return n
}
