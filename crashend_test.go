package parley_test

import (
	"context"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
	"github.com/parley-net/parley/wire"
)

// Behind a handler that has panicked, or ended its goroutine, nothing is served, also
// where its peer has ended its stream behind further messages.
//
// Verifies: RUNTIME-26
func TestCrashBehindTheEnd(t *testing.T) {
	for _, f := range forms {
		for _, fault := range faults {
			t.Run(label(f.protocol)+"/"+fault.name, func(t *testing.T) {
				var calls atomic.Int32
				life := newLife()
				srv := &parley.Server{Protocol: f.protocol, Hooks: life.hooks(), Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
					if calls.Add(1) == 1 {
						<-c.PeerClosed()
						fault.do()
					}
					return c.Send(ctx, m)
				})}
				c := connect(t, false, srv, &parley.Dialer{})
				n := 5
				if label(f.protocol) == "tinyproto-never" {
					n = 1 // the others wait until the handler is done
				}
				for range n {
					if err := c.TrySend(parley.Text("x")); err != nil {
						t.Fatal(err)
					}
				}
				if err := c.CloseWrite(); err != nil {
					t.Fatal(err)
				}
				if m, err := c.Receive(newContext(t)); err == nil {
					t.Errorf("got %q", m.Text())
				}
				life.reason(t)
				if n := calls.Load(); n != 1 {
					t.Errorf("the handler was called %d times", n)
				}
				if n := srv.Stats().Faults.Panics; n != 1 {
					t.Errorf("%d panics are counted", n)
				}
			})
		}
	}
}

// A machine or a plugin that ends a goroutine counts once, whoever has called it, and a
// handler that does so beside it counts too.
//
// Verifies: RUNTIME-57
func TestGoexitCountsOnce(t *testing.T) {
	machine := flawed{serpy2.Protocol{}, new(atomic.Int32), func(m wire.Machine) wire.Machine {
		return &flaws{Machine: m, send: func([]byte, parley.Message) ([]byte, wire.Sent, error) {
			runtime.Goexit()
			return nil, wire.Sent{}, nil
		}}
	}}
	plugin := []parley.Plugin{unsound{"Send", runtime.Goexit}}
	send := func(ctx context.Context, c *parley.Conn) { c.Send(ctx, parley.Text("fault")) }
	none := func(context.Context, *parley.Conn) {}
	for _, test := range []struct {
		name                    string
		protocol                parley.Protocol
		plugins                 []parley.Plugin
		onOpen, handle, onClose func(context.Context, *parley.Conn)
		want                    uint64
	}{
		{"machine in a handler", machine, nil, none, send, none, 1},
		{"machine in OnOpen", machine, nil, send, none, none, 1},
		{"plugin in a handler", tinyproto.Protocol{}, plugin, none, send, none, 1},
		{"plugin in OnOpen", tinyproto.Protocol{}, plugin, send, none, none, 1},
		{"machine in a handler, and OnClose", machine, nil, none, send, func(context.Context, *parley.Conn) { runtime.Goexit() }, 2},
		{"handler", serpy2.Protocol{}, nil, none, func(context.Context, *parley.Conn) { runtime.Goexit() }, none, 1},
		{"handler, and OnClose", serpy2.Protocol{}, nil, none, func(context.Context, *parley.Conn) { runtime.Goexit() }, func(context.Context, *parley.Conn) { runtime.Goexit() }, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			ended := make(chan bool, 1)
			srv := &parley.Server{Protocol: test.protocol, Plugins: test.plugins,
				Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, _ parley.Message) error {
					test.handle(ctx, c)
					return nil
				}),
				Hooks: parley.Hooks{
					OnOpen: func(ctx context.Context, c *parley.Conn) error { test.onOpen(ctx, c); return nil },
					OnClose: func(c *parley.Conn, _ error) {
						defer func() { ended <- true }()
						test.onClose(context.Background(), c)
					},
				}}
			addr := newServer(t, srv)
			d := parley.Dialer{Protocol: test.protocol, Plugins: test.plugins}
			if f, ok := test.protocol.(flawed); ok {
				f.made.Store(0)
				d.Protocol = f.Protocol
			}
			c, err := d.Dial(newContext(t), addr)
			if err == nil {
				defer c.CloseNow()
				c.Send(newContext(t), parley.Text("x"))
			}
			next(t, ended, "OnClose was not called")
			if err := srv.Shutdown(newContext(t)); err != nil {
				t.Error(err)
			}
			if n := srv.Stats().Faults.Panics; n != test.want {
				t.Errorf("%d are counted, want %d", n, test.want)
			}
		})
	}
}

// Who sends while a handler ends its goroutine can: until the error of that is known the
// connection is as it was, whoever reads next.
//
// Verifies: RUNTIME-26
func TestSendBesideGoexit(t *testing.T) {
	for range 200 {
		life := newLife()
		srv := &parley.Server{Protocol: serpy2.Protocol{}, Timeouts: parley.Timeouts{Settle: -1}, Hooks: life.hooks(), Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			for range 4 {
				go func() {
					for c.Send(ctx, m) == nil {
					}
				}()
			}
			runtime.Gosched()
			runtime.Goexit()
			return nil
		})}
		c := connect(t, false, srv, &parley.Dialer{})
		go func() {
			for _, err := range c.Messages(context.Background()) {
				if err != nil {
					break
				}
			}
			c.CloseNow()
		}()
		if err := c.Send(newContext(t), parley.Text("x")); err != nil {
			t.Fatal(err)
		}
		if err := life.reason(t); !strings.Contains(err.Error(), "Goexit") {
			t.Fatal(err)
		}
	}
}
