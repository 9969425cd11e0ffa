package browsertest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// patience bounds every wait for something that must happen.
const patience = 30 * time.Second

// folder is where the command is built, when the first test needs it.
var folder string

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	var err error
	if folder, err = os.MkdirTemp("", "browsertest"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	return m.Run()
}

// built builds the parley command as it is here.
var built = sync.OnceValues(func() (string, error) {
	command := filepath.Join(folder, "parley")
	out, err := exec.Command("go", "build", "-o", command, "../../cmd/parley").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("the command can't be built: %w\n%s", err, out)
	}
	return command, nil
})

// command returns where it is.
func command(t *testing.T) string {
	t.Helper()
	at, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// process is a parley that runs.
type process struct {
	t   *testing.T
	cmd *exec.Cmd

	mu  sync.Mutex
	err bytes.Buffer
}

// Write takes what it says on standard error.
func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err.Write(b)
}

func (p *process) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err.String()
}

// start runs the command until the test ends.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	p := &process{t: t, cmd: exec.Command(command(t), args...)}
	p.cmd.Stderr = p
	p.cmd.Env = append(os.Environ(), "PARLEY_CONFIG=", "PARLEY_PROFILE=")
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.end)
	return p
}

func (p *process) end() {
	p.cmd.Process.Signal(os.Interrupt)
	done := make(chan struct{})
	go func() { p.cmd.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(15 * time.Second):
		p.cmd.Process.Kill()
		<-done
	}
	if p.t.Failed() {
		p.t.Logf("parley %s:\n%s", strings.Join(p.cmd.Args[1:], " "), p.said())
	}
}

// all returns the first group of all that fits in what it says, once there are n.
func (p *process) all(pattern string, n int) []string {
	p.t.Helper()
	re := regexp.MustCompile(pattern)
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if found := re.FindAllStringSubmatch(p.said(), -1); len(found) >= n {
			var all []string
			for _, m := range found {
				all = append(all, m[1])
			}
			return all
		}
	}
	p.t.Fatalf("parley %s does not say %s:\n%s", strings.Join(p.cmd.Args[1:], " "), pattern, p.said())
	return nil
}

// url is where it shows its pages.
func (p *process) url() string {
	p.t.Helper()
	return p.all(`(?:monitor|listening) on (http://[^/\s]+)`, 1)[0]
}

// once runs the command to its end.
func once(t *testing.T, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, command(t), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("parley %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
