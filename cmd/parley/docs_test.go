//go:build unix

package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// The pages of docs for one task each. What they show is run, block by block:
//
//	```console              each line behind "$ " is a command, what follows is
//	                        all that it prints; "…" is anything
//	```console server       a command that goes on; it is awaited to print that
//	```console more WORD    what the last server with WORD in its command prints
//	                        by now; ^C interrupts it, and it ends with 0
//	```toml NAME            a file; so with other languages and a name
//
// In a console block a command with "& sleep 1" behind it is a server too; kill
// ends the last one that has a word in its command ('%?WORD'), or all of them
// ($(jobs -p)), and they have to end with 0.
//
// Ports are replaced with free ones. A page with a Python program that imports
// an original needs PARLEY_PEERS. Our package for Python is there as if it was
// installed, and ./parley is this checkout.
func TestTaskPages(t *testing.T) {
	for _, name := range taskPages {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, err := os.ReadFile("../../docs/" + name)
			if err != nil {
				t.Fatal(err)
			}
			newPage(t, string(b)).run()
		})
	}
}

// The README's commands work from top to bottom in an empty folder.
func TestReadmeCommands(t *testing.T) {
	b, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(b), "\n## The command\n")
	section, _, found := strings.Cut(section, "\n## ")
	if !found || !strings.Contains(section, "\n$ parley ask scpi://") {
		t.Fatalf("the README has no commands, or does not ask an instrument:\n%s", section)
	}
	p := newPage(t, section)
	p.run()
	for _, s := range p.servers {
		if s.running() {
			t.Errorf("%s was not ended", s.cmd)
		}
	}
}

// fence is a fenced block: its info string and its lines.
var fence = regexp.MustCompile("(?ms)^```(\\S[^\n]*)\n(.*?)^```$")

// page is one page and what runs for it.
type page struct {
	t       *testing.T
	text    string
	dir     string
	env     []string
	real    *strings.Replacer // of the ports, from the page to this machine
	shown   *strings.Replacer // and back
	servers []*proc
	said    []string // their commands
}

func newPage(t *testing.T, text string) *page {
	p := &page{t: t, text: text, dir: t.TempDir()}
	var real, shown []string
	seen := make(map[string]bool)
	for _, m := range regexp.MustCompile(`[:,] ?([1-9]\d{3})\b`).FindAllStringSubmatch(strings.Join(fence.FindAllString(text, -1), ""), -1) {
		m := m[1]
		if seen[m] {
			continue
		}
		seen[m] = true
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		_, port, _ := net.SplitHostPort(l.Addr().String())
		real, shown = append(real, m, port), append(shown, port, m)
	}
	p.real, p.shown = strings.NewReplacer(real...), strings.NewReplacer(shown...)
	p.env = append(os.Environ(), "HOME="+p.dir, "PARLEY_CONFIG="+p.dir+"/config.toml", "PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1", "GORACE=atexit_sleep_ms=0")
	p.needs(regexp.MustCompile(`(?m)^(?:import|from) (socket_oneline|tinyproto|serpy2?)\b`).MatchString(text))
	return p
}

