package embed

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/parley-net/parley/bus"
)

func started(t *testing.T, o Options) *Server {
	t.Helper()
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// Trap 1: one of a cluster has a client port, as its routes don't start without one. It is on
// loopback, with a credential of this start, and a hub and who joins it have none at all.
//
// Verifies: CLUSTER-02
func TestClientPorts(t *testing.T) {
	secret := NewSecret()
	hub := started(t, Options{Hub: "127.0.0.1:0", Dir: t.TempDir(), Secret: &secret})
	leaf := started(t, Options{Join: hub.HubURL(), Secret: &secret})
	for _, s := range []*Server{hub, leaf} {
		if at := s.nats.Addr(); at != nil {
			t.Errorf("there is a client port: %v", at)
		}
	}
	at := FreePorts(t, 3)
	var all []*Server
	for i := range 3 {
		all = append(all, started(t, Options{Cluster: []string{at[i], at[(i+1)%3], at[(i+2)%3]}, Dir: t.TempDir(), Secret: &secret}))
	}
	passwords := map[string]bool{}
	for _, s := range all {
		addr := s.nats.Addr().(*net.TCPAddr)
		if !addr.IP.IsLoopback() {
			t.Errorf("the client port is at %v", addr)
		}
		if nc, err := nats.Connect("nats://" + addr.String()); err == nil {
			nc.Close()
			t.Error("the client port lets in who has no credential")
		}
		passwords[s.pass] = true
	}
	if len(passwords) != 3 {
		t.Error("credentials are shared")
	}
	for end := time.Now().Add(20 * time.Second); all[0].nats.NumRoutes() == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the routes have not started")
		}
	}
}

// Trap 8: what is kept is bounded, in the folder that was given.
//
// Verifies: CLUSTER-10
func TestBounds(t *testing.T) {
	dir := t.TempDir()
	s := started(t, Options{Dir: dir})
	c := s.nats.JetStreamConfig()
	if c.MaxMemory != 64<<20 || c.MaxStore != 10<<30 || !strings.HasPrefix(c.StoreDir, dir) || !c.SyncAlways {
		t.Errorf("JetStream has %+v", c)
	}
	s.Close()
	s = started(t, Options{Dir: dir, MaxMemory: 1 << 20, MaxStore: 2 << 20})
	if c := s.nats.JetStreamConfig(); c.MaxMemory != 1<<20 || c.MaxStore != 2<<20 {
		t.Errorf("JetStream has %+v", c)
	}
}

// Trap 9: the program's signals stay its own, and a credential that is refused within the
// process, which shows as a closed pipe, is told as what it is.
//
// Verifies: CLUSTER-11
func TestOfTheProcess(t *testing.T) {
	secret := NewSecret()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	got := make(chan os.Signal, 1)
	signal.Notify(got, os.Interrupt)
	defer signal.Stop(got)
	s := started(t, Options{Cluster: []string{l.Addr().String(), "127.0.0.1:1", "127.0.0.1:2"}, Dir: t.TempDir(), Secret: &secret})
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if err := self.Signal(os.Interrupt); err != nil {
		t.Skip(err) // not on Windows
	}
	<-got // and the process is still there
	if !s.nats.Running() {
		t.Error("the server has ended")
	}
	s.pass = "another one"
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := s.Connect(ctx); !errors.Is(err, bus.ErrRefused) || strings.Contains(err.Error(), "closed pipe") {
		t.Errorf("with another credential: %v", err)
	}
}

// A hub of another version of the bus refuses, and is refused, with what to do.
//
// Verifies: CLUSTER-06
func TestOtherVersion(t *testing.T) {
	secret := NewSecret()
	config, err := secret.tls()
	if err != nil {
		t.Fatal(err)
	}
	other, err := secret.tlsFor("v2.bus.parley")
	if err != nil {
		t.Fatal(err)
	}
	serve := func(config *tls.Config) string {
		l, err := tls.Listen("tcp", "127.0.0.1:0", config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for c, err := l.Accept(); err == nil; c, err = l.Accept() {
				if c.(*tls.Conn).Handshake() == nil {
					c.Write([]byte("INFO {}\r\n"))
				}
				c.Close()
			}
		}()
		return l.Addr().String()
	}
	if err := knock(t.Context(), serve(config), config); err != nil {
		t.Fatal(err)
	}
	if err := knock(t.Context(), serve(other), config); !errors.Is(err, ErrVersion) || !strings.Contains(err.Error(), "same version") {
		t.Errorf("a newer hub: %v", err)
	}
}

// What can't be written is told, with the folder.
//
// Verifies: CLUSTER-06
func TestFolderThatCannotBe(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	os.WriteFile(file, nil, 0o600)
	if _, err := Start(t.Context(), Options{Dir: filepath.Join(file, "data")}); err == nil || !strings.Contains(err.Error(), "bus directory") {
		t.Errorf("below a file: %v", err)
	}
	dir := t.TempDir()
	os.WriteFile(filepath.Join(dir, "secret"), []byte("abc\n"), 0o600)
	if _, err := Start(t.Context(), Options{Hub: "127.0.0.1:0", Dir: dir}); err == nil || !strings.Contains(err.Error(), "64 hexadecimal") {
		t.Errorf("a secret that is none: %v", err)
	}
}
