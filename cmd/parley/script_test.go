//go:build unix

package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/internal/socketdir"
)

// The scripts of testdata/script run parley itself: this test binary, which
// behaves like it under its name.
func TestMain(m *testing.M) {
	testscript.Main(hearing{m}, map[string]func(){
		"parley":  main,
		"answers": jsonAnswers,
		"flood":   flood,
		"environ": func() { os.WriteFile(os.Args[1], []byte(strings.Join(os.Environ(), "\x00")), 0o666) },
	})
}

// hearing are the tests in a process that ignores no signal, as one that nohup or a
// shell's & has begun does: what it starts would inherit that.
type hearing struct{ *testing.M }

func (m hearing) Run() int {
	for _, sig := range []os.Signal{syscall.SIGHUP, syscall.SIGINT, syscall.SIGQUIT} {
		if signal.Ignored(sig) {
			signal.Notify(make(chan os.Signal, 1), sig)
		}
	}
	return m.M.Run()
}

func TestScripts(t *testing.T) { testscript.Run(t, scriptParams(t)) }

// scriptRoot is where the folders of the scripts are, if not where temporary files are:
// they hold sockets, whose names must not be long.
func scriptRoot(t *testing.T) string {
	if len(os.TempDir()) < 40 {
		return ""
	}
	return socketdir.New(t)
}

// scriptParams is how the scripts run.
func scriptParams(t *testing.T) testscript.Params {
	return testscript.Params{
		WorkdirRoot: scriptRoot(t),
		Dir:         "testdata/script",
		Setup:       setupScript,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"env-file": scriptEnvFile,
			"code":     scriptCode,
			"start":    scriptStart,
			"say":      scriptSay,
			"hear":     scriptHear,
			"signal":   scriptSignal,
			"end":      scriptEnd,
			"peer":     scriptPeer,
			"gone":     scriptGone,
			"until":    scriptUntil,
			"adds":     scriptAdds,
		},
		Condition:           scriptCondition,
		ContinueOnError:     true,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	}
}

// scriptCondition knows [ipv6].
func scriptCondition(cond string) (bool, error) {
	if cond != "ipv6" {
		return false, fmt.Errorf("unknown condition %s", cond)
	}
	l, err := net.Listen("tcp", "[::1]:0")
	if err == nil {
		l.Close()
	}
	return err == nil, nil
}

type procsKey struct{}

// procs are the programs that a script has started, by name.
type procs struct{ byName map[string]*proc }

func setupScript(env *testscript.Env) error {
	ps := &procs{byName: make(map[string]*proc)}
	env.Values[procsKey{}] = ps
	env.Setenv("PARLEY_CONFIG", filepath.Join(env.WorkDir, "config.toml"))
	env.Setenv("HOME", env.WorkDir)
	env.Setenv("GORACE", "atexit_sleep_ms=0") // or each program takes a second to end
	scpi, err := filepath.Abs("../../examples/replies/scpi.toml")
	if err != nil {
		return err
	}
	env.Setenv("SCPI", scpi)
	env.Defer(func() {
		for _, p := range ps.byName {
			p.kill()
		}
	})
	return nil
}

func procsOf(ts *testscript.TestScript) *procs { return ts.Value(procsKey{}).(*procs) }

func (ps *procs) get(ts *testscript.TestScript, name string) *proc {
	p := ps.byName[name]
	if p == nil {
		ts.Fatalf("nothing named %s was started", name)
	}
	return p
}

// proc is a program that runs beside the script.
type proc struct {
	name   string
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *capture
	stderr *capture
	ended  chan struct{}
	err    error
}

func (p *proc) kill() {
	p.cmd.Process.Kill()
	<-p.ended
}

// env-file NAME FILE sets a variable to the content of a file, without the line
// feed at its end.
func scriptEnvFile(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: env-file name file")
	}
	ts.Setenv(args[0], strings.TrimSuffix(ts.ReadFile(args[1]), "\n"))
}

// code N PROGRAM ARG… runs a program and checks its exit code. stdout and
// stderr can be looked at afterwards.
func scriptCode(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N program [arg…]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// start NAME [< FILE] PROGRAM ARG… starts a program beside the script. If it
// serves, start waits until it listens, and sets the variable NAME to its URL
// (with several URLs NAME, NAME_2, …), NAME_ADDR to the part behind :// and NAME_PORT to the port.
// Its standard input stays open: see say.
func scriptStart(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: start name program [arg…]")
	}
	ps := procsOf(ts)
	p := &proc{name: args[0], stdout: newCapture(), stderr: newCapture(), ended: make(chan struct{})}
	if ps.byName[p.name] != nil {
		ts.Fatalf("%s runs already", p.name)
	}
	p.cmd = exec.Command(args[1], args[2:]...)
	if path, err := lookPath(ts, args[1]); err == nil {
		p.cmd.Path, p.cmd.Err = path, nil
	}
	p.cmd.Dir = ts.MkAbs(".")
	environ := ts.MkAbs(".environ")
	ts.Check(ts.Exec("environ", environ)) // the script's own, which only a program sees
	p.cmd.Env = strings.Split(ts.ReadFile(environ), "\x00")
	p.cmd.Stdout, p.cmd.Stderr = p.stdout, p.stderr
	var err error
	p.stdin, err = p.cmd.StdinPipe()
	ts.Check(err)
	ts.Check(p.cmd.Start())
	go func() {
		p.err = p.cmd.Wait()
		p.stdout.close()
		p.stderr.close()
		close(p.ended)
	}()
	ps.byName[p.name] = p
	urls := serves(args[1:])
	for i := range urls {
		found, err := p.stderr.await(ready)
		if err != nil {
			ts.Fatalf("%s: %v\n%s", p.name, err, p.stderr)
		}
		name := p.name
		if i > 0 {
			name = fmt.Sprintf("%s_%d", p.name, i+1)
		}
		ts.Setenv(name, found[1])
		addr := found[1][strings.Index(found[1], "://")+3:]
		addr, _, _ = strings.Cut(addr, "?")
		ts.Setenv(name+"_ADDR", addr)
		if _, port, err := net.SplitHostPort(addr); err == nil {
			ts.Setenv(name+"_PORT", port)
		}
	}
}

