package poller

import "golang.org/x/sys/unix"

// unsent returns how many bytes that were written to fd the peer's kernel
// has not taken yet.
func unsent(fd uintptr) int {
	n, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ)
	if err != nil {
		return 0
	}
	return n
}