// needs sets the originals up, if the page imports them.
func (p *page) needs(originals bool) {
	// What is called python3 may be a slow script that looks for one.
	python, err := exec.Command(cmp.Or(os.Getenv("PARLEY_PYTHON"), "python3"), "-c", "import sys; print(sys.executable, end='')").Output()
	if err != nil {
		if strings.Contains(p.text, "python3 ") {
			p.t.Skipf("there is no Python: the page was not run: %v", err)
		}
		return
	}
	if err := os.WriteFile(filepath.Join(p.dir, "python3"), []byte("#!/bin/sh\nexec '"+string(python)+"' \"$@\"\n"), 0o755); err != nil {
		p.t.Fatal(err)
	}
	p.env = append(p.env, "PATH="+p.dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	if !originals {
		p.ours()
		return
	}
	p.env = append(p.env, "PYTHONPATH="+findOriginals(p.t, "oneline", "tinyproto3", "serpy"))
}

// ours lets a page use what lies in this checkout: the Python package as if it was
// installed, and the folder ./parley for a Go module.
func (p *page) ours() {
	top, err := filepath.Abs("../..")
	if err != nil {
		p.t.Fatal(err)
	}
	p.env = append(p.env, "PYTHONPATH="+filepath.Join(top, "python", "src"))
	if !strings.Contains(p.text, "=./parley") {
		return
	}
	out, err := exec.Command("go", "env", "GOMODCACHE", "GOCACHE").Output()
	if err != nil {
		p.t.Fatal(err)
	}
	places := strings.Fields(string(out))
	p.env = append(p.env, "GOWORK=off", "GOFLAGS=-mod=mod", "GOPROXY=off", "GOSUMDB=off", "GOMODCACHE="+places[0], "GOCACHE="+places[1])
	if err := os.Symlink(top, filepath.Join(p.dir, "parley")); err != nil {
		p.t.Fatal(err)
	}
}

// run runs all blocks.
func (p *page) run() {
	p.t.Cleanup(func() {
		for _, s := range p.servers {
			s.kill()
		}
	})
	blocks, commands := fence.FindAllStringSubmatch(p.text, -1), 0
	if n := strings.Count(p.text, "\n```"); n != 2*len(blocks) {
		p.t.Fatalf("%d fences make %d blocks: want a word behind each", n, len(blocks))
	}
	for _, b := range blocks {
		kind, name, _ := strings.Cut(b[1], " ")
		switch {
		case kind != "console" && name != "":
			if err := os.MkdirAll(filepath.Join(p.dir, filepath.Dir(name)), 0o755); err != nil {
				p.t.Fatal(err)
			}
			written(p.t, filepath.Join(p.dir, name), []byte(p.real.Replace(b[2])))
		case kind != "console":
			p.t.Errorf("a block of %s without a name is not tried", kind)
		case strings.HasPrefix(name, "more "):
			p.more(strings.TrimPrefix(name, "more "), b[2])
		default:
			for _, c := range strings.Split("\n"+b[2], "\n$ ")[1:] {
				command, output, _ := strings.Cut(strings.TrimSuffix(c, "\n")+"\n", "\n")
				commands++
				p.one(command, output, name == "server")
			}
		}
		if p.t.Failed() {
			return
		}
	}
	if commands < 3 {
		p.t.Errorf("only %d commands", commands)
	}
}

// inBackground is the end of a command that is a server.
var inBackground = regexp.MustCompile(`\s+& sleep 1(\s+#.*)?$`)

// killing is a command of the shell that ends servers.
var killing = regexp.MustCompile(`^kill (?:'%\?(\w+)'|\$\(jobs -p\))(?:; sleep 1)?(?:\s+#.*)?$`)

// one does what a line behind a prompt says.
func (p *page) one(command, output string, server bool) {
	p.t.Helper()
	if k := killing.FindStringSubmatch(command); k != nil {
		p.end(k[1])
		return
	}
	if at := inBackground.FindStringIndex(command); at != nil {
		command, server = command[:at[0]], true
	}
	if server {
		p.serve(command, output)
	} else {
		p.try(command, output)
	}
}

// end ends the last server with word in its command, or all that run.
func (p *page) end(word string) {
	p.t.Helper()
	for i := len(p.servers) - 1; i >= 0; i-- {
		if !strings.Contains(p.said[i], word) || !p.servers[i].running() {
			continue
		}
		p.servers[i].cmd.Process.Signal(syscall.SIGTERM)
		p.servers[i].finishes(p.t, 0)
		if word != "" {
			return
		}
	}
	if word != "" {
		p.t.Fatalf("there is no server %s", word)
	}
}

// command returns the shell that runs a line of the page.
func (p *page) command(ctx context.Context, line string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, "sh", "-c", p.real.Replace(line))
	cmd.Dir, cmd.Env = p.dir, p.env
	return cmd
}

// try runs a command to its end; it has to print what the page shows.
func (p *page) try(line, want string) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), patience)
	defer cancel()
	var out bytes.Buffer
	cmd := p.command(ctx, line)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if errors.As(err, new(*exec.ExitError)) && ctx.Err() == nil {
		fmt.Fprintf(&out, "(exit code %d)\n", cmd.ProcessState.ExitCode())
		err = nil
	}
	got := p.shown.Replace(out.String())
	if err != nil || !regexp.MustCompile(`\A`+pattern(want)+`\z`).MatchString(got) {
		p.t.Errorf("$ %s\n%s(%v) the page has:\n%s", line, got, err, want)
	}
}

// pattern is the regular expression for what a page shows.
func pattern(shown string) string {
	return strings.ReplaceAll(strings.ReplaceAll(regexp.QuoteMeta(shown), "…\n", "(?s:.*)\n"), "…", ".*")
}

// serve starts a command that goes on, and waits until it prints what the page
// shows.
func (p *page) serve(line, want string) {
	p.t.Helper()
	cmd := p.command(context.Background(), "exec "+line)
	s := launched(p.t, cmd)
	p.servers, p.said = append(p.servers, s), append(p.said, line)
	p.await(s, line, want)
}

func (p *page) await(s *proc, line, want string) {
	p.t.Helper()
	for _, l := range strings.SplitAfter(want, "\n") {
		switch l {
		case "":
		case "^C\n":
			s.cmd.Process.Signal(syscall.SIGINT)
			s.finishes(p.t, 0)
		default:
			c := s.stdout
			if strings.HasPrefix(l, "listening on ") || strings.HasPrefix(l, "monitor on ") {
				c = s.stderr
			}
			if _, err := c.await(regexp.MustCompile(`(?m)^` + p.real.Replace(pattern(l)))); err != nil {
				p.t.Fatalf("$ %s\n%v\n%s%s", line, err, s.stdout, s.stderr)
			}
		}
	}
}

// more waits for more of what a server prints.
func (p *page) more(word, want string) {
	p.t.Helper()
	for i := len(p.servers) - 1; i >= 0; i-- {
		if strings.Contains(p.said[i], word) {
			p.await(p.servers[i], p.said[i], want)
			return
		}
	}
	p.t.Fatalf("there is no server %s", word)
}

// Every page is where a reader looks for it.
func TestTaskPagesAreListed(t *testing.T) {
	for _, index := range []string{"../../docs/README.md", "../../README.md"} {
		b, err := os.ReadFile(index)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range taskPages {
			if !strings.Contains(string(b), name+")") {
				t.Errorf("%s does not list %s", index, name)
			}
		}
	}
}
