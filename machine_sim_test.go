package parley_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/tinyproto"
	"github.com/parley-net/parley/wire"
)

// doomed is a machine that has a fault at one of its calls, whichever that is.
type doomed struct {
	wire.Machine
	left  *atomic.Int32 // calls until then
	fault func()
}

func (d doomed) called() {
	if d.left.Add(-1) == 0 {
		d.fault()
	}
}

func (d doomed) Receive(p []byte, ev *wire.Event) (int, error) {
	d.called()
	return d.Machine.Receive(p, ev)
}

func (d doomed) ReceiveEOF(rest []byte, ev *wire.Event) error {
	d.called()
	return d.Machine.ReceiveEOF(rest, ev)
}

func (d doomed) Send(dst []byte, m parley.Message) ([]byte, wire.Sent, error) {
	d.called()
	return d.Machine.Send(dst, m)
}

func (d doomed) Accept()                   { d.called(); d.Machine.Accept() }
func (d doomed) Refuse(reason error) error { d.called(); return d.Machine.Refuse(reason) }
func (d doomed) BodySent()                 { d.called(); d.Machine.BodySent() }
func (d doomed) Awaiting() int             { d.called(); return d.Machine.Awaiting() }
func (d doomed) Output(dst []byte) []byte  { d.called(); return d.Machine.Output(dst) }
func (d doomed) Close(dst []byte) []byte   { d.called(); return d.Machine.Close(dst) }

// Whatever call of a machine has a fault, while its peer asks, reads nothing (so that
// output waits), ends its stream or resets the connection: that connection ends, all
// others are served, and the server shuts down. A seed that fails is named.
//
// Verifies: RUNTIME-57, RUNTIME-45
func TestRandomFaults(t *testing.T) {
	seeds := 40
	if testing.Short() {
		seeds = 6
	}
	for _, f := range forms {
		if f.protocol.Traits().Clients > 0 {
			continue // the honest one would wait for the others
		}
		t.Run(label(f.protocol), func(t *testing.T) {
			for seed := range uint64(seeds) {
				if t.Failed() {
					return
				}
				randomFault(t, f, seed)
			}
		})
	}
}

func randomFault(t *testing.T, f form, seed uint64) {
	rng := rand.New(rand.NewPCG(seed, 12))
	fault := faults[rng.IntN(len(faults))]
	calls := new(atomic.Int32)
	calls.Store(1 + rng.Int32N(60))
	var closed, opened atomic.Int32
	srv := &parley.Server{
		Protocol: flawed{f.protocol, new(atomic.Int32), func(m wire.Machine) wire.Machine { return doomed{m, calls, fault.do} }},
		Limits:   parley.Limits{MaxOutput: 64 << 10},
		Hooks: parley.Hooks{
			OnOpen:  func(context.Context, *parley.Conn) error { opened.Add(1); return nil },
			OnClose: func(*parley.Conn, error) { closed.Add(1) },
		},
		Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			if m.Text() == "much" {
				return c.Send(ctx, parley.Text(strings.Repeat("x", 200<<10)))
			}
			return c.Send(ctx, m)
		}),
	}
	addr := newServer(t, srv)
	what := fmt.Sprintf("seed %d, %s", seed, fault.name)
	doomedPeer := bareDial(t, addr)
	var asked []string
	for range 1 + rng.IntN(10) {
		asked = append(asked, []string{"a", "much", "bc"}[rng.IntN(3)])
	}
	doomedPeer.Write([]byte(f.hello + f.text(asked...))) // it may be gone
	honest, err := parley.Dial(newContext(t), f.protocol, addr)
	if err != nil {
		t.Fatalf("%s: the honest client: %v", what, err)
	}
	leave := rng.IntN(3)
	switch tc := doomedPeer.Conn.(*net.TCPConn); leave {
	case 0:
		tc.CloseWrite()
	case 1:
		tc.SetLinger(0)
		tc.Close()
	}
	for i := range 3 {
		q := fmt.Sprint("question ", i)
		if m, err := honest.Call(newContext(t), parley.Text(q)); err != nil || m.Text() != q {
			t.Errorf("%s: the honest client got %q, %v", what, m.Text(), err)
		}
	}
	honest.CloseNow()
	doomedPeer.Close()
	ended := make(chan error, 1)
	go func() { ended <- srv.Shutdown(newContext(t)) }()
	if err := next(t, ended, what+": Shutdown hangs"); err != nil {
		t.Errorf("%s: Shutdown: %v", what, err)
	}
	if o, c := opened.Load(), closed.Load(); o != c {
		t.Errorf("%s: %d connections opened, OnClose was called for %d", what, o, c)
	}
}

// failsGranted is a machine that fails when it is asked what it owes before a body that
// the peer has granted.
type failsGranted struct {
	wire.Machine
	granted bool
}

func (f *failsGranted) Receive(p []byte, ev *wire.Event) (int, error) {
	n, err := f.Machine.Receive(p, ev)
	if ev.Kind == wire.EventGranted {
		f.granted, ev.Owes = true, true
	}
	return n, err
}

func (f *failsGranted) Output(dst []byte) []byte {
	if f.granted {
		panic("it owes nothing")
	}
	return f.Machine.Output(dst)
}

// Verifies: RUNTIME-57
func TestMachineFailsWhenGranted(t *testing.T) {
	protocol := tinyproto.Protocol{Eager: tinyproto.Never}
	sent := make(chan error, 1)
	srv := &parley.Server{
		Protocol: flawed{protocol, new(atomic.Int32), func(m wire.Machine) wire.Machine { return &failsGranted{Machine: m} }},
		Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			sent <- c.Send(ctx, parley.Text(strings.Repeat("x", 200<<10)))
			return nil
		}),
	}
	c, err := parley.Dial(t.Context(), protocol, newServer(t, srv))
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if err := c.Send(t.Context(), parley.Text("much")); err != nil {
		t.Fatal(err)
	}
	if err := next(t, sent, "Send hangs"); err == nil {
		t.Error("a message has left whose body has not")
	}
}
