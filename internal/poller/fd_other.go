//go:build !unix

package poller

import (
	"net"
	"syscall"
)

// Raw returns nil: this system has no non-blocking reads and writes on
// descriptors.
func Raw(net.Conn) syscall.RawConn { return nil }

// Read is never called, as there is no Raw.
func Read(uintptr, []byte) (int, bool, error) { return 0, false, syscall.EINVAL }

// Write is never called, as there is no Raw.
func Write(uintptr, []byte) (int, error) { return 0, syscall.EINVAL }

// Broken would report a reset.
func Broken(uintptr) bool { return false }

// Left would report the end of the peer's stream.
func Left(uintptr) bool { return false }
