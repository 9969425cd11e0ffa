package natsbus_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-net/parley/bus"
	"github.com/parley-net/parley/bus/bustest"
	"github.com/parley-net/parley/bus/natsbus"
)

const patience = 20 * time.Second

// program builds nats-server, once, from the module that embed uses.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "nats-server-")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "nats-server")
	if out, err := exec.Command("go", "build", "-o", file, "github.com/nats-io/nats-server/v2").CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return file, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if file, err := program(); err == nil {
		os.RemoveAll(filepath.Dir(file))
	}
	os.Exit(code)
}

// external is a nats-server in a process of its own.
type external struct {
	t    testing.TB
	addr string
	args []string
	cmd  *exec.Cmd
}

// startExternal starts nats-server on a free port.
func startExternal(t testing.TB, args ...string) *external {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	host, port, _ := net.SplitHostPort(l.Addr().String())
	e := &external{t: t, addr: l.Addr().String(), args: append([]string{"-a", host, "-p", port}, args...)}
	e.start()
	t.Cleanup(e.stop)
	return e
}

func (e *external) url() string { return "nats://" + e.addr }

func (e *external) start() {
	e.t.Helper()
	file, err := program()
	if err != nil {
		e.t.Fatal(err)
	}
	e.cmd = exec.Command(file, e.args...)
	out, err := e.cmd.StderrPipe()
	if err != nil {
		e.t.Fatal(err)
	}
	if err := e.cmd.Start(); err != nil {
		e.t.Fatal(err)
	}
	ready := make(chan error, 1)
	go func() {
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if strings.Contains(lines.Text(), "Server is ready") {
				ready <- nil
			}
		}
		ready <- errors.New("nats-server has ended")
	}()
	select {
	case err := <-ready:
		if err != nil {
			e.t.Fatal(err)
		}
	case <-time.After(patience):
		e.t.Fatal("nats-server does not become ready")
	}
}

func (e *external) stop() {
	if e.cmd != nil {
		e.cmd.Process.Kill()
		e.cmd.Wait()
		e.cmd = nil
	}
}

