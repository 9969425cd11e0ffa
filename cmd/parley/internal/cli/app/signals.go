package app

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
)

// ExitPipe and exitQuit are what a shell reports of a program that SIGPIPE or
// SIGQUIT has ended.
const (
	ExitPipe = 128 + 13
	exitQuit = 128 + 3
)

// signals is what the process makes of signals:
//
//   - SIGINT, SIGTERM and SIGHUP end it in an orderly way; a second one at once;
//   - SIGHUP reads again what can be read again, and ends nothing then;
//   - SIGQUIT ends it at once, without the stack traces of a Go program;
//   - SIGPIPE ends it in an orderly way when nobody reads its standard output any
//     more, and is nothing otherwise: a log that nobody reads ends no server;
//   - SIGTSTP stops what it has started with it, SIGCONT lets it go on.
//
// Whatever ends it, what it has started ends with it. What ends it at once also says
// with which status. A signal that was ignored when it began (nohup, a shell's
// background) stays so.
type signals struct {
	a         *App
	interrupt context.CancelFunc
	caught    chan os.Signal
	last      sync.Mutex  // held for good by who ends the process
	Reloads   atomic.Bool // SIGHUP has a meaning of its own
	piped     atomic.Bool // ended because nobody reads standard output
}

// HandleSignals begins to handle signals; interrupt makes the command end.
func (a *App) HandleSignals(interrupt context.CancelFunc) {
	a.Signals.a, a.Signals.interrupt = a, interrupt
	a.Signals.caught = make(chan os.Signal, 16)
	for _, s := range append(moreSignals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT) {
		if !signal.Ignored(s) {
			signal.Notify(a.Signals.caught, s)
		}
	}
	go a.Signals.run()
}

func (s *signals) run() {
	ending := false
	for sig := range s.caught {
		switch {
		case s.other(sig), sig == syscall.SIGHUP && s.Reloads.Load():
		case sig == syscall.SIGQUIT:
			s.last.Lock()
			s.a.Family.Kill()
			os.Exit(exitQuit)
		case ending:
			s.last.Lock() // without its programs the command has nothing more to wait for
			s.a.Family.Kill()
			die(sig)
		default:
			ending = true
			s.interrupt()
		}
	}
}

// Exit ends the process with what the command has come to, unless a signal has been
// quicker.
func (s *signals) Exit(code int) {
	s.last.Lock()
	os.Exit(code)
}

// die ends the process as the signal does with one that does not handle it.
func die(sig os.Signal) {
	signal.Reset(sig)
	if p, err := os.FindProcess(os.Getpid()); err == nil && p.Signal(sig) == nil {
		time.Sleep(time.Second)
	}
	os.Exit(fault.Interrupted)
}
