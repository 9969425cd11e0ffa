package poller

import (
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"strconv"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// listener accepts sockets for loops: package net would first make a connection of
// its own of each, some hundred bytes and system calls for nothing.
type listener[O any] struct {
	*pollable
	accept func(fd uintptr) bool // made once, with its results:
	conn   *Conn[O]
	err    error
	peer   unix.RawSockaddrAny // what accept4 writes into
}

// Listener returns l as a listener whose connections are Conns, or as it is if it
// has no descriptor. They inherit alive and the other options of TCP from l.
func Listener[O any](l net.Listener, alive net.KeepAliveConfig) (net.Listener, error) {
	p := newPollable(l)
	if p == nil {
		return l, nil
	}
	if _, tcp := l.(*net.TCPListener); tcp {
		var err error
		ended := p.raw.Control(func(fd uintptr) { err = setTCP(int(fd), alive) })
		if ended != nil || err != nil {
			p.f.Close()
			return nil, errors.Join(ended, err)
		}
	}
	ll := &listener[O]{pollable: p}
	ll.accept = ll.tryAccept
	return ll, nil
}

// SetDeadline bounds Accept.
func (l *listener[O]) SetDeadline(t time.Time) error { return l.f.SetDeadline(t) }

// setTCP sets what package net sets on every connection.
func setTCP(fd int, alive net.KeepAliveConfig) error {
	options := [][3]int{{unix.IPPROTO_TCP, unix.TCP_NODELAY, 1}}
	if alive.Enable {
		options = append(options,
			[3]int{unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1},
			[3]int{unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, seconds(alive.Idle)},
			[3]int{unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, seconds(alive.Interval)},
			[3]int{unix.IPPROTO_TCP, unix.TCP_KEEPCNT, alive.Count})
	}
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o[0], o[1], o[2]); err != nil {
			return os.NewSyscallError("setsockopt", err)
		}
	}
	return nil
}

// seconds rounds up, as package net does.
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// Accept returns the next client's Conn, which no loop serves yet.
func (l *listener[O]) Accept() (net.Conn, error) {
	if err := l.raw.Read(l.accept); err != nil {
		return nil, err
	}
	if l.err != nil {
		return nil, &net.OpError{Op: "accept", Net: l.Addr().Network(), Addr: l.Addr(), Err: l.err}
	}
	return l.conn, nil
}

func (l *listener[O]) tryAccept(fd uintptr) bool {
	for {
		nfd, err := accept4(fd, &l.peer)
		switch err {
		case 0:
			l.conn, l.err = &Conn[O]{fd: int32(nfd)}, nil
			l.conn.ip, l.conn.port = addrOf(&l.peer)
			return true
		case unix.EINTR, unix.ECONNABORTED:
		case unix.EAGAIN:
			return false
		default:
			l.conn, l.err = nil, os.NewSyscallError("accept4", err)
			return true
		}
	}
}

// accept4 is unix.Accept4 without an allocation.
func accept4(fd uintptr, peer *unix.RawSockaddrAny) (uintptr, unix.Errno) {
	size := uint32(unix.SizeofSockaddrAny)
	nfd, _, err := unix.Syscall6(unix.SYS_ACCEPT4, fd, uintptr(unsafe.Pointer(peer)), uintptr(unsafe.Pointer(&size)), unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0, 0)
	return nfd, err
}

// addrOf returns the address of TCP that the kernel has written, if it is one.
func addrOf(sa *unix.RawSockaddrAny) (netip.Addr, uint16) {
	switch sa.Addr.Family {
	case unix.AF_INET:
		a := (*unix.RawSockaddrInet4)(unsafe.Pointer(sa))
		return netip.AddrFrom4(a.Addr), networkOrder(&a.Port)
	case unix.AF_INET6:
		a := (*unix.RawSockaddrInet6)(unsafe.Pointer(sa))
		ip := netip.AddrFrom16(a.Addr)
		if a.Scope_id != 0 {
			ip = ip.WithZone(strconv.Itoa(int(a.Scope_id)))
		}
		return ip, networkOrder(&a.Port)
	}
	return netip.Addr{}, 0
}

func networkOrder(port *uint16) uint16 {
	return binary.BigEndian.Uint16((*[2]byte)(unsafe.Pointer(port))[:])
}
