//go:build race || msan || asan

package poller

import "golang.org/x/sys/unix"

func epollWait(epoll int, evs []unix.EpollEvent) int {
	n, err := unix.EpollWait(epoll, evs, 0)
	if err != nil {
		return 0
	}
	return n
}
