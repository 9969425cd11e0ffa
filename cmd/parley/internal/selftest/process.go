package selftest

import (
	"bufio"
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"time"
)

// readyFor is how long a process may take to be ready.
const readyFor = 20 * time.Second

// process is a parley beside this one.
type process struct {
	name  string
	args  []string
	cmd   *exec.Cmd
	begun time.Time
	ended chan struct{}

	mu    sync.Mutex
	lines []string
	more  chan struct{} // closed when a line comes
}

// start starts the command.
func (r *run) start(name string, args ...string) (*process, error) {
	p := &process{name: name, args: args, cmd: exec.CommandContext(r.ctx, r.Command, args...), begun: time.Now(), ended: make(chan struct{}), more: make(chan struct{})}
	out, err := p.cmd.StderrPipe()
	if err == nil {
		err = r.kin.Start(p.cmd)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	r.live = append(r.live, p)
	go func() {
		defer close(p.ended)
		for s := bufio.NewScanner(out); s.Scan(); {
			p.mu.Lock()
			p.lines = append(p.lines, s.Text())
			close(p.more)
			p.more = make(chan struct{})
			p.mu.Unlock()
		}
		p.cmd.Wait()
		r.kin.Forget(p.cmd)
	}()
	return p, nil
}

// await waits for a line that matches, and returns its first group.
func (p *process) await(pattern string) (string, error) {
	re := regexp.MustCompile(pattern)
	late := time.After(readyFor)
	for from := 0; ; {
		p.mu.Lock()
		lines, more := p.lines, p.more
		p.mu.Unlock()
		for ; from < len(lines); from++ {
			if found := re.FindStringSubmatch(lines[from]); found != nil {
				return found[len(found)-1], nil
			}
		}
		select {
		case <-more:
		case <-p.ended:
			return "", fmt.Errorf("%s has ended: %s", p.name, strings.Join(lines, "\n"))
		case <-late:
			return "", fmt.Errorf("%s does not say %s:\n%s", p.name, pattern, strings.Join(lines, "\n"))
		}
	}
}

// owns reports whether the last line that begins or ends an ownership says that it has begun.
func (p *process) owns() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	has := false
	for _, line := range p.lines {
		if strings.Contains(line, "this node has the device") {
			has = !strings.Contains(line, "no more")
		}
	}
	return has
}

// kill is kill -9.
func (p *process) kill() {
	p.cmd.Process.Kill()
	<-p.ended
}
