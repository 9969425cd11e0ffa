package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/line"
	"github.com/parley-net/parley/store"
	"github.com/parley-net/parley/store/sqlite"
)

// child is the command as a process of its own.
type child struct {
	t      *testing.T
	cmd    *exec.Cmd
	stderr *capture
}

func startChild(t *testing.T, args ...string) *child {
	t.Helper()
	c := &child{t: t, cmd: exec.Command("parley", args...), stderr: newCapture()}
	c.cmd.Stderr = c.stderr
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.kill)
	return c
}

// hears waits for a line and returns what its groups match.
func (c *child) hears(pattern string) []string {
	c.t.Helper()
	m, err := c.stderr.await(regexp.MustCompile(pattern))
	if err != nil {
		c.t.Fatalf("%s: %v: %s", strings.Join(c.cmd.Args, " "), err, c.stderr)
	}
	return m
}

func (c *child) kill() {
	c.cmd.Process.Kill()
	c.cmd.Wait()
}

// end asks it to end.
func (c *child) end() {
	c.t.Helper()
	c.cmd.Process.Signal(os.Interrupt)
	if err := c.cmd.Wait(); err != nil {
		c.t.Errorf("%s: %v: %s", strings.Join(c.cmd.Args, " "), err, c.stderr)
	}
}

// talker says numbers to a server, one every few milliseconds.
type talker struct {
	name string
	at   string
	said chan int // how many it has said, when it has ended
	end  context.CancelFunc
}

func startTalker(t *testing.T, name, at string) *talker {
	ctx, end := context.WithCancel(t.Context())
	s := &talker{name: name, at: at, said: make(chan int, 1), end: end}
	go func() {
		n := 0
		defer func() { s.said <- n }()
		for ctx.Err() == nil {
			c, err := parley.Dial(ctx, line.Protocol{}, at)
			if err != nil { // its server was killed
				time.Sleep(20 * time.Millisecond)
				continue
			}
			for ctx.Err() == nil && c.Send(ctx, parley.Text(fmt.Sprint(name, "-", n+1))) == nil {
				n++
				time.Sleep(5 * time.Millisecond)
			}
			c.Close()
		}
	}()
	t.Cleanup(end)
	return s
}

// stop ends it and returns the number of the last message.
func (s *talker) stop() int {
	s.end()
	return <-s.said
}

