//go:build unix && (!linux || race || msan || asan)

package poller

import "syscall"

// The race detector follows what happens through syscall's own calls only.

func sysRead(fd int, p []byte) (int, error)  { return syscall.Read(fd, p) }
func sysWrite(fd int, p []byte) (int, error) { return syscall.Write(fd, p) }
