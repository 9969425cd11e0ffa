//go:build !windows

package main

import "syscall"

const (
	addrInUse    = syscall.EADDRINUSE
	addrNotAvail = syscall.EADDRNOTAVAIL
	connReset    = syscall.ECONNRESET
	connRefused  = syscall.ECONNREFUSED
)
