package main

import "syscall"

// The network's errors as Windows numbers them.
const (
	addrInUse    = syscall.Errno(10048)
	addrNotAvail = syscall.Errno(10049)
	connReset    = syscall.Errno(10054)
	connRefused  = syscall.Errno(10061)
)
