// Package examples_test runs the example programs as a user would: as
// processes, with a keyboard and a screen.
package examples_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"
)

// programs is the folder with the compiled examples.
var programs string

func TestMain(m *testing.M) { os.Exit(compileAndRun(m)) }

// compileAndRun compiles the examples once for all tests, with the race
// detector if the tests have it.
func compileAndRun(m *testing.M) int {
	var err error
	if programs, err = os.MkdirTemp("", "parley-examples"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(programs)
	args := []string{"build", "-o", programs + "/"}
	if withRace() {
		args = append(args, "-race")
	}
	if out, err := exec.Command("go", append(args, "./...")...).CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "compiling the examples: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

func withRace() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// program is a running program: an example, or a Python original.
type program struct {
	t     *testing.T
	name  string
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines *bufio.Scanner // of stdout and stderr
	seen  []string
}

// start runs an example: a server on a port that the system chooses, a client
// against the given address.
func start(t *testing.T, name, addr string, args ...string) *program {
	t.Helper()
	args = append([]string{"-addr", addr}, args...)
	return launch(t, name, exec.CommandContext(limit(t), filepath.Join(programs, name), args...))
}

// anyPort lets the system choose a port.
const anyPort = "127.0.0.1:0"

// limit bounds the life of a program, so that no test waits for ever.
func limit(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// launch runs cmd until the test ends.
func launch(t *testing.T, name string, cmd *exec.Cmd) *program {
	t.Helper()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdout, cmd.Stderr = w, w
	err = cmd.Start()
	w.Close()
	if err != nil {
		t.Fatal(err)
	}
	p := &program{t: t, name: name, cmd: cmd, stdin: stdin, lines: bufio.NewScanner(r)}
	t.Cleanup(func() {
		cmd.Process.Kill()
		for p.next() {
		}
		cmd.Wait()
		r.Close()
		if t.Failed() {
			t.Logf("%s printed:\n%s", name, strings.Join(p.seen, "\n"))
		}
	})
	return p
}

// next reads a line. It returns false when the program has ended.
func (p *program) next() bool {
	if !p.lines.Scan() {
		return false
	}
	p.seen = append(p.seen, p.lines.Text())
	return true
}

// expect fails the test unless these are the next lines, exactly.
func (p *program) expect(want ...string) {
	p.t.Helper()
	for _, line := range want {
		if !p.next() {
			p.t.Fatalf("%s has ended, want %q", p.name, line)
		}
		if got := p.lines.Text(); got != line {
			p.t.Fatalf("%s printed %q, want %q", p.name, got, line)
		}
	}
}

// find skips lines until one contains part, and returns what stands behind it.
func (p *program) find(part string) string {
	p.t.Helper()
	for p.next() {
		if _, rest, ok := strings.Cut(p.lines.Text(), part); ok {
			return rest
		}
	}
	p.t.Fatalf("%s has ended, want %q", p.name, part)
	return ""
}

// addr returns a server's address.
func (p *program) addr() string {
	p.t.Helper()
	return p.find("listening on ")
}

// enter types lines.
func (p *program) enter(lines ...string) {
	p.t.Helper()
	for _, line := range lines {
		if _, err := io.WriteString(p.stdin, line+"\n"); err != nil {
			p.t.Fatalf("%s: %v", p.name, err)
		}
	}
}

// interrupt is Ctrl-C.
func (p *program) interrupt() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		p.t.Skipf("this system can't interrupt a process: %v", err)
	}
}

// ends waits until the program has ended by itself, in success.
func (p *program) ends() {
	p.t.Helper()
	for p.next() {
	}
	if err := p.cmd.Wait(); err != nil {
		p.t.Fatalf("%s: %v", p.name, err)
	}
}

// fails waits until the program has ended by itself, with an error.
func (p *program) fails(message string) {
	p.t.Helper()
	p.find(message)
	for p.next() {
	}
	var exit *exec.ExitError
	if err := p.cmd.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 1 {
		p.t.Fatalf("%s has ended with %v, want exit code 1", p.name, err)
	}
}

// Verifies: ONELINE-06, ONELINE-23
func TestOneline(t *testing.T) {
	t.Parallel()
	device := start(t, "oneline-device", anyPort)
	client := start(t, "oneline-client", device.addr())
	client.expect(
		"tx: ping", "rx: pong", "tx: cmd01", "rx: ack", "tx: junk", "rx: nak - unknown cmd",
		"tx: ping", "rx: pong", "tx: shutdown")
	client.ends()
	device.expect(`"cmd01" (invalid: false): ack`, `"junk" (invalid: false): nak - unknown cmd`)
	device.ends()
}

func TestEcho(t *testing.T) {
	t.Parallel()
	server := start(t, "tinyproto-echo-server", anyPort)
	addr := server.addr()
	var clients [4]*program
	for i := range clients {
		clients[i] = start(t, "tinyproto-echo-client", addr)
		clients[i].expect("connected to " + addr)
		server.find("connection opened from 127.0.0.1:")
	}
	quits, leaves, stops, idles := clients[0], clients[1], clients[2], clients[3]

	quits.enter("hello", "", "grüß dich", "QUIT")
	quits.expect("Response from server: Echo back: hello", "Response from server: Echo back: ", "Response from server: Echo back: grüß dich")
	quits.ends()
	server.find("connection closed from 127.0.0.1:")

	leaves.enter("last words")
	leaves.stdin.Close()
	leaves.expect("Response from server: Echo back: last words")
	leaves.ends()
	server.find("connection closed from 127.0.0.1:")

	stops.enter("still there?", "SRVQUIT")
	stops.expect("Response from server: Echo back: still there?")
	stops.ends()
	idles.ends()
	server.ends()
}

func TestChat(t *testing.T) {
	t.Parallel()
	server := start(t, "tinyproto-chat-server", anyPort)
	addr := server.addr()
	join := func(id int, others ...*program) *program {
		c := start(t, "tinyproto-chat-client", addr)
		c.expect("connected to " + addr)
		server.find(fmt.Sprintf("connection %d opened from ", id))
		for _, o := range others {
			o.expect(fmt.Sprintf("[%d] **joined the chat", id))
		}
		return c
	}
	a := join(1)
	b := join(2, a)
	c := join(3, a, b)

	a.enter("hello", "you two")
	b.expect("[1] hello", "[1] you two")
	c.expect("[1] hello", "[1] you two")
	b.enter("hello yourself", "quit")
	b.ends()
	a.expect("[2] hello yourself", "[2] **left the chat")
	c.expect("[2] hello yourself", "[2] **left the chat")
	c.stdin.Close()
	c.ends()
	a.expect("[3] **left the chat")

	server.interrupt()
	a.ends()
	server.ends()
}

func TestSerpyChat(t *testing.T) {
	t.Parallel()
	testSerpyChat(t, "serpy-broadcast", "serpy-chat")
}

func TestSerpy2Chat(t *testing.T) {
	t.Parallel()
	testSerpyChat(t, "serpy2-broadcast", "serpy2-chat")
}

func testSerpyChat(t *testing.T, relay, chat string) {
	server := start(t, relay, anyPort)
	addr := server.addr()
	join := func(name string, others ...*program) *program {
		c := start(t, chat, addr)
		c.expect("-------------- Connected --------------")
		c.enter("/name "+name, "hello")
		server.find(name + " : hello")
		for _, o := range others {
			o.expect(">>> " + name + " : hello")
		}
		return c
	}
	ann := join("Ann")
	bob := join("Bob", ann)
	cid := join("Cid", ann, bob)

	ann.enter("how do you do?")
	bob.expect(">>> Ann : how do you do?")
	cid.expect(">>> Ann : how do you do?")
	bob.enter("", "/nonsense", "grüß dich, Ann \x1f \x04")
	bob.expect("WARNING : Command not recognized")
	ann.expect(">>> Bob : grüß dich, Ann \x1f \x04")
	cid.expect(">>> Bob : grüß dich, Ann \x1f \x04")
	ann.enter("/stop")
	ann.ends()
	cid.stdin.Close()
	cid.ends()

	dan := join("Dan", bob)
	dan.enter("/KTHXBYE")
	server.ends()
	for _, c := range []*program{bob, dan} {
		c.find("trying again:")
		c.enter("/stop")
		c.ends()
	}
}

func TestPingPong(t *testing.T) {
	t.Parallel()
	server := start(t, "serpy2-pingpong-server", anyPort)
	client := start(t, "serpy2-pingpong-client", server.addr())
	client.expect("int 123", `text[5] "hello"`, "float 12.35", "float -1000000.0", "int 600000", `text[8] "yes µù"`, "bytes[3] 0080ff")
	client.find("10 cycles, 0 ping-pong errors")
	client.ends()
	server.ends()
}

func TestInstrument(t *testing.T) {
	t.Parallel()
	server := start(t, "serpy2-instrument-server", anyPort)
	client := start(t, "serpy2-instrument-client", server.addr())
	client.find("30 frames of 512 x 512, all right")
	client.ends()
	server.ends()
}

func TestTransfer(t *testing.T) {
	t.Parallel()
	served, local := t.TempDir(), t.TempDir()
	server := start(t, "transfer-server", anyPort, "-dir", served)
	addr := server.addr()
	for _, size := range []int{0, 300, 9 << 20} {
		name := fmt.Sprintf("grüß-%d", size)
		data := write(t, filepath.Join(local, name), size)

		client := start(t, "transfer-client", addr, "upload", filepath.Join(local, name), name)
		client.find("Progress: 100%")
		client.ends()
		server.expect(fmt.Sprintf("upload of %q: %d bytes", name, size))
		same(t, filepath.Join(served, name), data)

		client = start(t, "transfer-client", addr, "download", name, filepath.Join(local, "back"+name))
		client.find("Progress: 100%")
		client.ends()
		server.expect(fmt.Sprintf("download of %q: %d bytes", name, size))
		same(t, filepath.Join(local, "back"+name), data)
	}
	start(t, "transfer-client", addr, "download", "missing", filepath.Join(local, "missing")).fails("missing")
	start(t, "transfer-client", addr, "upload").fails("use: transfer-client")
	server.interrupt()
	server.ends()
}

// write makes a file whose bytes do not repeat.
func write(t *testing.T, name string, size int) []byte {
	t.Helper()
	data := make([]byte, size)
	rand.NewChaCha8([32]byte{}).Read(data)
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return data
}

func same(t *testing.T, name string, want []byte) {
	t.Helper()
	got, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Fatalf("%s is not what was sent: %d bytes, want %d", name, len(got), len(want))
	}
}
