//go:build unix

package parley_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

// smallBuffers is an OnOpen that leaves little to the kernel.
func smallBuffers(_ context.Context, c *parley.Conn) error {
	raw, err := c.NetConn().(syscall.Conn).SyscallConn()
	if err == nil {
		raw.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, 16<<10) })
	}
	return err
}

// deafPeer connects a peer that reads nothing, with small buffers.
func deafPeer(t *testing.T, addr string) *bare {
	t.Helper()
	peer := bareDial(t, addr)
	peer.Conn.(*net.TCPConn).SetReadBuffer(16 << 10)
	return peer
}

// Output counts too: peers that send and do not read can't make a server hold more
// than its budget.
//
// Verifies: RUNTIME-11
func TestBudgetOfOutput(t *testing.T) {
	const limit = 16 << 20
	kinds := []struct {
		name string
		p    parley.Protocol
		say  []byte
	}{
		{"small messages", serpy2.Protocol{}, []byte(strings.Repeat(serpy2Text(strings.Repeat("x", 1000)), 4000))},
		{"large messages", serpy2.Protocol{}, []byte(strings.Repeat(serpy2Text(strings.Repeat("x", 1<<20)), 4))},
		{"eager ones", tinyproto.Protocol{}, []byte(tinyHello + strings.Repeat(tiny(strings.Repeat("x", 60<<10)), 70))},
		{"blocks without a size", serpy.Protocol{}, []byte(strings.Repeat(strings.Repeat("x", 2<<20)+"\x1f", 2))},
	}
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			budget := parley.NewBudget(limit)
			var most atomic.Int64
			srv := &parley.Server{Protocol: k.p, Budget: budget,
				Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
					defer func() { most.Store(max(most.Load(), budget.Used())) }()
					return c.Send(ctx, m)
				}),
				Hooks: parley.Hooks{OnOpen: smallBuffers}}
			addr := newServer(t, srv)
			for range 20 { // 80 MB, of which nothing is read
				peer := deafPeer(t, addr)
				go io.Copy(peer, bytes.NewReader(k.say))
			}
			eventually(t, "the budget to be used", func() bool { return budget.Used() > limit/2 })
			eventually(t, "all to stand still", func() bool { return budget.Used() <= limit })
			if most.Load() > 4*limit { // who has to go takes a moment
				t.Errorf("%d bytes were held, the limit is %d", most.Load(), limit)
			}
			c, err := parley.Dial(newContext(t), k.p, addr)
			if err != nil {
				t.Fatal(err)
			}
			if a, err := c.Call(newContext(t), parley.Text("honest")); err != nil || a.Text() != "honest" {
				t.Errorf("an honest client got %v, %v", a, err)
			}
			srv.Close()
			eventually(t, "everything to be given back", func() bool { return budget.Used() == 0 })
		})
	}
}

// A broadcast that waits for many slow peers is held once.
//
// Verifies: RUNTIME-11, RUNTIME-29
func TestBudgetOfBroadcast(t *testing.T) {
	const readers, size = 40, 1 << 20
	for _, p := range []parley.Protocol{serpy.Protocol{}, serpy.Protocol{Mode: 3}, serpy2.Protocol{}, tinyproto.Protocol{}} {
		t.Run(label(p), func(t *testing.T) {
			life := newLife()
			hooks := life.hooks()
			opened := hooks.OnOpen
			hooks.OnOpen = func(ctx context.Context, c *parley.Conn) error {
				opened(ctx, c)
				return smallBuffers(ctx, c)
			}
			budget := parley.NewBudget(64 << 20)
			srv := &parley.Server{Protocol: p, Handler: parley.HandlerFunc(echo), Hooks: hooks, Budget: budget}
			addr := newServer(t, srv)
			for range readers {
				peer := deafPeer(t, addr)
				if p.Name() == "tinyproto" {
					peer.say(tinyHello)
				}
				life.conn(t)
			}
			eventually(t, "all to be open", func() bool { return len(srv.Conns()) == readers })
			for range 3 {
				if n, err := srv.Broadcast(parley.Bytes(make([]byte, size))); n != readers || err != nil {
					t.Fatalf("%d took it, %v", n, err)
				}
			}
			if used := budget.Used(); used < 3*size || used > 3*(size*3/2+readers*(8<<10)) {
				t.Errorf("%d bytes are held for 3 messages of %d", used, size)
			}
			srv.Close()
			eventually(t, "everything to be given back", func() bool { return budget.Used() == 0 })
		})
	}
}

// Servers share a budget, and what the program reserves counts.
//
// Verifies: RUNTIME-11
func TestSharedBudget(t *testing.T) {
	budget := parley.NewBudget(4 << 20)
	if !budget.Reserve(3<<20) || budget.Reserve(2<<20) || budget.Used() != 3<<20 {
		t.Errorf("%d bytes are reserved", budget.Used())
	}
	life := newLife()
	srv := &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(echo), Hooks: life.hooks(), Budget: budget}
	peer := bareDial(t, newServer(t, srv))
	io.WriteString(peer, tinyHello+tinyHead(32<<20)+strings.Repeat("x", 3<<20))
	if err := life.reason(t); !errors.Is(err, parley.ErrFull) {
		t.Errorf("the end: %v, want ErrFull", err)
	}
	eventually(t, "the rest to be given back", func() bool { return budget.Used() == 3<<20 })
	if budget.Release(3 << 20); budget.Used() != 0 || budget.Limit() != 4<<20 {
		t.Errorf("%d bytes are left", budget.Used())
	}
}
