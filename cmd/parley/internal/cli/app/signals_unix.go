//go:build unix

package app

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

var moreSignals = []os.Signal{syscall.SIGPIPE, syscall.SIGTSTP, syscall.SIGCONT}

// other handles a signal that ends nothing, or does so for a reason that has to be
// looked at. It returns false if it does not know it.
func (s *signals) other(sig os.Signal) bool {
	switch sig {
	case syscall.SIGPIPE: // any pipe or socket may have brought it
		if isBroken(os.Stdout) && !s.piped.Swap(true) {
			s.interrupt()
		}
	case syscall.SIGTSTP:
		s.a.Family.Stop()
		syscall.Kill(os.Getpid(), syscall.SIGSTOP)
	case syscall.SIGCONT:
		s.a.Family.Continue()
	default:
		return false
	}
	return true
}

// IsPiped reports whether the command has ended, with err, because nobody reads
// its standard output. The error may be here before the signal is.
func (s *signals) IsPiped(err error) bool {
	return s.piped.Load() || errors.Is(err, syscall.EPIPE) && isBroken(os.Stdout)
}

// isBroken reports whether nobody reads what is written to f.
func isBroken(f *os.File) bool {
	p := []unix.PollFd{{Fd: int32(f.Fd())}}
	n, err := unix.Poll(p, 0)
	return err == nil && n == 1 && p[0].Revents&(unix.POLLERR|unix.POLLHUP) != 0
}
