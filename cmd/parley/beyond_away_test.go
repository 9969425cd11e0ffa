package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/bus"
	"github.com/parley-net/parley/bus/natsbus"
	"github.com/parley-net/parley/cluster"
)

// count counts what a receiver hears, and what it is told that it missed.
type count struct {
	mu            sync.Mutex
	heard, missed uint64
}

func (c *count) take(d cluster.Delivery) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if m := (*cluster.MissedError)(nil); errors.As(d.Err, &m) {
		c.missed += m.Count
		return
	}
	c.heard++
}

func (c *count) both() (heard, missed uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.heard, c.missed
}

// natsServer builds a NATS of its own.
func natsServer(t *testing.T) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "nats-server")
	build := exec.Command("go", "build", "-o", program, "github.com/nats-io/nats-server/v2")
	build.Dir = "../../bus/natsbus"
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return program
}

// natsAway is how long TestNATSAway has NATS away: -away 30s is the whole of it.
var natsAway = flag.Duration("away", 2*time.Second, "how long NATS is away")

// A NATS of its own is killed, or stopped, in the middle: those on the sender's node hear all,
// and for those on another one heard and missed are what was sent, and nothing comes twice.
//
// Verifies: CLUSTER-20
func TestNATSAway(t *testing.T) {
	file := natsServer(t)
	t.Run("killed", func(t *testing.T) { natsIsAway(t, file, false) })
	t.Run("stopped", func(t *testing.T) {
		if runtime.GOOS == "windows" {
			t.Skip("a process that is stopped: left out, there is no such thing here")
		}
		natsIsAway(t, file, true)
	})
}

func natsIsAway(t *testing.T, file string, stopped bool) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	data := t.TempDir()
	var nats *exec.Cmd
	begin := func() {
		nats = exec.Command(file, "-a", "127.0.0.1", "-p", port, "-js", "-sd", data)
		if err := nats.Start(); err != nil {
			t.Fatal(err)
		}
	}
	begin()
	t.Cleanup(func() { nats.Process.Kill(); nats.Wait() })
	node := func(name string) *cluster.Node {
		var b bus.Bus
		for end := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			if b, err = natsbus.Connect(t.Context(), natsbus.Options{URL: "nats://127.0.0.1:" + port}); err == nil {
				break
			}
			if time.Now().After(end) {
				t.Fatal(err)
			}
		}
		t.Cleanup(func() { b.Close() })
		n, err := cluster.Start(t.Context(), b, cluster.Options{Name: name})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { n.Close(context.Background()) })
		return n
	}
	a, b := enterRoom(t, node("a")), enterRoom(t, node("b"))
	var here, there count
	for _, r := range []struct {
		room *cluster.Room
		c    *count
	}{{a, &here}, {b, &there}} {
		rec, err := r.room.Receive(cluster.ReceiveOptions{Messages: 1 << 20}, r.c.take)
		if err != nil {
			t.Fatal(err)
		}
		defer rec.Close()
	}
	settleRoom(t, a, func() bool { n, _ := there.both(); return n > 0 })
	time.Sleep(300 * time.Millisecond) // what settled it has come
	first, missed := there.both()
	all, _ := here.both()
	if missed > 0 {
		t.Fatalf("%d missed before", missed)
	}
	sent, refused := uint64(0), 0
	var longest time.Duration // that one who speaks here has waited
	say := func(d time.Duration) {
		for begun := time.Now(); time.Since(begun) < d; time.Sleep(2 * time.Millisecond) {
			sent++
			begun := time.Now()
			if err := a.Publish(t.Context(), parley.Text(fmt.Sprint(sent))); err != nil {
				refused++
			}
			longest = max(longest, time.Since(begun))
		}
	}
	say(500 * time.Millisecond)
	if stopped {
		signal := func(name string) {
			if out, err := exec.Command("kill", "-"+name, strconv.Itoa(nats.Process.Pid)).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
		signal("STOP")
		say(*natsAway)
		signal("CONT")
	} else {
		nats.Process.Kill()
		nats.Wait()
		say(*natsAway)
		begin()
	}
	for end := time.Now().Add(20 * time.Second); ; {
		say(500 * time.Millisecond)
		heard, missed := there.both()
		if heard-first+missed == sent && (missed > 0 || stopped) { // one that is stopped may have it all in the end
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d sent: %d heard and %d missed", sent, heard-first, missed)
		}
		time.Sleep(6 * time.Second) // the registry tells of the last ones
	}
	heard, missed := there.both()
	if n, m := here.both(); n-all != sent || m > 0 {
		t.Errorf("on the same node: %d of %d heard, %d missed", n-all, sent, m)
	}
	t.Logf("%d sent, %d of them refused: there %d heard and %d missed; here all, and nobody waited for more than %v", sent, refused, heard-first, missed, longest.Round(time.Millisecond))
}
