package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/tinyproto"
)

// execServer is parley serve --exec in a process of its own.
type execServer struct {
	t      *testing.T
	cmd    *exec.Cmd
	addr   string
	mark   string // in the environment of all that it starts
	killed bool   // by the test
}

const markEnv = "PARLEY_TEST_MARK"

func startExecServer(t *testing.T, grace time.Duration, script string, more ...string) *execServer {
	t.Helper()
	return startExecServerAt(t, "tinyproto://127.0.0.1:0", grace, script, more...)
}

func startExecServerAt(t *testing.T, url string, grace time.Duration, script string, more ...string) *execServer {
	t.Helper()
	file := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(file, []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	s := &execServer{t: t, mark: file, cmd: exec.Command("parley", "serve", url, "--exec", "sh "+file, "--grace", grace.String(), "--max-message", "1M", "--max-output", "1M", "--env", markEnv+"="+file)}
	s.cmd.Args = append(s.cmd.Args, more...)
	stderr, err := s.cmd.StderrPipe()
	if err == nil {
		err = s.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(stderr)
	for s.addr == "" {
		line, err := lines.ReadString('\n')
		if err != nil {
			t.Fatal(err)
		}
		if m := regexp.MustCompile(`^listening on \w+://(\S+)`).FindStringSubmatch(line); m != nil {
			s.addr = m[1]
		}
	}
	logged := make(chan struct{})
	go func() {
		io.Copy(io.Discard, lines)
		close(logged)
	}()
	t.Cleanup(func() {
		s.cmd.Process.Signal(os.Interrupt)
		late := time.AfterFunc(patience, func() { s.cmd.Process.Kill() })
		defer late.Stop()
		<-logged
		if err := s.cmd.Wait(); err != nil && !s.killed {
			t.Errorf("the server: %v", err)
		}
	})
	return s
}

// family returns the processes that descend from the server, in any state, and
// those that have lost their parents, one "pid (name) state" each.
func (s *execServer) family() []string {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		s.t.Fatal(err)
	}
	parents, about := map[int]int{}, map[int]string{}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			continue
		}
		name, rest, _ := strings.Cut(string(stat), ") ")
		fields := strings.Fields(rest)
		parents[pid], _ = strconv.Atoi(fields[1])
		about[pid] = name + ") " + fields[0]
	}
	var found []string
	for pid := range parents {
		if env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid)); err == nil && strings.Contains(string(env), markEnv+"="+s.mark) {
			found = append(found, about[pid])
			continue
		}
		for p := pid; parents[p] > 1; p = parents[p] {
			if parents[p] == s.cmd.Process.Pid {
				found = append(found, about[pid])
				break
			}
		}
	}
	return found
}

// peak returns the most memory that the server has held, in bytes.
func (s *execServer) peak() int {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	kb, err := strconv.Atoi(regexp.MustCompile(`VmHWM:\s+(\d+) kB`).FindStringSubmatch(string(status))[1])
	if err != nil {
		s.t.Fatal(err)
	}
	return kb << 10
}