func connect(t testing.TB, o natsbus.Options) *natsbus.Bus {
	t.Helper()
	b, err := natsbus.Connect(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// A NATS of its own, in another process, does what package bus says.
//
// Verifies: CLUSTER-01
func TestExternal(t *testing.T) {
	bustest.Run(t, 2*time.Second, func(t *testing.T) func() bus.Bus {
		e := startExternal(t, "-js", "-sd", t.TempDir())
		return func() bus.Bus { return connect(t, natsbus.Options{URL: e.url()}) }
	})
}

// Trap 5: max_payload counts headers, and another server grants less than ours. What is
// granted is what MaxPayload says, so a log's entry of that size, which has headers,
// gets through; a server that grants less than rooms need is refused with what to do.
//
// Verifies: CLUSTER-07
func TestGrantedPayload(t *testing.T) {
	e := startExternal(t, "-js", "-sd", t.TempDir())
	b := connect(t, natsbus.Options{URL: e.url()})
	most := b.MaxPayload()
	if most >= 1<<20 || most < 1<<20-8<<10 {
		t.Fatalf("MaxPayload is %d with a server that grants 1 MiB", most)
	}
	l, err := b.Log(t.Context(), "x", bus.LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	acked := make(chan error, 1)
	if err := l.Append(t.Context(), "s", strings.Repeat("i", 300), make([]byte, most), func(_ uint64, err error) { acked <- err }); err != nil {
		t.Fatal(err)
	}
	if err := <-acked; err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(t.Context(), "s", make([]byte, most+1)); !errors.Is(err, bus.ErrTooLarge) {
		t.Errorf("one byte more: %v", err)
	}
	config := filepath.Join(t.TempDir(), "small.conf")
	os.WriteFile(config, []byte("max_payload: 65536\njetstream: {store_dir: "+t.TempDir()+"}\n"), 0o600)
	small := startExternal(t, "-c", config)
	if _, err := natsbus.Connect(t.Context(), natsbus.Options{URL: small.url()}); !errors.Is(err, bus.ErrRefused) || !strings.Contains(err.Error(), "max_payload") {
		t.Errorf("a server that grants 64 KiB: %v", err)
	}
}

// A server that does not let us in, or that keeps nothing, is told with what to do, also
// where the bus may come later; one that is not there is an error, or comes later.
//
// Verifies: CLUSTER-06
func TestRefused(t *testing.T) {
	bare := startExternal(t)
	if _, err := natsbus.Connect(t.Context(), natsbus.Options{URL: bare.url(), Later: true}); !errors.Is(err, bus.ErrRefused) || !strings.Contains(err.Error(), "nats-server -js") {
		t.Errorf("without JetStream: %v", err)
	}
	closed := startExternal(t, "-js", "-sd", t.TempDir(), "--user", "a", "--pass", "b")
	for _, o := range []natsbus.Options{{URL: closed.url(), Later: true}, {URL: closed.url(), User: "a", Password: "c"}} {
		if _, err := natsbus.Connect(t.Context(), o); !errors.Is(err, bus.ErrRefused) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	connect(t, natsbus.Options{URL: closed.url(), User: "a", Password: "b"})
	if _, err := natsbus.Connect(t.Context(), natsbus.Options{URL: strings.Replace(closed.url(), "//", "//a:hunter2@", 1)}); !errors.Is(err, bus.ErrRefused) || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("a wrong password in the URL: %v", err)
	}
	e := startExternal(t, "-js", "-sd", t.TempDir())
	e.stop()
	if _, err := natsbus.Connect(t.Context(), natsbus.Options{URL: e.url()}); !errors.Is(err, bus.ErrNoBus) {
		t.Errorf("not there: %v", err)
	}
	b := connect(t, natsbus.Options{URL: e.url(), Later: true})
	if err := b.Publish(t.Context(), "x", nil); !errors.Is(err, bus.ErrNoBus) {
		t.Errorf("publishing: %v", err)
	}
	heard := make(chan string, 10)
	if _, err := b.Subscribe("x", bus.SubscribeOptions{}, func(m bus.Message) { heard <- string(m.Data) }); err != nil {
		t.Fatal(err)
	}
	changed := b.Status().Changed
	e.start()
	select {
	case <-changed:
	case <-time.After(patience):
		t.Fatal("it does not come back")
	}
	if err := b.Publish(t.Context(), "x", []byte("late")); err != nil {
		t.Fatal(err)
	}
	if got := <-heard; got != "late" {
		t.Errorf("heard %q", got)
	}
}

// While the server is away every call fails at once, also one that waits for an answer;
// what was published then is not sent later. A watch tells afterwards what has changed.
//
// Verifies: CLUSTER-05
func TestRestart(t *testing.T) {
	e := startExternal(t, "-js", "-sd", t.TempDir())
	b, other := connect(t, natsbus.Options{URL: e.url()}), connect(t, natsbus.Options{URL: e.url()})
	k, err := b.Bucket(t.Context(), "k", bus.BucketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	kOther, err := other.Bucket(t.Context(), "k", bus.BucketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"kept", "gone", "changed"} {
		if _, err := k.Put(t.Context(), key, []byte("1")); err != nil {
			t.Fatal(err)
		}
	}
	told := make(chan string, 100)
	if err := k.Watch(t.Context(), func(e bus.Entry) { told <- strings.TrimSpace(fmt.Sprint(e.Op, " ", e.Key, " ", string(e.Value))) }); err != nil {
		t.Fatal(err)
	}
	next := func() string {
		select {
		case s := <-told:
			return s
		case <-time.After(patience):
			t.Fatal("the watch tells nothing")
			return ""
		}
	}
	for range 4 {
		next()
	}
	if _, err := b.Subscribe("silent", bus.SubscribeOptions{}, func(bus.Message) {}); err != nil {
		t.Fatal(err)
	}
	waiting := make(chan error, 1)
	go func() {
		_, err := b.Request(t.Context(), "silent", nil)
		waiting <- err
	}()
	time.Sleep(50 * time.Millisecond) // it should be under way; if not, it fails at once too
	e.stop()
	if err := <-waiting; !errors.Is(err, bus.ErrNoBus) {
		t.Errorf("who waits for an answer: %v", err)
	}
	begun := time.Now()
	for range 100 {
		if err := b.Publish(t.Context(), "x", nil); !errors.Is(err, bus.ErrNoBus) {
			t.Fatalf("publishing: %v", err)
		}
		if _, err := k.Get(t.Context(), "kept"); !errors.Is(err, bus.ErrNoBus) {
			t.Fatalf("reading: %v", err)
		}
	}
	if d := time.Since(begun); d > 30*time.Second { // each of them would wait for longer
		t.Errorf("200 calls while the bus is away took %v", d)
	}
	e.start()
	for end := time.Now().Add(patience); !other.Status().Up && time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := kOther.Delete(ctx, "gone", 0); err != nil {
		t.Fatal(err)
	}
	if _, err := kOther.Put(ctx, "changed", []byte("2")); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{next(): true, next(): true}
	if !got["gone gone"] || !got["put changed 2"] {
		t.Errorf("told %v", got)
	}
	select {
	case s := <-told:
		t.Errorf("told %q too", s)
	case <-time.After(300 * time.Millisecond):
	}
	if n := b.Status(); !n.Up {
		t.Errorf("status %+v", n)
	}
}

// Each of many entries is acknowledged once, in order, and none is lost.
//
// Verifies: CLUSTER-08
func TestManyAppends(t *testing.T) {
	e := startExternal(t, "-js", "-sd", t.TempDir())
	l, err := connect(t, natsbus.Options{URL: e.url()}).Log(t.Context(), "x", bus.LogOptions{})
	if err != nil {
		t.Fatal(err)
	}
	const n = 20_000
	var acked uint64
	done := make(chan struct{})
	for i := range n {
		err := l.Append(t.Context(), "s", fmt.Sprint(i), make([]byte, 100), func(seq uint64, err error) {
			if acked++; err != nil || seq != acked {
				t.Errorf("acknowledgement %d: %d, %v", acked, seq, err)
			}
			if acked == n {
				close(done)
			}
		})
		if err != nil {
			t.Fatal(i, err)
		}
	}
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatalf("%d of %d acknowledged", acked, n)
	}
}

// Trap 4: a value's end by age is told to those who watch, though nobody writes it, also
// when the lease's holder is killed; Update keeps the age running from itself.
//
// Verifies: CLUSTER-04
func TestAgeIsTold(t *testing.T) {
	e := startExternal(t, "-js", "-sd", t.TempDir())
	b := connect(t, natsbus.Options{URL: e.url()})
	k, err := b.Bucket(t.Context(), "k", bus.BucketOptions{TTL: 2 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	gone := make(chan time.Time, 10)
	if err := k.Watch(t.Context(), func(e bus.Entry) {
		if e.Op == bus.OpGone {
			gone <- time.Now()
		}
	}); err != nil {
		t.Fatal(err)
	}
	rev, err := k.Create(t.Context(), "a", []byte("1"))
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(1500 * time.Millisecond) // of its age, which no virtual clock has
	begun := time.Now()
	if _, err := k.Update(t.Context(), "a", []byte("2"), rev); err != nil {
		t.Fatal(err)
	}
	select {
	case at := <-gone:
		if d := at.Sub(begun); d < 1900*time.Millisecond || d > 5*time.Second {
			t.Errorf("gone %v behind the last Update, with an age of 2 s", d)
		}
	case <-time.After(patience):
		t.Fatal("its end is not told")
	}
}