// serves returns how many addresses a command listens on.
func serves(args []string) int {
	if len(args) < 2 || args[0] != "parley" {
		return 0
	}
	switch args[1] {
	case "tap", "bridge":
		return 1
	case "replay":
		for _, a := range args {
			if a == "--as-server" {
				return 1
			}
		}
		return 0
	case "serve":
		n := 0
		for _, a := range args {
			if app.LooksLikeURL(a) && !strings.HasPrefix(a, "tls://") && !strings.HasPrefix(a, "nats://") { // those are where others are
				n++
			}
		}
		return max(n, 1)
	}
	return 0
}

func lookPath(ts *testscript.TestScript, name string) (string, error) {
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return path, nil
		}
	}
	return exec.LookPath(name)
}

// say NAME TEXT… writes a line for each text to the program's standard input;
// "say NAME --close" closes it.
func scriptSay(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: say name text… | --close")
	}
	p := procsOf(ts).get(ts, args[0])
	if args[1] == "--close" {
		ts.Check(p.stdin.Close())
		return
	}
	for _, text := range args[1:] {
		_, err := io.WriteString(p.stdin, text+"\n")
		ts.Check(err)
	}
}

// hear NAME stdout|stderr REGEXP waits until the program prints something that
// matches, behind what the last hear has found. Groups become the variables
// NAME_1, NAME_2 …
func scriptHear(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: hear name stdout|stderr regexp")
	}
	p := procsOf(ts).get(ts, args[0])
	c := map[string]*capture{"stdout": p.stdout, "stderr": p.stderr}[args[1]]
	if c == nil {
		ts.Fatalf("want stdout or stderr, not %s", args[1])
	}
	re, err := regexp.Compile("(?m)" + args[2])
	ts.Check(err)
	found, err := c.await(re)
	if err != nil {
		ts.Fatalf("%s %s: %v\nstdout:\n%s\nstderr:\n%s", p.name, args[1], err, p.stdout, p.stderr)
	}
	for i, g := range found[1:] {
		ts.Setenv(fmt.Sprintf("%s_%d", p.name, i+1), g)
	}
}

// signal NAME INT|TERM|KILL sends a signal.
func scriptSignal(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: signal name INT|TERM|KILL|HUP|QUIT")
	}
	s, ok := map[string]syscall.Signal{"INT": syscall.SIGINT, "TERM": syscall.SIGTERM, "KILL": syscall.SIGKILL, "HUP": syscall.SIGHUP, "QUIT": syscall.SIGQUIT}[args[1]]
	if !ok {
		ts.Fatalf("signal %s is not known", args[1])
	}
	ts.Check(procsOf(ts).get(ts, args[0]).cmd.Process.Signal(s))
}

// gone PID checks that a process has ended, or does soon.
func scriptGone(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: gone pid")
	}
	pid, err := strconv.Atoi(args[0])
	ts.Check(err)
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); runtime.Gosched() {
		if !isRunning(pid) {
			return
		}
	}
	ts.Fatalf("process %d still runs", pid)
}

// isRunning reports whether a process exists that is not just waiting for its
// parent to ask for its status.
func isRunning(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err != nil || !strings.Contains(string(stat), ") Z ")
}

// end NAME [CODE] waits until the program has ended and checks its exit code,
// 0 unless given, -1 if a signal killed it. A server is asked to end first
// (SIGTERM), with "end NAME CODE wait" it is not. What the program has printed
// is in the files NAME.stdout and NAME.stderr.
func scriptEnd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 1 || len(args) > 3 || len(args) == 3 && args[2] != "wait" {
		ts.Fatalf("usage: end name [code [wait]]")
	}
	ps := procsOf(ts)
	p := ps.get(ts, args[0])
	want := 0
	if len(args) > 1 {
		var err error
		want, err = strconv.Atoi(args[1])
		ts.Check(err)
	}
	if len(args) < 3 && serves(append([]string{filepath.Base(p.cmd.Args[0])}, p.cmd.Args[1:]...)) > 0 {
		p.cmd.Process.Signal(syscall.SIGTERM)
	}
	select {
	case <-p.ended:
	case <-time.After(patience):
		ts.Fatalf("%s does not end\nstdout:\n%s\nstderr:\n%s", p.name, p.stdout, p.stderr)
	}
	delete(ps.byName, p.name)
	ts.Check(os.WriteFile(ts.MkAbs(p.name+".stdout"), []byte(p.stdout.String()), 0o666))
	ts.Check(os.WriteFile(ts.MkAbs(p.name+".stderr"), []byte(p.stderr.String()), 0o666))
	if got := p.cmd.ProcessState.ExitCode(); got != want {
		ts.Fatalf("%s: exit code %d, want %d\nstdout:\n%s\nstderr:\n%s", p.name, got, want, p.stdout, p.stderr)
	}
}
