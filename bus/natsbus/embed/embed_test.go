package embed_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/bus"
	"github.com/parley-net/parley/bus/bustest"
	"github.com/parley-net/parley/bus/natsbus/embed"
)

// ttl is an age that JetStream can keep and a test can wait for.
const ttl = 2 * time.Second

// start starts a server that ends with the test.
func start(t testing.TB, o embed.Options) *embed.Server {
	t.Helper()
	if testing.Verbose() {
		o.Logger = slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	s, err := embed.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// connect returns a bus on s that closes with the test.
func connect(t testing.TB, s *embed.Server) bus.Bus {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	b, err := s.Connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// pair starts a hub and one that joins it.
func pair(t testing.TB) (hub, leaf *embed.Server) {
	t.Helper()
	secret := embed.NewSecret()
	hub = start(t, embed.Options{Hub: "127.0.0.1:0", Dir: t.TempDir(), Secret: &secret})
	return hub, start(t, embed.Options{Join: hub.HubURL(), Secret: &secret})
}

// A server alone, in one process, does what package bus says.
//
// Verifies: CLUSTER-01
func TestAlone(t *testing.T) {
	bustest.Run(t, ttl, func(t *testing.T) func() bus.Bus {
		s := start(t, embed.Options{Dir: t.TempDir()})
		return func() bus.Bus { return connect(t, s) }
	})
}

// So do a hub and one that has joined it, whoever begins.
//
// Verifies: CLUSTER-01
func TestHubAndLeaf(t *testing.T) {
	for first, name := range []string{"the hub first", "the leaf first"} {
		t.Run(name, func(t *testing.T) {
			bustest.Run(t, ttl, func(t *testing.T) func() bus.Bus {
				hub, leaf := pair(t)
				n := first
				return func() bus.Bus {
					n++
					return connect(t, []*embed.Server{hub, leaf}[(n-1)%2])
				}
			})
		})
	}
}

// trio starts three servers that keep everything together.
func trio(t testing.TB) [3]*embed.Server {
	t.Helper()
	secret := embed.NewSecret()
	at := embed.FreePorts(t, 3)
	var all [3]*embed.Server
	for i := range all {
		all[i] = start(t, embed.Options{Cluster: []string{at[i], at[(i+1)%3], at[(i+2)%3]}, Replicas: 3, Dir: t.TempDir(), Secret: &secret})
	}
	return all
}

// The first start of three needs all of them, as two can't know what the third one has. Those
// that are there are servers meanwhile, and are joined when it comes.
//
// Verifies: CLUSTER-01
func TestOneOfThreeIsMissing(t *testing.T) {
	secret := embed.NewSecret()
	at := embed.FreePorts(t, 3)
	one := func(i int) *embed.Server {
		return start(t, embed.Options{Cluster: []string{at[i], at[(i+1)%3], at[(i+2)%3]}, Replicas: 3, Dir: t.TempDir(), Secret: &secret})
	}
	first := one(0)
	one(1)
	b := connect(t, first)
	early, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := b.Bucket(early, "test", bus.BucketOptions{}); err == nil {
		t.Error("two of three keep something before they have known the third one")
	}
	one(2)
	for end := time.Now().Add(time.Minute); ; {
		if _, err := b.Bucket(t.Context(), "test", bus.BucketOptions{}); err == nil {
			return
		} else if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}

// One of three that has another secret is told so, as one that joins a hub is.
//
// Verifies: CLUSTER-06
func TestClusterRefused(t *testing.T) {
	secret, other := embed.NewSecret(), embed.NewSecret()
	at := embed.FreePorts(t, 3)
	start(t, embed.Options{Cluster: []string{at[0], at[1], at[2]}, Dir: t.TempDir(), Secret: &secret})
	s, err := embed.Start(t.Context(), embed.Options{Cluster: []string{at[1], at[0], at[2]}, Dir: t.TempDir(), Secret: &other})
	if s != nil {
		s.Close()
	}
	if !errors.Is(err, embed.ErrSecret) || !errors.Is(err, bus.ErrRefused) || !strings.Contains(err.Error(), at[0]) {
		t.Errorf("another secret: %v", err)
	}
	start(t, embed.Options{Cluster: []string{at[1], at[0], at[2]}, Dir: t.TempDir(), Secret: &secret})
}

// Who joins one of three that keep everything together does so as at any hub.
//
// Verifies: CLUSTER-01
func TestJoinsCluster(t *testing.T) {
	secret := embed.NewSecret()
	at := embed.FreePorts(t, 3)
	var all [3]*embed.Server
	for i := range all {
		all[i] = start(t, embed.Options{Cluster: []string{at[i], at[(i+1)%3], at[(i+2)%3]}, Hub: "127.0.0.1:0", Replicas: 3, Dir: t.TempDir(), Secret: &secret})
	}
	leaf := start(t, embed.Options{Join: all[1].HubURL(), Secret: &secret})
	b := connect(t, leaf)
	k, err := b.Bucket(t.Context(), "test", bus.BucketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Put(t.Context(), "a", []byte("1")); err != nil {
		t.Fatal(err)
	}
	other, err := connect(t, all[2]).Bucket(t.Context(), "test", bus.BucketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if e, err := other.Get(t.Context(), "a"); err != nil || string(e.Value) != "1" {
		t.Errorf("%+v, %v", e, err)
	}
}

// And so do three that keep everything three times.
//
// Verifies: CLUSTER-01
func TestCluster(t *testing.T) {
	bustest.Run(t, ttl, func(t *testing.T) func() bus.Bus {
		all := trio(t)
		n := 0
		return func() bus.Bus {
			n++
			return connect(t, all[(n-1)%3])
		}
	})
}

// The secret of a hub is made once, in its folder, readable by its owner only, and it and
// the members' certificates are good when the hub comes again. A second one in that
// folder is told who has it.
//
// Verifies: CLUSTER-02, CLUSTER-06
func TestFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first, err := embed.Start(t.Context(), embed.Options{Hub: "127.0.0.1:0", Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(filepath.Join(dir, "secret"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the secret: %v, %v", info.Mode(), err)
	}
	if _, err := embed.Start(t.Context(), embed.Options{Hub: "127.0.0.1:0", Dir: dir}); !errors.Is(err, embed.ErrInUse) || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), strconv.Itoa(os.Getpid())) {
		t.Errorf("a second one: %v", err)
	}
	url, secret, err := embed.Place(dir)
	if err != nil || url != first.HubURL() {
		t.Errorf("the folder says %q, %v; the hub is %q", url, err, first.HubURL())
	}
	first.Close()
	if _, _, err := embed.Place(dir); err == nil {
		t.Error("the folder of a hub that has ended says where it is")
	}
	again := start(t, embed.Options{Hub: "127.0.0.1:0", Dir: dir})
	leaf := start(t, embed.Options{Join: again.HubURL(), Secret: &secret})
	if b := connect(t, leaf); !b.Status().Up {
		t.Error("the secret of before is none")
	}
}

// Who joins with what does not fit is told what to do, at once, and does not try again.
//
// Verifies: CLUSTER-06
func TestJoinRefused(t *testing.T) {
	secret, other := embed.NewSecret(), embed.NewSecret()
	hub := start(t, embed.Options{Hub: "127.0.0.1:0", Dir: t.TempDir(), Secret: &secret})
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	go func() {
		for c, err := plain.Accept(); err == nil; c, err = plain.Accept() {
			c.Write([]byte("hello, this is no hub\n"))
			c.Close()
		}
	}()
	for name, c := range map[string]struct {
		o    embed.Options
		kind error
		says string
	}{
		"another secret":   {embed.Options{Join: hub.HubURL(), Secret: &other}, embed.ErrSecret, "another secret"},
		"no secret":        {embed.Options{Join: hub.HubURL()}, nil, "needs its secret"},
		"no hub":           {embed.Options{Join: "tls://" + plain.Addr().String(), Secret: &secret}, bus.ErrRefused, "no hub"},
		"no place":         {embed.Options{Join: "tls://lab", Secret: &secret}, embed.ErrOptions, "HOST:PORT"},
		"hub and member":   {embed.Options{Join: hub.HubURL(), Hub: "127.0.0.1:0", Secret: &secret}, nil, "no hub"},
		"three of two":     {embed.Options{Hub: "127.0.0.1:0", Replicas: 3, Secret: &secret}, nil, "need a cluster"},
		"a cluster of 2":   {embed.Options{Cluster: []string{"a:1", "b:1"}, Secret: &secret}, nil, "cluster of two"},
		"a port in use":    {embed.Options{Hub: plain.Addr().String(), Secret: &secret}, nil, "can't listen"},
		"four replicas 3":  {embed.Options{Cluster: []string{"a:1", "b:1", "c:1"}, Replicas: 4, Secret: &secret}, embed.ErrOptions, "can't keep 4"},
		"two replicas":     {embed.Options{Cluster: []string{"a:1", "b:1", "c:1"}, Replicas: 2, Secret: &secret}, embed.ErrOptions, "1, 3 or 5"},
		"a cluster of 1":   {embed.Options{Cluster: []string{"a:1"}, Secret: &secret}, embed.ErrOptions, "cluster of one"},
		"one of it twice":  {embed.Options{Cluster: []string{"a:1", "b:1", "a:1"}, Secret: &secret}, embed.ErrOptions, "a:1 is there twice"},
		"one without port": {embed.Options{Cluster: []string{"a:1", "b", "c:1"}, Secret: &secret}, embed.ErrOptions, "not \"b\""},
	} {
		s, err := embed.Start(t.Context(), c.o)
		if err == nil || c.kind != nil && !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
		if s != nil {
			s.Close()
		}
	}
}

// A hub that is not there yet is told, and joined when it comes; one that starts again is
// joined again at once, and what was subscribed is heard.
//
// Verifies: CLUSTER-03, CLUSTER-05
func TestHubComesAndGoes(t *testing.T) {
	secret, at, dir := embed.NewSecret(), embed.FreePorts(t, 1)[0], t.TempDir()
	leaf, err := embed.Start(t.Context(), embed.Options{Join: "tls://" + at, Secret: &secret})
	if !errors.Is(err, embed.ErrNoHub) || leaf == nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { leaf.Close() })
	none, cancel := context.WithCancel(t.Context())
	cancel() // not waited for
	b, err := leaf.Connect(none)
	if err != nil || b.Status().Up {
		t.Fatal(err, b.Status())
	}
	t.Cleanup(func() { b.Close() })
	heard := make(chan string, 100)
	if _, err := b.Subscribe("x", bus.SubscribeOptions{}, func(m bus.Message) { heard <- string(m.Data) }); err != nil {
		t.Fatal(err)
	}
	if err := b.Publish(t.Context(), "x", nil); !errors.Is(err, bus.ErrNoBus) {
		t.Errorf("without a hub: %v", err)
	}
	for round := range 3 {
		changed := b.Status().Changed
		hub, err := embed.Start(t.Context(), embed.Options{Hub: at, Dir: dir, Secret: &secret})
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		select {
		case <-changed:
		case <-time.After(20 * time.Second):
			t.Fatalf("round %d: not joined", round)
		}
		t.Logf("round %d: joined after %v", round, time.Since(begun).Round(time.Millisecond))
		fromHub := connect(t, hub)
		for end := time.Now().Add(20 * time.Second); len(heard) == 0; time.Sleep(5 * time.Millisecond) {
			if err := fromHub.Publish(t.Context(), "x", []byte("hello")); err != nil || time.Now().After(end) {
				t.Fatalf("round %d: not heard, %v", round, err)
			}
		}
		changed = b.Status().Changed
		hub.Close()
		<-changed
		for len(heard) > 0 {
			<-heard
		}
	}
}

// Trap 2: what is asked before there is a leader gets no answer, so it is asked again soon:
// three that start cold have their first value long before a client's own 5 s.
//
// Verifies: CLUSTER-12
func TestColdStart(t *testing.T) {
	begun := time.Now()
	b := connect(t, trio(t)[0])
	k, err := b.Bucket(t.Context(), "own", bus.BucketOptions{TTL: bus.LeaseTTL})
	if err != nil {
		t.Fatal(err)
	}
	l, err := bus.Acquire(t.Context(), k, "psu1", "a")
	if err != nil {
		t.Fatal(err)
	}
	d := time.Since(begun)
	t.Logf("the first owner after %v", d.Round(time.Millisecond))
	if d > 20*time.Second { // an election whose first vote is lost takes 4 to 9 s
		t.Errorf("the first owner after %v", d)
	}
	if err := l.Release(t.Context()); err != nil {
		t.Error(err)
	}
}
