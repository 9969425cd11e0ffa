//go:build linux && !race

package parley

import (
	"syscall"
	"unsafe"
)

// A read or write that can't block is made without telling Go's scheduler, which
// costs as much as a small message. One that moves more bytes than this takes
// long enough to be told of.
const rawMost = 64 << 10

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
