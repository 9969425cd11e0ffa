package parley_test

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

// Verifies: RUNTIME-04
func TestTLS(t *testing.T) {
	cert, roots := certificate(t)
	for _, p := range all {
		t.Run(label(p), func(t *testing.T) {
			srv := &parley.Server{Protocol: p, Handler: parley.HandlerFunc(echo), TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}}
			d := &parley.Dialer{Protocol: p, TLSConfig: &tls.Config{RootCAs: roots}}
			c, err := d.Dial(newContext(t), newServer(t, srv))
			if err != nil {
				t.Fatal(err)
			}
			nc, ok := c.NetConn().(*tls.Conn)
			if !ok || !nc.ConnectionState().HandshakeComplete {
				t.Errorf("the connection is a %T", c.NetConn())
			}
			for _, size := range []int{1, 100, 10_000, 70_000, 1_000_000} {
				want := strings.Repeat("x", size)
				if m, err := c.Call(newContext(t), parley.Text(want)); err != nil || m.Text() != want {
					t.Fatalf("%d bytes: %v, %v", size, m, err)
				}
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
		if p.Traits().Lockstep {
			continue
		}
		t.Run(label(p)+"/both at once", func(t *testing.T) {
			limits := parley.Limits{MaxMessage: 64 << 20}
			srv := &parley.Server{Protocol: p, Pull: true, Limits: limits, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}}
			d := &parley.Dialer{Protocol: p, Limits: limits, TLSConfig: &tls.Config{RootCAs: roots}}
			a, err := d.Dial(newContext(t), newServer(t, srv))
			if err != nil {
				t.Fatal(err)
			}
			defer a.CloseNow()
			b, err := srv.Accept(newContext(t))
			if err != nil {
				t.Fatal(err)
			}
			for _, size := range []int{4 << 20, 100_000, 100} {
				var wg sync.WaitGroup
				for i, c := range []*parley.Conn{a, b} {
					wg.Go(func() { echoAtEachOther(t, newContext(t), c, byte(i), size, min(500, 4<<20/size)) })
				}
				wg.Wait()
			}
		})
	}
}

// Verifies: RUNTIME-04
func TestMutualTLS(t *testing.T) {
	cert, roots := certificate(t)
	client, clientRoots := certificate(t)
	stranger, _ := certificate(t)
	life := newLife()
	srv := &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(echo), Hooks: life.hooks(),
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: clientRoots, ClientAuth: tls.RequireAndVerifyClientCert}}
	addr := newServer(t, srv)
	clients := map[string]struct {
		config *tls.Config
		ok     bool
	}{
		"accepted":          {&tls.Config{RootCAs: roots, Certificates: []tls.Certificate{client}}, true},
		"none":              {&tls.Config{RootCAs: roots}, false},
		"of a stranger":     {&tls.Config{RootCAs: roots, Certificates: []tls.Certificate{stranger}}, false},
		"the wrong server":  {&tls.Config{RootCAs: clientRoots, Certificates: []tls.Certificate{client}}, false},
		"plain, no TLS":     {nil, false},
		"another name":      {&tls.Config{RootCAs: roots, ServerName: "example.org", Certificates: []tls.Certificate{client}}, false},
		"the expected name": {&tls.Config{RootCAs: roots, ServerName: "localhost", Certificates: []tls.Certificate{client}}, true},
	}
	for name, k := range clients {
		t.Run(name, func(t *testing.T) {
			d := &parley.Dialer{Protocol: tinyproto.Protocol{}, TLSConfig: k.config}
			if k.config == nil { // the server waits for the rest of what it takes for TLS
				d.Timeouts.Handshake = 10 * time.Millisecond
			}
			c, err := d.Dial(newContext(t), addr)
			if !k.ok {
				if err == nil {
					c.CloseNow()
					t.Fatal("it was let in")
				}
				if !strings.Contains(err.Error(), addr) {
					t.Errorf("%v does not name the peer", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer c.CloseNow()
			if m, err := c.Call(newContext(t), parley.Text("x")); err != nil || m.Text() != "x" {
				t.Errorf("got %v, %v", m, err)
			}
			life.conn(t)
		})
	}
	if n := len(life.opened); n > 0 {
		t.Errorf("%d clients that were turned away reached OnOpen", n)
	}
}

// Over TLS both sides say goodbye: the end of a conversation can be told from
// a cut, also by a peer that has said goodbye first and reads its answers.
//
// Verifies: RUNTIME-04, RUNTIME-33, RUNTIME-45
func TestTLSFarewell(t *testing.T) {
	cert, roots := certificate(t)
	srv := &parley.Server{Protocol: oneline.Protocol{}, Handler: parley.HandlerFunc(echo), TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}}
	addr := newServer(t, srv)
	peer := tls.Client(bareDial(t, addr), &tls.Config{RootCAs: roots, ServerName: "localhost"})
	io.WriteString(peer, "ping\none\ntwo\n")
	if err := peer.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if all, err := io.ReadAll(peer); err != nil || string(all) != "pong\none\ntwo\n" {
		t.Errorf("got %q, %v", all, err)
	}
	peer.Close()

	peer = tls.Client(bareDial(t, addr), &tls.Config{RootCAs: roots, ServerName: "localhost"})
	io.WriteString(peer, "ping\ndisconnect\n")
	if all, err := io.ReadAll(peer); err != nil || string(all) != "pong\n" {
		t.Errorf("got %q, %v", all, err)
	}
}

// A dialler owns what it is given, TLS too.
//
// Verifies: RUNTIME-04
func TestTLSOverAPipe(t *testing.T) {
	cert, roots := certificate(t)
	for _, p := range all {
		t.Run(label(p), func(t *testing.T) {
			l := newMemory()
			serve(t, &parley.Server{Protocol: p, Handler: parley.HandlerFunc(echo), TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}}, l)
			nc := tls.Client(l.dial(t).Conn, &tls.Config{RootCAs: roots, ServerName: "localhost"})
			c, err := (&parley.Dialer{Protocol: p}).NewConn(newContext(t), nc)
			if err != nil {
				t.Fatal(err)
			}
			for i := range 20 {
				want := fmt.Sprint("message ", i)
				if m, err := c.Call(newContext(t), parley.Text(want)); err != nil || m.Text() != want {
					t.Fatalf("got %v, %v", m, err)
				}
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// The limit on connections holds before and during the TLS handshake.
//
// Verifies: RUNTIME-06, RUNTIME-08
func TestTLSFull(t *testing.T) {
	cert, roots := certificate(t)
	srv := &parley.Server{Protocol: serpy2.Protocol{}, Handler: parley.HandlerFunc(echo), MaxConns: 1, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}}
	addr := newServer(t, srv)
	silent := bareDial(t, addr) // it holds the place, but not for ever
	for {
		_, err := (&parley.Dialer{Protocol: serpy2.Protocol{}, TLSConfig: &tls.Config{RootCAs: roots}}).Dial(newContext(t), addr)
		if srv.Stats().Refused > 0 && err != nil {
			break
		}
		if err == nil {
			t.Fatal("it was let in")
		}
	}
	silent.Close()
	for { // its place is free in a moment
		c, err := (&parley.Dialer{Protocol: serpy2.Protocol{}, TLSConfig: &tls.Config{RootCAs: roots}}).Dial(newContext(t), addr)
		if err == nil {
			c.CloseNow()
			break
		}
		if errors.Is(err, io.ErrNoProgress) {
			t.Fatal(err)
		}
	}
}
