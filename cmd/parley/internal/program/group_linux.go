package program

import (
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// ownGroup makes the program the leader of a process group, so that what it
// starts can be ended with it, and has the kernel kill it when we end in any way.
func ownGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// starter starts programs from one thread that lives as long as the process. The
// kernel takes the end of the thread that has started a program for that of its
// parent, and Go may end a thread at any time.
type starter struct {
	once sync.Once
	work chan func()
}

func (s *starter) do(f func() error) error {
	s.once.Do(func() {
		s.work = make(chan func())
		go func() {
			runtime.LockOSThread()
			for f := range s.work {
				f()
			}
		}()
	})
	done := make(chan error)
	s.work <- func() { done <- f() }
	return <-done
}

// unread returns how many bytes of a pipe nobody has read yet.
func unread(pipe *os.File) (n int) {
	c, err := pipe.SyscallConn()
	if err != nil {
		return 0
	}
	c.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
	return n
}
