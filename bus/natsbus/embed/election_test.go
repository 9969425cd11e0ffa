package embed

import (
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/parley-net/parley/bus"
)

// What a process that is one of a cluster is told: all places, its own first, its folder, the secret.
const (
	ChildCluster       = "PARLEY_ELECTION_CLUSTER"
	childClusterDir    = "PARLEY_ELECTION_DIR"
	childClusterSecret = "PARLEY_ELECTION_SECRET"
)

// ServeChildCluster is one of a cluster until it is killed.
func ServeChildCluster() error {
	secret, err := ParseSecret(os.Getenv(childClusterSecret))
	if err != nil {
		return err
	}
	_, err = Start(context.Background(), Options{Cluster: strings.Split(os.Getenv(ChildCluster), ","), Replicas: 3, Dir: os.Getenv(childClusterDir), Secret: &secret})
	if err != nil {
		return err
	}
	select {}
}

// Trap 3: an election takes 4 to 9 s. Who leads the lease's stream is killed, so that it can't
// hand over as one does that ends: the lease's holder keeps it, as 20 s are longer than that.
//
// Verifies: CLUSTER-22
func TestLeaseOutlivesElection(t *testing.T) {
	const (
		tries        = 3
		electionMost = 11 * time.Second
		renewed      = 2 * time.Second // how old the last renewal can be when an election begins
	)
	for range tries {
		took, cause := electionUnderLease(t)
		t.Logf("an election of %v", took.Round(time.Millisecond))
		switch {
		case took > electionMost: // the machine was busy: nobody promises anything then
		case cause != nil:
			t.Fatalf("an election of %v has cost the holder its lease: %v", took, cause)
		case took+renewed >= bus.LeaseTTL: // it is kept by luck only: whoever expires it may be faster
			t.Fatalf("an election of %v, behind a renewal up to %v old, is longer than a lease of %v", took, renewed, bus.LeaseTTL)
		case took > 2*time.Second: // not one that had begun before
			return
		}
	}
	t.Fatalf("none of %d elections took the 4 to 9 s that one takes", tries)
}

// electionUnderLease kills the leader of a lease's stream. It returns how long there was none,
// and why the lease was lost within the time after which one is lost that is not renewed.
func electionUnderLease(t *testing.T) (took time.Duration, cause error) {
	secret := NewSecret()
	var at []string
	for range 3 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		at = append(at, l.Addr().String())
		l.Close()
	}
	dir := t.TempDir()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), ChildCluster+"="+strings.Join([]string{at[2], at[0], at[1]}, ","), childClusterDir+"="+dir, childClusterSecret+"="+secret.Text())
	child.Stderr = os.Stderr
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { child.Process.Kill(); child.Wait() }()
	all := []*Server{
		started(t, Options{Cluster: at, Replicas: 3, Dir: t.TempDir(), Secret: &secret}),
		started(t, Options{Cluster: []string{at[1], at[0], at[2]}, Replicas: 3, Dir: t.TempDir(), Secret: &secret}),
	}
	defer func() {
		for _, s := range all {
			s.Close()
		}
	}()
	b, err := all[0].Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	k, err := b.Bucket(ctx, "own", bus.BucketOptions{TTL: bus.LeaseTTL})
	if err != nil {
		t.Fatal(err)
	}
	leads(t, all[0], filepath.Join(dir, idFile))
	l, err := bus.Acquire(ctx, k, "psu1", "a")
	if err != nil {
		t.Fatal(err)
	}
	child.Process.Kill()
	begun := time.Now()
	for l.Valid() && l.Cause() == nil && (took == 0 || time.Since(begun) < 22*time.Second) && time.Since(begun) < time.Minute {
		if took == 0 && slices.ContainsFunc(all, func(s *Server) bool { return s.nats.JetStreamIsStreamLeader("$G", "KV_own") }) {
			took = time.Since(begun)
		}
		time.Sleep(10 * time.Millisecond)
	}
	cause = l.Cause()
	if !l.Valid() && cause == nil {
		cause = context.DeadlineExceeded // it stops by itself, and will say so with its next renewal
	}
	if took == 0 { // it was lost before there was a leader
		took = time.Since(begun)
	}
	if err := l.Release(ctx); err != nil && cause == nil {
		t.Error(err)
	}
	return took, cause
}

// leads has the node whose folder has this id lead the stream of the leases.
func leads(t *testing.T, s *Server, id string) {
	t.Helper()
	text, err := os.ReadFile(id)
	if err != nil {
		t.Fatal(err)
	}
	name := "parley-" + strings.TrimSpace(string(text))
	nc, err := nats.Connect("", nats.InProcessServer(s), nats.UserInfo(s.user, s.pass))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	api := "$JS." + hubDomain + ".API.STREAM."
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		var info struct {
			Cluster struct{ Leader string }
		}
		if m, err := nc.Request(api+"INFO.KV_own", nil, time.Second); err == nil && json.Unmarshal(m.Data, &info) == nil && info.Cluster.Leader == name {
			return
		}
		nc.Request(api+"LEADER.STEPDOWN.KV_own", []byte(`{"placement":{"preferred":"`+name+`"}}`), time.Second)
	}
	t.Fatal("the other process does not lead")
}
