//go:build !unix

package parley

import (
	"net"
	"syscall"
)

// rawConn returns nil: this system has no non-blocking reads and writes on
// descriptors.
func rawConn(net.Conn) syscall.RawConn { return nil }

func readFD(uintptr, []byte) (int, bool, error) { return 0, false, syscall.EINVAL }

func writeFD(uintptr, []byte) (int, error) { return 0, syscall.EINVAL }
