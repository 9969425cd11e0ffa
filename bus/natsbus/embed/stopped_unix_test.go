//go:build unix

package embed_test

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parley-net/parley/bus"
	"github.com/parley-net/parley/bus/natsbus/embed"
)

// Trap 10: a process that was stopped for longer than its lease knows it by the clock before it has
// done anything, not only when its next renewal has failed. So nothing is done with its token
// behind the first thing that was done with the next one.
//
// Verifies: CLUSTER-13
func TestStoppedHolder(t *testing.T) {
	secret := embed.NewSecret()
	hub := start(t, embed.Options{Hub: "127.0.0.1:0", Dir: t.TempDir(), Secret: &secret})
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childHub+"="+hub.HubURL(), childSecret+"="+secret.Text())
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	lines := make(chan string, 1<<16)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	next := func() string {
		select {
		case s := <-lines:
			return s
		case <-time.After(time.Minute):
			t.Fatal("the other process says nothing")
			return ""
		}
	}
	if s := next(); !strings.HasPrefix(s, "use ") {
		t.Fatalf("it says %q", s)
	}
	k, err := connect(t, hub).Bucket(t.Context(), "own", bus.BucketOptions{TTL: bus.LeaseTTL})
	if err != nil {
		t.Fatal(err)
	}
	cmd.Process.Signal(syscall.SIGSTOP)
	l, err := bus.Acquire(t.Context(), k, "psu1", "next")
	if err != nil {
		t.Fatal(err)
	}
	for len(lines) > 0 { // of before
		<-lines
	}
	cmd.Process.Signal(syscall.SIGCONT)
	uses := 0
	for s := next(); s != "lost"; s = next() {
		uses++
	}
	if uses > 0 {
		t.Errorf("with token %d in use the stopped holder has gone on %d times with its own", l.Token(), uses)
	}
	if err := l.Release(t.Context()); err != nil {
		t.Error(err)
	}
}
