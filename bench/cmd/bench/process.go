package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// process is a running server.
type process struct {
	cmd    *exec.Cmd
	port   int
	stderr bytes.Buffer
	ended  chan struct{}
}

// patience is how long a server may take to listen.
const patience = 20 * time.Second

// startServer starts s on the given cores and returns when it listens.
func startServer(ctx context.Context, s server, cores []int, nice int) (*process, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	argv := make([]string, len(s.argv))
	for i, a := range s.argv {
		argv[i] = strings.ReplaceAll(a, "{port}", strconv.Itoa(port))
	}
	p := &process{port: port, ended: make(chan struct{})}
	p.cmd = exec.CommandContext(ctx, argv[0], argv[1:]...)
	p.cmd.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(len(cores)))
	p.cmd.Env = append(p.cmd.Env, s.env...)
	p.cmd.Stderr = &p.stderr
	if err := startOn(p.cmd, cores, nice); err != nil {
		return nil, err
	}
	go func() {
		p.cmd.Wait()
		close(p.ended)
	}()
	for began := time.Now(); time.Since(began) < patience; {
		c, err := net.DialTimeout("tcp", p.addr(), time.Second)
		if err == nil {
			c.Write([]byte(s.bye))
			c.Close()
			return p, nil
		}
		select {
		case <-p.ended:
			return nil, fmt.Errorf("it ended at once: %s", p.lastWords())
		case <-time.After(10 * time.Millisecond):
		}
	}
	p.stop()
	return nil, fmt.Errorf("it did not listen within %v: %s", patience, p.lastWords())
}

func (p *process) addr() string { return "127.0.0.1:" + strconv.Itoa(p.port) }

// stop ends the server.
func (p *process) stop() {
	p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(3 * time.Second):
		p.cmd.Process.Kill()
		<-p.ended
	}
}

// lastWords is what the server said last on standard error. It must have
// ended.
func (p *process) lastWords() string {
	lines := strings.Split(strings.TrimSpace(p.stderr.String()), "\n")
	return lines[len(lines)-1]
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// startOn starts a program on the given cores with the given niceness: it
// inherits both from the thread that starts it. Where the kernel shares time
// among sessions, the program gets a session of its own with that niceness.
func startOn(cmd *exec.Cmd, cores []int, nice int) error {
	runtime.LockOSThread() // for good if the thread can't be put back
	var before, wanted unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return err
	}
	for _, c := range cores {
		wanted.Set(c)
	}
	if err := unix.SchedSetaffinity(0, &wanted); err != nil {
		return err
	}
	if nice != 0 {
		if err := unix.Setpriority(unix.PRIO_PROCESS, 0, nice); err != nil {
			return fmt.Errorf("-nice %d: %w", nice, err)
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	}
	err := cmd.Start()
	if err == nil && nice != 0 {
		group := fmt.Sprintf("/proc/%d/autogroup", cmd.Process.Pid)
		_ = os.WriteFile(group, []byte(strconv.Itoa(nice)), 0) // there may be none
	}
	undone := unix.SchedSetaffinity(0, &before)
	if nice != 0 {
		undone = errors.Join(undone, unix.Setpriority(unix.PRIO_PROCESS, 0, 0))
	}
	if undone == nil {
		runtime.UnlockOSThread()
	}
	return err
}

// cores gives the cores of the server and of the generator: one for each, or
// all for both.
func cores(shared bool) (server, generator []int) {
	var set unix.CPUSet
	unix.SchedGetaffinity(0, &set)
	var all []int
	for i := range 1024 {
		if set.IsSet(i) {
			all = append(all, i)
		}
	}
	if shared || len(all) < 2 {
		return all, all
	}
	return all[:1], all[1:2]
}

// said is what an ended server said, as an addition to an error.
func (p *process) said() string {
	if w := p.lastWords(); w != "" {
		return " (the server: " + w + ")"
	}
	return ""
}
