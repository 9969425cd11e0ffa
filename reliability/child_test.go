package reliability

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/parley-net/parley"
)

const childConfigEnv = "PARLEY_RELIABILITY_CHILD"

// A childConfig is a server that runs in a process of its own, so that its
// memory, its descriptors and its processor time can be told from the test's.
type childConfig struct {
	Driver   string
	Form     string
	Limits   parley.Limits
	Timeouts parley.Timeouts
	MaxConns int
	WhenFull parley.FullPolicy
	Streams  bool   // it also takes streams, and forgets them
	NoFile   uint64 // how many descriptors the process may have; 0: what it has
	Drain    time.Duration
}

// serveAsChild is the child: it prints its address and serves until its input
// ends, or it gets a SIGTERM: then it shuts down and says how.
func serveAsChild(config string) {
	fail := func(err error) {
		fmt.Fprintln(os.Stderr, "child:", err)
		os.Exit(1)
	}
	var c childConfig
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		fail(err)
	}
	if c.NoFile > 0 {
		if err := limitDescriptors(c.NoFile); err != nil {
			fail(err)
		}
	}
	var taken atomic.Uint64
	srv := &parley.Server{
		Protocol: forms[slices.IndexFunc(forms, func(f form) bool { return f.name == c.Form })].protocol,
		Handler: parley.HandlerFunc(func(ctx context.Context, conn *parley.Conn, m parley.Message) error {
			taken.Add(1)
			return conn.Send(ctx, m)
		}),
		Limits: c.Limits, Timeouts: c.Timeouts,
		MaxConns: c.MaxConns, WhenFull: c.WhenFull, MaxConnsPerAddr: -1,
	}
	if c.Streams {
		srv.Handler = forgetful{}
	}
	drivers[slices.IndexFunc(drivers, func(d driver) bool { return d.name == c.Driver })].use(srv)
	if err := srv.Listen("127.0.0.1:0"); err != nil {
		fail(err)
	}
	go srv.Serve()
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	go func() {
		<-term
		ctx, cancel := context.WithTimeout(context.Background(), c.Drain)
		defer cancel()
		var end childEnd
		if err := srv.Shutdown(ctx); err != nil {
			end.Err = err.Error()
		}
		end.Taken, end.Sent = taken.Load(), srv.Stats().Total.MessagesOut
		json.NewEncoder(os.Stdout).Encode(end)
		os.Exit(0)
	}()
	fmt.Println(srv.Addrs()[0])
	io.Copy(io.Discard, os.Stdin)
	srv.Close()
}

// childEnd is what a child says when it has shut down.
type childEnd struct {
	Taken uint64 // messages its handler has been given
	Sent  uint64 // answers it has sent
	Err   string
}

// forgetful echoes messages and reads streams to their end.
type forgetful struct{}

func (forgetful) ServeMessage(ctx context.Context, c *parley.Conn, m parley.Message) error {
	return c.Send(ctx, m)
}

func (forgetful) ServeStream(_ context.Context, _ *parley.Conn, s *parley.Stream) error {
	_, err := io.Copy(io.Discard, s)
	return err
}

// child is a running server process.
type child struct {
	t    *testing.T
	addr string
	pid  int
	cmd  *exec.Cmd
	out  *bufio.Reader
	wait func() error
}

// startChild starts a server process; it ends with the test.
func startChild(t *testing.T, d driver, w form, c childConfig) *child {
	t.Helper()
	needsProc(t)
	c.Driver, c.Form = d.name, w.name
	config, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childConfigEnv+"="+string(config))
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	wait := sync.OnceValue(cmd.Wait)
	t.Cleanup(func() {
		stdin.Close()
		kill := time.AfterFunc(patience, func() { cmd.Process.Kill() })
		defer kill.Stop()
		if err := wait(); err != nil {
			t.Errorf("the server process: %v", err)
		}
	})
	out := bufio.NewReader(stdout)
	addr, err := out.ReadString('\n')
	if err != nil {
		t.Fatalf("the server process: %v", err)
	}
	return &child{t, strings.TrimSpace(addr), cmd.Process.Pid, cmd, out, wait}
}

// terminate sends SIGTERM and returns what the child says in the end, and how
// long it took until its process had ended.
func (c *child) terminate() (end childEnd, took time.Duration) {
	c.t.Helper()
	began := time.Now()
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		c.t.Fatal(err)
	}
	if err := json.NewDecoder(c.out).Decode(&end); err != nil {
		c.t.Fatalf("the server process: %v", err)
	}
	if err := c.wait(); err != nil {
		c.t.Errorf("the server process: %v", err)
	}
	return end, time.Since(began)
}
