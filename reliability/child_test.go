package reliability

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
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
	WhenFull parley.Full
	Streams  bool   // it also takes streams, and forgets them
	NoFile   uint64 // how many descriptors the process may have; 0: what it has
}

// serveAsChild is the child: it prints its address and serves until its input
// ends.
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
	srv := &parley.Server{
		Protocol: forms[slices.IndexFunc(forms, func(f form) bool { return f.name == c.Form })].protocol,
		Handler:  echo, Limits: c.Limits, Timeouts: c.Timeouts,
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
	fmt.Println(srv.Addrs()[0])
	io.Copy(io.Discard, os.Stdin)
	srv.Close()
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
	t.Cleanup(func() {
		stdin.Close()
		kill := time.AfterFunc(10*time.Second, func() { cmd.Process.Kill() })
		defer kill.Stop()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server process: %v", err)
		}
	})
	addr, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("the server process: %v", err)
	}
	return &child{t, strings.TrimSpace(addr), cmd.Process.Pid}
}
