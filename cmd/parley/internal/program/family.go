package program

import (
	"os/exec"
	"sync"
)

// Family is all programs that run, with what each of them has started, as long as
// it stays in its process group.
type Family struct {
	mu      sync.Mutex
	members map[*exec.Cmd]bool
	starter starter
}

// Start starts cmd as the leader of a process group. On Linux the kernel kills it when this
// process ends, however that comes about. Forget is to be called when it has ended.
func (f *Family) Start(cmd *exec.Cmd) error {
	ownGroup(cmd)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.starter.do(cmd.Start); err != nil {
		return err
	}
	if f.members == nil {
		f.members = make(map[*exec.Cmd]bool)
	}
	f.members[cmd] = true
	return nil
}

// Forget says that cmd and what it has started have ended.
func (f *Family) Forget(cmd *exec.Cmd) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.members, cmd)
}

// Kill ends all programs at once.
func (f *Family) Kill() { f.each(killGroup) }

// Stop stops all programs, as Ctrl-Z does; Continue lets them go on.
func (f *Family) Stop() { f.each(stopGroup) }

// Continue lets programs go on that Stop has stopped.
func (f *Family) Continue() { f.each(continueGroup) }

func (f *Family) each(do func(*exec.Cmd)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for cmd := range f.members {
		do(cmd)
	}
}
