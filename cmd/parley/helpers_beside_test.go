//go:build unix

package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"
	"time"
)

// beside runs a server or another client beside the terminal.
func beside(t *testing.T, args ...string) *proc {
	t.Helper()
	cmd := exec.Command("parley", args...)
	cmd.Env = append(os.Environ(), "PARLEY_CONFIG=/nowhere")
	return launched(t, cmd)
}

// launched starts a program, and ends it with the test.
func launched(t *testing.T, cmd *exec.Cmd) *proc {
	t.Helper()
	p := &proc{name: filepath.Base(cmd.Path), cmd: cmd, stdout: newCapture(), stderr: newCapture(), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		p.err = p.cmd.Wait()
		p.stdout.close()
		p.stderr.close()
		close(p.ended)
	}()
	t.Cleanup(p.kill)
	return p
}

// serving runs a server and returns its URLs.
func serving(t *testing.T, args ...string) (*proc, []string) {
	t.Helper()
	p := beside(t, append([]string{"serve"}, args...)...)
	var urls []string
	for range serves(append([]string{"parley", "serve"}, args...)) {
		found, err := p.stderr.await(ready)
		if err != nil {
			t.Fatalf("%v\n%s", err, p.stderr)
		}
		urls = append(urls, found[1])
	}
	return p, urls
}

func hears(t *testing.T, c *capture, re string) {
	t.Helper()
	if _, err := c.await(regexp.MustCompile("(?m)" + re)); err != nil {
		t.Fatalf("%v\n%s", err, c)
	}
}

// say writes a line to the program's standard input.
func (p *proc) say(t *testing.T, line string) {
	t.Helper()
	if _, err := io.WriteString(p.stdin, line+"\n"); err != nil {
		t.Fatal(err)
	}
}

func (p *proc) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// finishes waits for the end and checks the exit code.
func (p *proc) finishes(t *testing.T, code int) {
	t.Helper()
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Fatalf("%s does not end\n%s", p.name, p.stderr)
	}
	if got := p.cmd.ProcessState.ExitCode(); got != code {
		t.Errorf("%s: exit code %d, want %d\n%s", p.name, got, code, p.stderr)
	}
}
