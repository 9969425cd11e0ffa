//go:build unix

package program

import (
	"os/exec"
	"syscall"
)

func terminateGroup(cmd *exec.Cmd) { syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }

func killGroup(cmd *exec.Cmd) { syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }

func stopGroup(cmd *exec.Cmd) { syscall.Kill(-cmd.Process.Pid, syscall.SIGSTOP) }

func continueGroup(cmd *exec.Cmd) { syscall.Kill(-cmd.Process.Pid, syscall.SIGCONT) }
