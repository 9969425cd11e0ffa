package fault

import "syscall"

// The network's errors as Windows numbers them.
const (
	AddrInUse    = syscall.Errno(10048)
	AddrNotAvail = syscall.Errno(10049)
	ConnReset    = syscall.Errno(10054)
	ConnRefused  = syscall.Errno(10061)
)
