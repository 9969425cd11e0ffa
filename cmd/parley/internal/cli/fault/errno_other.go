//go:build !windows

package fault

import "syscall"

const (
	AddrInUse    = syscall.EADDRINUSE
	AddrNotAvail = syscall.EADDRNOTAVAIL
	ConnReset    = syscall.ECONNRESET
	ConnRefused  = syscall.ECONNREFUSED
)
