//go:build unix

package selftest

import "syscall"

// canPause reports whether a process can be stopped for a while here.
const canPause = true

func (p *process) pause()  { p.cmd.Process.Signal(syscall.SIGSTOP) }
func (p *process) resume() { p.cmd.Process.Signal(syscall.SIGCONT) }

// leave asks it to end, and waits.
func (p *process) leave() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	<-p.ended
}