// Programs that behave badly in every way: none outlives its connection by more
// than --grace and a second, nothing of them is left, not as a zombie either,
// and the server's memory does not grow with what they print.
func TestExecBadPrograms(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts some dozen programs")
	}
	const (
		conns = 8
		queue = 100 // messages that a client does not read
	)
	grace := 300 * time.Millisecond
	full := os.Getenv("PARLEY_RELIABILITY") == "full" // then times are held to the limit
	if full {
		grace = 2 * time.Second
	}
	for _, tt := range []struct {
		name, script string
		first        string // message, if there is one
		alone        bool   // the server closes the connection
		flood        bool   // messages come without end
	}{
		{"crashes at once", "kill -SEGV $$", "", true, false},
		{"crashes when spoken to", "echo ready; read line; kill -SEGV $$", "ready", true, false},
		{"ignores the end of its input and SIGTERM", "trap '' TERM; echo ready; while :; do sleep 10; done", "ready", false, false},
		{"stops itself", "echo ready; kill -STOP $$", "ready", false, false},
		{"closes its output", "echo ready; exec >&- 2>&-; trap '' TERM; while :; do sleep 10; done", "ready", false, false},
		{"closes its input", "exec <&-; echo ready; while :; do sleep 10; done", "ready", false, false},
		{"forks", "trap '' TERM; for i in 1 2 3 4 5; do (trap '' TERM; sleep 1000 & sleep 1000) & done; echo ready; wait", "ready", false, false},
		{"leaves children behind", "(sleep 1000 & sleep 1000) & echo ready; read line", "ready", true, false},
		{"floods its output", "exec yes " + strings.Repeat("flood", 50), strings.Repeat("flood", 50), false, true},
		{"floods its errors", "echo ready; exec yes error >&2", "ready", false, false},
		{"prints a line without an end", "echo ready; exec tr '\\0' x </dev/zero", "ready", true, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := startExecServer(t, grace, tt.script, "--half-close", grace.String())
			var open []*parley.Conn
			for range conns {
				d := parley.Dialer{Protocol: tinyproto.Protocol{}, Limits: parley.Limits{MaxQueue: queue}}
				c, err := d.Dial(t.Context(), s.addr)
				if err != nil {
					t.Fatal(err)
				}
				defer c.CloseNow()
				open = append(open, c)
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			for _, c := range open {
				if tt.first == "" {
					continue
				}
				m, err := c.Receive(ctx)
				if err != nil || m.Text() != tt.first {
					t.Fatalf("%.20q, %v", m.Text(), err)
				}
				if err := c.Send(ctx, parley.Text("go on")); err != nil && !tt.alone {
					t.Error(err)
				}
			}
			for _, c := range open {
				for tt.flood && c.Buffered() < queue && ctx.Err() == nil { // nobody reads, and all fills up
					runtime.Gosched()
				}
			}
			began := time.Now()
			for _, c := range open {
				if tt.alone {
					for { // until the server closes
						if _, err := c.Receive(ctx); err != nil {
							break
						}
					}
				} else {
					c.CloseNow()
				}
			}
			for left := s.family(); len(left) > 0; left = s.family() {
				if time.Since(began) > patience {
					t.Fatalf("still there: %v", left)
				}
				runtime.Gosched()
			}
			took := time.Since(began)
			t.Logf("all of %d gone %v after the connection (--grace %v), none a zombie, server's peak %d MiB",
				conns, took.Round(time.Millisecond), grace, s.peak()>>20)
			if full && took > grace+time.Second {
				t.Errorf("it took %v", took)
			}
			if peak := s.peak(); peak > 128<<20 {
				t.Errorf("the server has held %d MiB", peak>>20)
			}
		})
	}
}

// One client sends far more than a shared program reads, another one takes nothing
// of what it is told, a third asks for an answer above 64 KiB and never agrees to
// it: whoever is honest is answered meanwhile, and the program lives.
//
// Verifies: EXEC-01
func TestSharedProgram(t *testing.T) {
	s := startExecServer(t, 300*time.Millisecond, "exec answers", "--shared", "--format", "jsonl")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	raw := func(b string) net.Conn {
		nc, err := net.Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		go io.WriteString(nc, b) // as much as the server takes
		return nc
	}
	message := func(text string) string {
		return string(binary.BigEndian.AppendUint32(nil, uint32(len(text)))) + text
	}
	raw("\xff" + strings.Repeat(message(strings.Repeat("x", 50_000)), 20))
	raw("\xff" + strings.Repeat(message("hello"), 200_000))
	raw("\xff" + message("large"))
	c, err := parley.Dial(ctx, tinyproto.Protocol{}, s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	var longest time.Duration
	for range 200 {
		began := time.Now()
		if m, err := c.Call(ctx, parley.Text("honest")); err != nil || m.Text() != "ok" {
			t.Fatalf("%v, %v", m, err)
		}
		longest = max(longest, time.Since(began))
	}
	t.Logf("200 answers, the slowest after %v; the server's peak %d MiB", longest, s.peak()>>20)
	if len(s.family()) == 0 {
		t.Error("the program has ended")
	}
}

// What a server has started ends also when nobody tells it to.
//
// Verifies: EXEC-02
func TestServerIsKilled(t *testing.T) {
	s := startExecServer(t, time.Minute, "trap '' TERM HUP; echo ready; while :; do sleep 0.1; done")
	c, err := parley.Dial(t.Context(), tinyproto.Protocol{}, s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if m, err := c.Receive(t.Context()); err != nil || m.Text() != "ready" {
		t.Fatal(m, err)
	}
	s.killed = true
	s.cmd.Process.Kill()
	for late := time.Now().Add(patience); len(s.family()) > 0; runtime.Gosched() {
		if time.Now().After(late) {
			t.Fatalf("still there: %v", s.family())
		}
	}
}
