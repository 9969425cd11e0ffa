//go:build linux && !race && !msan && !asan

package poller

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A read or write that can't block is made without telling Go's scheduler, which
// costs as much as a small message. One that may move more bytes than this takes
// long enough to be told of.
const rawMost = 256 << 10

// sysRead is syscall.Read on a non-blocking descriptor.
func sysRead(fd int, p []byte) (int, error) {
	if len(p) == 0 || len(p) > rawMost {
		return syscall.Read(fd, p)
	}
	return rawCall(syscall.SYS_READ, fd, p)
}

// sysWrite is syscall.Write on a non-blocking descriptor.
func sysWrite(fd int, p []byte) (int, error) {
	if len(p) == 0 || len(p) > rawMost {
		return syscall.Write(fd, p)
	}
	return rawCall(syscall.SYS_WRITE, fd, p)
}

func rawCall(call uintptr, fd int, p []byte) (int, error) {
	n, _, errno := syscall.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	if errno != 0 {
		return -1, errno
	}
	return int(n), nil
}

// epollWait asks for events without waiting.
func epollWait(epoll int, evs []unix.EpollEvent) int {
	n, _, errno := syscall.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(epoll), uintptr(unsafe.Pointer(unsafe.SliceData(evs))), uintptr(len(evs)), 0, 0, 0)
	if errno != 0 {
		return 0
	}
	return int(n)
}
