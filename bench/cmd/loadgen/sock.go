package main

import (
	"fmt"
	"net/netip"
	"syscall"
	"time"
	"unsafe"
)

// patience is how long a blocking read of a greeting or an answer waits.
const patience = 10 * time.Second

// dial connects, greets, and returns the socket, which is still blocking.
func dial(addr string, f framing) (int, error) {
	ap, err := netip.ParseAddrPort(addr)
	if err != nil {
		return -1, err
	}
	if !ap.Addr().Is4() || !ap.Addr().IsLoopback() {
		return -1, fmt.Errorf("%s is not an IPv4 loopback address", addr)
	}
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	sa := &syscall.SockaddrInet4{Addr: ap.Addr().As4(), Port: int(ap.Port())}
	if err := syscall.Connect(fd, sa); err != nil {
		return -1, fmt.Errorf("connect: %w", err)
	}
	syscall.SetsockoptInt(fd, syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1)
	limit := syscall.NsecToTimeval(int64(patience))
	if err := syscall.SetsockoptTimeval(fd, syscall.SOL_SOCKET, syscall.SO_RCVTIMEO, &limit); err != nil {
		return -1, err
	}
	if f.greet != nil {
		if err := f.greet(fd); err != nil {
			return -1, fmt.Errorf("greeting: %w", err)
		}
	}
	return fd, nil
}

// readBlocking reads from a blocking socket. With SO_RCVTIMEO the kernel does not
// go on by itself after a signal, which Go's runtime uses.
func readBlocking(fd int, p []byte) (n int, err error) {
	for {
		if n, err = syscall.Read(fd, p); err != syscall.EINTR {
			return n, err
		}
	}
}

// watch makes a socket non-blocking and puts it into an epoll set as number i.
func watch(ep, fd, i int) error {
	if err := syscall.SetNonblock(fd, true); err != nil {
		return err
	}
	return syscall.EpollCtl(ep, syscall.EPOLL_CTL_ADD, fd, &syscall.EpollEvent{Events: syscall.EPOLLIN, Fd: int32(i)})
}

// read and write are the raw calls: no scheduler hand-off, as they never block.
func read(fd int, p []byte) (int, syscall.Errno) {
	n, _, e := syscall.RawSyscall(syscall.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	return int(n), e
}

func write(fd int, p []byte) (int, syscall.Errno) {
	n, _, e := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)))
	return int(n), e
}

// epollWait polls once without blocking and then, where ms is not 0, blocks.
func epollWait(ep int, evs []syscall.EpollEvent, ms int) int {
	p := uintptr(unsafe.Pointer(unsafe.SliceData(evs)))
	n, _, e := syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, uintptr(ep), p, uintptr(len(evs)), 0, 0, 0)
	if e == 0 && n > 0 || ms == 0 {
		if e != 0 {
			return 0
		}
		return int(n)
	}
	n, _, e = syscall.Syscall6(syscall.SYS_EPOLL_PWAIT, uintptr(ep), p, uintptr(len(evs)), uintptr(ms), 0, 0)
	if e != 0 {
		return 0
	}
	return int(n)
}
