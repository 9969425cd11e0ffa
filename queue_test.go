package parley_test

import (
	"context"
	"io"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/internal/netsim"
	"github.com/parley-net/parley/parleytest"
	"github.com/parley-net/parley/plugin/checksum"
	"github.com/parley-net/parley/tinyproto"
	"github.com/parley-net/parley/wire"
)

// A peer sends messages and ends the connection, while the handler of the first
// one waits: those that were received, and confirmed, are served all the same.
// They used to be dropped if the peer had refused a message of ours, or broken
// the wire's rules, or reset the connection, and if a handler returned the error
// that its own Send had then.
//
// Verifies: RUNTIME-16, RUNTIME-33
func TestReceivedBeforeTheEndIsServed(t *testing.T) {
	ends := map[string]func(n *netsim.Conn){
		"refusal":       func(n *netsim.Conn) { io.WriteString(n, "\x00"); n.CloseWrite() },
		"end of stream": func(n *netsim.Conn) { n.CloseWrite() },
		"garbage":       func(n *netsim.Conn) { io.WriteString(n, "\xfa") },
		"reset":         func(n *netsim.Conn) { time.Sleep(time.Second); n.Reset() },
	}
	for name, end := range ends {
		for _, p := range []tinyproto.Protocol{{}, {Eager: tinyproto.Never}} {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var served []string
				srv := &parley.Server{Protocol: p, Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
					mu.Lock()
					served = append(served, m.Text())
					first := len(served) == 1
					mu.Unlock()
					if !first {
						return nil
					}
					err := c.Confirm(ctx, parley.Text("really?"))
					if err == nil {
						t.Errorf("%s, Eager %d: Confirm succeeded", name, p.Eager)
					}
					return err // as handlers do whose answer can't be sent any more
				})}
				sim := netsim.New(1, netsim.Faults{})
				ended := make(chan error, 1)
				go func() { ended <- srv.Serve(sim.Listener()) }()
				peer, err := sim.Dial()
				if err != nil {
					t.Fatal(err)
				}
				io.WriteString(peer, tinyHello+tiny("a"))
				synctest.Wait()
				io.WriteString(peer, tiny("b", "c"))
				end(peer)
				time.Sleep(time.Minute)
				mu.Lock()
				if want := []string{"a", "b", "c"}; !slices.Equal(served, want) {
					t.Errorf("%s, Eager %d: served %q, want %q", name, p.Eager, served, want)
				}
				mu.Unlock()
				srv.Close()
				<-ended
			})
		}
	}
}

// A message that must be streamed arrives while the handler is busy and another
// goroutine waits for a confirmation: it waits for its turn. It used to be
// refused, as if the handler were the one that waits.
//
// Verifies: RUNTIME-22, RUNTIME-25
func TestStreamBehindABusyHandler(t *testing.T) {
	for _, p := range []tinyproto.Protocol{{}, {Eager: tinyproto.Never}} {
		synctest.Test(t, func(t *testing.T) {
			sink := &check{}
			streamed := make(chan int64, 1)
			busy := parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
				go func() {
					if err := c.Confirm(ctx, parley.Text("news")); err != nil {
						t.Errorf("Eager %d: Confirm: %v", p.Eager, err)
					}
				}()
				time.Sleep(5 * time.Second)
				return nil
			})
			srv := &parley.Server{Protocol: p, Limits: parley.Limits{MaxMessage: 1000},
				Handler: uploads{busy, func() io.Writer { return sink }, func(_ context.Context, _ *parley.Conn, n int64) error {
					streamed <- n
					return nil
				}}}
			c, _ := parleytest.Pipe(t, srv, &parley.Dialer{Protocol: p})
			ctx := newContext(t)
			if err := c.Send(ctx, parley.Text("go")); err != nil {
				t.Fatal(err)
			}
			if err := c.SendStream(ctx, 500_000, &pattern{}); err != nil {
				t.Fatalf("Eager %d: %v", p.Eager, err)
			}
			expect(t, c, "news")
			if n := <-streamed; n != 500_000 {
				t.Errorf("Eager %d: %d bytes were streamed", p.Eager, n)
			}
		})
	}
}