// heardOf returns what a store has of a talker, by number, in the order of the log.
func heardOf(t *testing.T, path, name string) (all []int) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path)
	if errors.Is(err, store.ErrNoStore) {
		return nil
	} else if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Find(t.Context(), store.Query{}, func(f store.Found) error {
		if rest, ok := strings.CutPrefix(string(f.Body), name+"-"); ok {
			n, err := strconv.Atoi(rest)
			all = append(all, n)
			return err
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// grows waits until a store has more than n messages of a talker, and returns how many.
func grows(t *testing.T, path, name string, n int) int {
	t.Helper()
	for end := time.Now().Add(2 * patience); ; time.Sleep(100 * time.Millisecond) {
		if got := len(heardOf(t, path, name)); got > n {
			return got
		}
		if time.Now().After(end) {
			t.Fatalf("the store has no more than %d messages of %s", n, name)
		}
	}
}

// freePorts returns n addresses at which nobody listens. They are held until all are
// found, so that none is there twice.
func freePorts(t *testing.T, n int) []string {
	var at []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		at = append(at, l.Addr().String())
	}
	return at
}

// What is said in a room on two machines is in the store once and in order while the
// recorder is killed, the hub and the recorder together, a recorder stopped and woken, and
// one hands over to another. What is said at the leaf is all there: its own log has it while
// the hub is away. At the hub only what it was about to keep when it was killed is missing.
//
// Verifies: CLUSTER-24, CLUSTER-29, STORE-11
func TestRecorderKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("recorders that are killed: left out, a lease has to run out three times")
	}
	dir := t.TempDir()
	data, db := filepath.Join(dir, "data"), filepath.Join(dir, "lab.db")
	secret := filepath.Join(data, "secret")
	ports := freePorts(t, 2)
	at, hubAt := ports[0], ports[1]
	startHub := func() *child {
		h := startChild(t, "serve", "line://"+at, "--relay", "--room", "cam.*", "--keep", "--hub", hubAt, "--bus-dir", data, "--node", "hub")
		h.hears(`hub on`)
		return h
	}
	hub := startHub()
	leaf := startChild(t, "serve", "line://127.0.0.1:0", "--relay", "--room", "cam.*", "--keep", "--join", hubAt, "--secret-file", secret, "--bus-dir", filepath.Join(dir, "leaf"), "--node", "leaf")
	leafAt := leaf.hears(`listening on line://(\S+)`)[1]
	recorder := func(store string) *child {
		r := startChild(t, "record", "room:cam.*", "--join", hubAt, "--secret-file", secret, "--store", store)
		r.hears(`session \d+ of`)
		return r
	}
	first := recorder(db)
	atHub, atLeaf := startTalker(t, "h", at), startTalker(t, "l", leafAt)
	n := grows(t, db, "l", 100)
	grows(t, db, "h", 100)

	first.kill()
	second := recorder(db)
	if !strings.Contains(second.stderr.String(), "records the room already") {
		t.Errorf("the second recorder says %s", second.stderr)
	}
	begun := time.Now()
	n = grows(t, db, "l", n+500)
	t.Logf("the recorder killed: the next one goes on after %v", time.Since(begun).Round(time.Second))

	hub.kill()
	second.kill()
	time.Sleep(2 * time.Second) // the leaf's clients go on speaking
	startHub()
	third := recorder(db)
	n = grows(t, db, "l", n+1000)

	third.cmd.Process.Signal(syscall.SIGSTOP)
	fourth := recorder(db)
	n = grows(t, db, "l", n+500)
	third.cmd.Process.Signal(syscall.SIGCONT)
	grows(t, db, "l", n+100)
	third.end()

	other := filepath.Join(dir, "other.db")
	fifth := recorder(other)
	begun = time.Now()
	fourth.end()
	grows(t, other, "l", 100)
	t.Logf("a recorder ends: the next one goes on after %v at most", time.Since(begun).Round(100*time.Millisecond))

	saidAtHub, saidAtLeaf := atHub.stop(), atLeaf.stop()
	for end := time.Now().Add(2 * patience); ; time.Sleep(200 * time.Millisecond) {
		if got := heardOf(t, other, "l"); got[len(got)-1] == saidAtLeaf {
			break
		}
		if time.Now().After(end) {
			t.Error("the last message at the leaf does not come")
			break
		}
	}
	fifth.end()
	for _, s := range []struct {
		name string
		said int
		all  bool
	}{{"l", saidAtLeaf, true}, {"h", saidAtHub, false}} {
		inFirst, inOther := heardOf(t, db, s.name), heardOf(t, other, s.name)
		both := 0 // a recorder that ends hands over whole
		for ; both < len(inOther) && inOther[both] <= inFirst[len(inFirst)-1]; both++ {
			if both > 0 && inOther[both] <= inOther[both-1] {
				t.Errorf("the second store has %s-%d behind %s-%d", s.name, inOther[both], s.name, inOther[both-1])
			}
		}
		kept := append(inFirst, inOther[both:]...)
		last, missing := 0, 0
		for _, n := range kept {
			if n <= last {
				t.Fatalf("%s-%d stands behind %s-%d", s.name, n, s.name, last)
			}
			if n > last+1 {
				t.Logf("%s-%d to %s-%d are missing", s.name, last+1, s.name, n-1)
			}
			missing += n - last - 1
			last = n
		}
		missing += s.said - last
		t.Logf("%s: %d said, %d kept, %d missing, %d in both stores", s.name, s.said, len(kept), missing, both)
		if both > 0 {
			t.Errorf("%d of %s are in both stores, and the recorder before was not killed", both, s.name)
		}
		if s.all && missing > 0 || missing > 4096 {
			t.Errorf("of %s %d are missing", s.name, missing)
		}
	}
	for _, path := range []string{db, other} {
		if out, err := exec.Command("parley", "verify", path).CombinedOutput(); err != nil {
			t.Errorf("verify %s: %v: %s", path, err, out)
		}
	}
	// What came so is found, exported and replayed as any recording is.
	for _, args := range [][]string{
		{"find", db, "--text", "l-1", "--session", "1", "--json"},
		{"export", db, "--session", "1", "--to", "csv"},
		{"export", db, "--session", "1", "-o", filepath.Join(dir, "one.jsonl")},
		{"import", filepath.Join(dir, "again.db"), filepath.Join(dir, "one.jsonl")},
	} {
		if out, err := exec.Command("parley", args...).CombinedOutput(); err != nil {
			t.Errorf("%v: %v: %s", args, err, out)
		}
	}
	replay := startChild(t, "replay", db+"#1", "--as-server", "line://127.0.0.1:0")
	c, err := parley.Dial(t.Context(), line.Protocol{}, replay.hears(`listening on line://(\S+)`)[1])
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if m, err := c.Receive(t.Context()); err != nil || !regexp.MustCompile(`^[hl]-\d+$`).MatchString(m.Text()) {
		t.Errorf("the replay says %q, %v", m.Text(), err)
	}
}
