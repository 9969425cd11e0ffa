//go:build unix && !linux

package program

import (
	"os"
	"os/exec"
	"syscall"
)

// ownGroup makes the program the leader of a process group, so that what it
// starts can be ended with it.
func ownGroup(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} }

type starter struct{}

func (starter) do(f func() error) error { return f() }

// unread is not known here.
func unread(*os.File) int { return 0 }
