//go:build !unix

package program

import (
	"os"
	"os/exec"
)

// Without process groups only the program itself can be ended.
func ownGroup(*exec.Cmd) {}

func terminateGroup(cmd *exec.Cmd) { cmd.Process.Kill() }

func killGroup(cmd *exec.Cmd) { cmd.Process.Kill() }

func stopGroup(*exec.Cmd) {}

func continueGroup(*exec.Cmd) {}

type starter struct{}

func (starter) do(f func() error) error { return f() }

// unread is not known here.
func unread(*os.File) int { return 0 }