// A message crosses a large one of ours that waits for its grant, while our side
// is closing: it is confirmed, as the wire wants, so it is delivered too. It
// used to be dropped (simulation, tinyproto seed 5589).
//
// Verifies: RUNTIME-17, RUNTIME-33
func TestWhatCrossesAHeldMessageIsDelivered(t *testing.T) {
	plugin := checksum.Plugin{}
	sum := plugin.New(wire.Dialing, 1<<20)
	encode := func(text string) string {
		b, err := sum.Send(nil, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	plain := func(text string) string { return text }
	for name, test := range map[string]struct {
		pull    bool
		plugins []parley.Plugin
		encode  func(string) string
		held    int // bytes that are announced
	}{
		"Receive":              {true, nil, plain, 100_000},
		"a handler":            {false, nil, plain, 100_000},
		"a handler, a plugin":  {false, []parley.Plugin{plugin}, encode, len(encode(string(make([]byte, 100_000))))},
		"Receive and a plugin": {true, []parley.Plugin{plugin}, encode, len(encode(string(make([]byte, 100_000))))},
	} {
		bubble(t, name, func(t *testing.T) {
			got := make(chan string, 1)
			life := newLife()
			srv := &parley.Server{Protocol: tinyproto.Protocol{}, Pull: test.pull, Plugins: test.plugins, Hooks: life.hooks()}
			if !test.pull {
				srv.Handler = parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
					got <- m.Text()
					return c.Send(ctx, m) // which is too late
				})
			}
			l := newMemory()
			serve(t, srv, l)
			peer := l.dial(t)
			peer.hear(tinyHello)
			peer.say(tinyHello)
			s := life.conn(t)
			sent := make(chan error, 1)
			go func() { sent <- s.Send(t.Context(), parley.Bytes(make([]byte, 100_000))) }()
			peer.hear(tinyHead(uint32(test.held)))
			go s.Close()
			synctest.Wait()
			go io.Copy(io.Discard, peer)
			peer.say(tiny(test.encode("x")) + tinyOK)
			if test.pull {
				if m, err := s.Receive(t.Context()); err != nil || m.Text() != "x" {
					t.Errorf("received %v, %v", m, err)
				}
			} else if text := <-got; text != "x" {
				t.Errorf("the handler got %q", text)
			}
			if err := <-sent; err != nil {
				t.Errorf("the held message: %v", err)
			}
		})
	}
}

// Two messages arrive together, and the handler of the first one takes long: what
// is sent meanwhile, by it or by another goroutine, leaves at once all the same.
// It used to wait for the handler, or for ever (simulation, tinyproto-sealed seed
// 4062).
//
// Verifies: RUNTIME-16, RUNTIME-25
func TestSendBesideASlowHandler(t *testing.T) {
	for name, slow := range map[string]func(ctx context.Context, c *parley.Conn, news func()) error{
		"it sends": func(_ context.Context, _ *parley.Conn, news func()) error {
			time.Sleep(time.Second)
			news()
			time.Sleep(time.Hour)
			return nil
		},
		"another one sends": func(_ context.Context, _ *parley.Conn, news func()) error {
			time.AfterFunc(time.Second, news)
			time.Sleep(time.Hour)
			return nil
		},
		"it waits for more": func(ctx context.Context, c *parley.Conn, news func()) error {
			time.AfterFunc(time.Second, news)
			for range 2 { // the second message, and one that never comes
				c.Receive(ctx)
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
					if m.Text() != "a" {
						return nil
					}
					return slow(ctx, c, func() { c.Send(context.Background(), parley.Text("news")) })
				})}
				l := newMemory()
				serve(t, srv, l)
				peer := l.dial(t)
				peer.hear(tinyHello)
				peer.say(tinyHello + tiny("a", "b"))
				start := time.Now()
				peer.hear(tinyOK) // of "b" only when its turn has come, or somebody reads on
				if name == "it waits for more" {
					peer.hear(tinyOK)
				}
				peer.hear(tiny("news"))
				if took := time.Since(start); took > 2*time.Second {
					t.Errorf("the news, sent after a second, came after %v", took)
				}
			})
		})
	}
}
