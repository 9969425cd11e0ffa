package main

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/internal/socketdir"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/tinyproto"
)

// unit is a service manager's side of one run of parley.
type unit struct {
	t      *testing.T
	cmd    *exec.Cmd
	states *net.UnixConn // NOTIFY_SOCKET
	stderr *bufio.Reader
}

// startUnit starts parley as a service manager does: with sockets that it has opened,
// by their names, and with a socket for what the service has to tell.
func startUnit(t *testing.T, args []string, names []string, sockets ...interface{ File() (*os.File, error) }) *unit {
	t.Helper()
	path := filepath.Join(socketdir.New(t), "notify")
	states, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	u := &unit{t: t, states: states}
	u.cmd = exec.Command("sh", append([]string{"-c", `LISTEN_PID=$$ WATCHDOG_PID=$$ exec parley "$@"`, "sh"}, args...)...)
	u.cmd.Env = append(os.Environ(), "PARLEY_CONFIG=/nowhere", "NOTIFY_SOCKET="+path, "WATCHDOG_USEC=400000",
		"LISTEN_FDS="+strconv.Itoa(len(sockets)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	for _, s := range sockets {
		f, err := s.File()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		u.cmd.ExtraFiles = append(u.cmd.ExtraFiles, f)
	}
	stderr, err := u.cmd.StderrPipe()
	if err == nil {
		err = u.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	u.stderr = bufio.NewReader(stderr)
	t.Cleanup(func() {
		u.cmd.Process.Kill()
		u.cmd.Wait()
		states.Close()
	})
	return u
}

// told returns the next thing that the service tells, other than that it is alive.
func (u *unit) told(alive bool) string {
	u.t.Helper()
	b := make([]byte, 4096)
	for {
		u.states.SetReadDeadline(time.Now().Add(20 * time.Second))
		n, err := u.states.Read(b)
		if err != nil {
			u.t.Fatalf("the service tells nothing: %v", err)
		}
		if state := string(b[:n]); alive == (state == "WATCHDOG=1") {
			return state
		}
	}
}

// ready waits until the service is, and returns its status.
func (u *unit) ready() string {
	u.t.Helper()
	state := u.told(false)
	status, ok := strings.CutPrefix(state, "READY=1\nSTATUS=")
	if !ok {
		u.t.Fatalf("the service said %q instead of READY=1", state)
	}
	return status
}

// end is what a manager does at the end.
func (u *unit) end() {
	u.t.Helper()
	u.cmd.Process.Signal(syscall.SIGTERM)
	if state := u.told(false); state != "STOPPING=1" {
		u.t.Errorf("the service said %q instead of STOPPING=1", state)
	}
	if err := u.cmd.Wait(); err != nil {
		u.t.Errorf("the service ended with %v", err)
	}
}

// fails is a service that must end at once: its code and what it has said.
func (u *unit) fails() (int, string) {
	u.t.Helper()
	var b strings.Builder
	u.stderr.WriteTo(&b)
	u.cmd.Wait()
	return u.cmd.ProcessState.ExitCode(), b.String()
}

func listenTCP(t *testing.T, addr string) *net.TCPListener {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener)
}

// askOnce asks a oneline server at addr.
func askOnce(t *testing.T, addr string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := (&parley.Dialer{Protocol: oneline.Protocol{}}).Dial(ctx, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	m, err := c.Call(ctx, parley.Text("hello"))
	if err != nil {
		t.Fatal(err)
	}
	return m.Text()
}

// Every command that listens takes the sockets of its manager, by address, by name and
// by Unix path, says when it is ready, that it is alive, and when it ends. A client
// that has come before the service is served.
//
// Verifies: SERVICE-01, SERVICE-02, SERVICE-04
func TestServiceManager(t *testing.T) {
	dir := socketdir.New(t)
	echo := &parley.Server{Protocol: oneline.Protocol{}, Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error { return c.Send(ctx, m) })}
	if err := echo.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	go echo.Serve()
	t.Cleanup(func() { echo.Close() })
	target := "oneline://" + echo.Addrs()[0].String()
	session := filepath.Join(dir, "session.jsonl")
	path := filepath.Join(dir, "dev.sock")
	tests := []struct {
		name string
		args func(l *net.TCPListener) []string
	}{
		{"serve by address", func(l *net.TCPListener) []string {
			return []string{"serve", "oneline://" + l.Addr().String(), "--echo"}
		}},
		{"serve by port", func(l *net.TCPListener) []string {
			return []string{"serve", "oneline://:" + strconv.Itoa(l.Addr().(*net.TCPAddr).Port), "--echo"}
		}},
		{"serve, any port", func(l *net.TCPListener) []string { return []string{"serve", "oneline://127.0.0.1:0", "--echo"} }},
		{"serve by name", func(l *net.TCPListener) []string { return []string{"serve", "oneline+fd://device", "--echo"} }},
		{"serve by number", func(l *net.TCPListener) []string { return []string{"serve", "oneline+fd://3", "--echo"} }},
		{"tap", func(l *net.TCPListener) []string { return []string{"tap", "oneline+fd://device", target} }},
		{"bridge", func(l *net.TCPListener) []string { return []string{"bridge", "oneline://" + l.Addr().String(), target} }},
		{"replay", func(l *net.TCPListener) []string {
			return []string{"replay", session, "--as-server", "oneline+fd://device", "--loop"}
		}},
	}
	if err := os.WriteFile(session, []byte("{\"dir\":\"c2s\",\"text\":\"hello\"}\n{\"dir\":\"s2c\",\"text\":\"hello\"}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := listenTCP(t, "127.0.0.1:0")
			addr := l.Addr().String()
			u := startUnit(t, tt.args(l), []string{"device"}, l)
			if got := askOnce(t, addr); got != "hello" { // it may have come before the service
				t.Errorf("answer %q", got)
			}
			if got := u.ready(); !strings.HasPrefix(got, "listening on oneline://"+addr) {
				t.Errorf("status %q, want the address %s", got, addr)
			}
			u.told(true)
			u.told(true)
			u.end()
		})
	}
	t.Run("unix", func(t *testing.T) {
		l, err := net.Listen("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		u := startUnit(t, []string{"serve", "oneline+unix://" + path, "--echo"}, nil, l.(*net.UnixListener))
		u.ready()
		u.end()
		if _, err := os.Stat(path); err != nil {
			t.Errorf("the manager's socket was removed: %v", err)
		}
	})
	t.Run("web", func(t *testing.T) {
		l := listenTCP(t, "127.0.0.1:0")
		u := startUnit(t, []string{"web", "--listen", l.Addr().String(), "--target", "psu=" + target}, nil, l)
		if got, want := u.ready(), "listening on http://"+l.Addr().String(); got != want {
			t.Errorf("status %q, want %q", got, want)
		}
		if r, err := http.Get("http://" + l.Addr().String() + "/parley.js"); err != nil || r.Body.Close() != nil || r.StatusCode != 200 {
			t.Errorf("%v, %v", r, err)
		}
		u.end()
	})
}

// What a manager has opened and nobody wants, or nobody can serve, is told before
// anything listens: its clients would wait for ever.
//
// Verifies: SERVICE-03
func TestServiceManagerMistakes(t *testing.T) {
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	l := listenTCP(t, "127.0.0.1:0")
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	type file = interface{ File() (*os.File, error) }
	tests := []struct {
		name    string
		args    []string
		sockets []file
		want    string
	}{
		{"unused", []string{"serve", "oneline+fd://device", "--echo"}, []file{l, listenTCP(t, "127.0.0.1:0")}, `no URL names socket 4 (spare) at 127.0.0.1:\d+, .*fd:spare`},
		{"narrower", []string{"serve", "oneline://127.0.0.1:0", "--echo"}, []file{listenTCP(t, "0.0.0.0:0")}, `no URL names socket 3 \(device\) at `},
		{"no such name", []string{"serve", "oneline+fd://other", "--echo"}, []file{l}, `no inherited socket "other" that is free; inherited are socket 3 \(device\) at 127`},
		{"none", []string{"serve", "oneline+fd://device", "--echo"}, nil, `none was inherited \(LISTEN_FDS`},
		{"datagrams", []string{"serve", "oneline://:0", "--echo"}, []file{udp.(*net.UDPConn)}, `socket 3 \(device\), which was inherited, is no stream socket`},
		{"a connection", []string{"tap", "oneline://:0", "127.0.0.1:1"}, []file{conn.(*net.TCPConn)}, `socket 3 .*does not listen`},
		{"to dial", []string{"send", "oneline+fd://device", "x"}, nil, `is for listening; write the address`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			u := startUnit(t, tt.args, []string{"device", "spare"}, tt.sockets...)
			code, said := u.fails()
			if want := strings.ReplaceAll(tt.want, " (spare)", ` \(spare\)`); code != fault.Usage || !regexp.MustCompile(want).MatchString(said) {
				t.Errorf("code %d, said %q; want 2 and %q", code, said, want)
			}
		})
	}
}

// A reload is told at its begin, with the time of the manager's clock, and at its end.
//
// Verifies: SERVICE-02
func TestServiceManagerReload(t *testing.T) {
	file := filepath.Join(t.TempDir(), "device.toml")
	if err := os.WriteFile(file, []byte("[[reply]]\nrequest = \"a\"\nresponse = \"b\"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	u := startUnit(t, []string{"serve", "oneline://127.0.0.1:0", "--replies", file}, nil)
	u.ready()
	u.cmd.Process.Signal(syscall.SIGHUP)
	var usec int64
	if state := u.told(false); !strings.HasPrefix(state, "RELOADING=1\n") {
		t.Fatalf("told %q at a reload", state)
	} else if _, err := fmt.Sscanf(state, "RELOADING=1\nMONOTONIC_USEC=%d", &usec); err != nil {
		t.Fatalf("told %q at a reload: %v", state, err)
	}
	var now unix.Timespec
	unix.ClockGettime(unix.CLOCK_MONOTONIC, &now)
	if late := time.Duration(now.Nano()) - time.Duration(usec)*time.Microsecond; late < 0 || late > time.Minute {
		t.Errorf("the reload began %v ago by the manager's clock", late)
	}
	u.ready()
	u.end()
}

// SIGTSTP stops the programs with the server, and SIGCONT lets both go on.
//
// Verifies: SERVICE-05
func TestStopAndContinue(t *testing.T) {
	// A shell that is just starting a process can't be stopped before it has
	// (vfork), so this one has started what it starts when it says so.
	s := startExecServer(t, time.Second, "sleep 1000 & echo $$ $!; wait")
	c, err := (&parley.Dialer{Protocol: tinyproto.Protocol{}}).Dial(t.Context(), s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	m, err := c.Receive(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	pids := []int{s.cmd.Process.Pid, 0, 0}
	if _, err := fmt.Sscan(m.Text(), &pids[1], &pids[2]); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		signal  syscall.Signal
		stopped bool
	}{{syscall.SIGTSTP, true}, {syscall.SIGCONT, false}} {
		s.cmd.Process.Signal(step.signal)
		for _, pid := range pids {
			for end := time.Now().Add(20 * time.Second); isStopped(t, pid) != step.stopped; time.Sleep(5 * time.Millisecond) {
				if time.Now().After(end) {
					t.Fatalf("after %v: process %d stopped is %v", step.signal, pid, !step.stopped)
				}
			}
		}
	}
}

// isStopped reports whether a process has been stopped.
func isStopped(t *testing.T, pid int) bool {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return rest != "" && rest[0] == 'T'
}
