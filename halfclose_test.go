package parley_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/tinyproto"
)

// A peer that has ended its stream still gets what is sent from then on, by a handler
// that takes its time and by a program that has asked for PeerClosed.
//
// Verifies: RUNTIME-45
func TestAnswersBehindTheEnd(t *testing.T) {
	for _, f := range forms {
		for _, later := range []bool{false, true} {
			name := label(f.protocol) + "/handler"
			if later {
				name = label(f.protocol) + "/later"
			}
			t.Run(name, func(t *testing.T) {
				life := newLife()
				hooks := life.hooks()
				srv := &parley.Server{Protocol: f.protocol, Hooks: hooks}
				answer := func(c *parley.Conn) error {
					<-c.PeerClosed()
					time.Sleep(20 * time.Millisecond) // nothing tells that the peer still reads
					return c.Send(context.Background(), parley.Text("late"))
				}
				srv.Hooks.OnOpen = func(ctx context.Context, c *parley.Conn) error {
					if later {
						c.PeerClosed()
					}
					return hooks.OnOpen(ctx, c)
				}
				srv.Handler = parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, _ parley.Message) error {
					if !later {
						time.Sleep(20 * time.Millisecond)
						return c.Send(ctx, parley.Text("late"))
					}
					go func() {
						if err := answer(c); err != nil {
							t.Errorf("Send: %v", err)
						}
						c.Close()
					}()
					return nil
				})
				peer := bareDial(t, newServer(t, srv))
				peer.say(f.hello + f.text("question"))
				peer.closeWrite()
				if f.protocol.Name() == "oneline" {
					peer.hear("pong\n")
				}
				if f.protocol.Name() == "tinyproto" {
					peer.hear(tinyHello + tinyOK)
				}
				peer.hear(f.text("late"))
				peer.Close()
				life.reason(t)
			})
		}
	}
}

// A peer that has ended its stream gets several answers where messages are sent ahead of
// their confirmations, which can't come any more.
//
// Verifies: RUNTIME-45
func TestSeveralAnswersBehindTheEnd(t *testing.T) {
	long := strings.Repeat("a", tinyproto.EagerLimit+1)
	for _, p := range []tinyproto.Protocol{{}, {Eager: tinyproto.Never}, {Turns: true}} {
		for _, later := range []bool{false, true} {
			t.Run(fmt.Sprintf("%+v, later %v", p, later), func(t *testing.T) { severalAnswers(t, p, later, long) })
		}
	}
}

func severalAnswers(t *testing.T, p tinyproto.Protocol, later bool, long string) {
	life := newLife()
	sent := make(chan error, 1)
	srv := &parley.Server{Protocol: p, Hooks: life.hooks()}
	srv.Handler = parley.HandlerFunc(func(_ context.Context, c *parley.Conn, _ parley.Message) error {
		var left <-chan struct{}
		if later {
			left = c.PeerClosed()
		}
		answer := func() error {
			if later {
				<-left
			}
			var err error
			for i := 0; i < 5 && err == nil; i++ {
				err = c.Send(context.Background(), parley.Text("answer"))
			}
			if err == nil {
				err = c.Send(context.Background(), parley.Text(long))
			}
			sent <- err
			return err
		}
		if later {
			go func() { answer(); c.Close() }()
			return nil
		}
		return answer()
	})
	peer := bareDial(t, newServer(t, srv))
	peer.say(tinyHello + tiny("question"))
	peer.closeWrite()
	peer.hear(tinyHello + tinyOK + strings.Repeat(tiny("answer"), 5) + tiny(long))
	if err := next(t, sent, "Send waits"); err != nil {
		t.Errorf("Send: %v", err)
	}
	peer.Close()
	life.reason(t)
}

// waits are ways to wait for the end of a connection in its handler.
var waits = []struct {
	name string
	wait func(ctx context.Context, c *parley.Conn)
}{
	{"Done", func(ctx context.Context, _ *parley.Conn) { <-ctx.Done() }},
	{"WithTimeout", func(ctx context.Context, _ *parley.Conn) {
		ctx, cancel := context.WithTimeout(ctx, time.Hour)
		defer cancel()
		<-ctx.Done()
	}},
	{"AfterFunc", func(ctx context.Context, _ *parley.Conn) {
		ended := make(chan bool)
		defer context.AfterFunc(ctx, func() { close(ended) })()
		<-ended
	}},
	{"a context of ConnContext", func(ctx context.Context, _ *parley.Conn) { <-ctx.Value(earlier{}).(context.Context).Done() }},
}

type earlier struct{}

// The end of the peer's stream ends the context when Timeouts.HalfClose has passed, a
// reset at once: a handler that waits for its context only ends then, however it waits,
// whatever has been sent meanwhile.
//
// Verifies: RUNTIME-45, RUNTIME-44
func TestContextBehindTheEnd(t *testing.T) {
	peerClosed := func(err error) bool { return errors.Is(err, parley.ErrPeerClosed) }
	lost := func(err error) bool { return errors.As(err, new(*parley.ConnError)) }
	for _, f := range forms {
		for _, ahead := range []int{0, 3, 40_000} { // messages sent meanwhile: more than is read ahead
			for i, k := range []struct {
				name  string
				limit time.Duration
				leave func(*bare)
				cause func(error) bool
			}{
				{"half-close", 100 * time.Millisecond, func(b *bare) { b.closeWrite() }, peerClosed},
				{"reset", time.Hour, func(b *bare) { b.reset() }, lost},
				{"reset behind a half-close", time.Hour, func(b *bare) {
					b.closeWrite()
					time.Sleep(20 * time.Millisecond)
					b.reset()
				}, lost},
			} {
				if ahead > 3 && k.name != "reset" {
					continue // the end stands behind what the kernel takes
				}
				w := waits[(i+ahead)%len(waits)]
				t.Run(fmt.Sprintf("%s/%s/%s, %d ahead", label(f.protocol), k.name, w.name, ahead), func(t *testing.T) {
					causes := make(chan error, 1)
					entered := make(chan bool, 1)
					var waited atomic.Bool
					srv := &parley.Server{Protocol: f.protocol, Timeouts: parley.Timeouts{HalfClose: k.limit},
						Hooks: parley.Hooks{ConnContext: func(ctx context.Context, c *parley.Conn) context.Context {
							made, cancel := context.WithCancel(ctx)
							t.Cleanup(cancel)
							return context.WithValue(ctx, earlier{}, made)
						}},
						Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, _ parley.Message) error {
							if waited.CompareAndSwap(false, true) {
								entered <- true
								w.wait(ctx, c)
								causes <- context.Cause(ctx)
							}
							return nil
						})}
					peer := bareDial(t, newServer(t, srv))
					peer.say(f.hello + f.text("question"))
					next(t, entered, "the handler was not called")
					peer.Conn.SetWriteDeadline(time.Now().Add(time.Second)) // it may not take all
					peer.Conn.Write([]byte(strings.Repeat(f.text("meanwhile"), ahead)))
					k.leave(peer)
					if err := next(t, causes, "the context does not end"); !k.cause(err) {
						t.Errorf("the context ended because of %v", err)
					}
				})
			}
		}
	}
}

// What a peer had said before it was lost is served, but no longer than the program
// wants: the end of the server, or of the connection, is the end of that too.
//
// Verifies: RUNTIME-45
func TestClosedBehindTheEnd(t *testing.T) {
	for name, k := range map[string]struct {
		end  func(*parley.Server, *parley.Conn)
		want int32
	}{
		"nothing":       {func(*parley.Server, *parley.Conn) {}, 3},
		"Server.Close":  {func(s *parley.Server, _ *parley.Conn) { s.Close() }, 1},
		"Conn.CloseNow": {func(_ *parley.Server, c *parley.Conn) { c.CloseNow() }, 1},
		"Server.Shutdown": {func(s *parley.Server, _ *parley.Conn) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			s.Shutdown(ctx)
		}, 1},
	} {
		for _, f := range forms {
			t.Run(name+"/"+label(f.protocol), func(t *testing.T) {
				conns, goOn, closed := make(chan *parley.Conn, 3), make(chan bool), make(chan error, 1)
				var calls atomic.Int32
				srv := &parley.Server{Protocol: f.protocol,
					Hooks: parley.Hooks{OnClose: func(_ *parley.Conn, err error) { closed <- err }},
					Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, _ parley.Message) error {
						calls.Add(1)
						conns <- c
						<-ctx.Done()
						<-goOn
						return nil
					})}
				peer := bareDial(t, newServer(t, srv))
				peer.say(f.hello + f.text("one"))
				c := next(t, conns, "the handler was not called")
				peer.say(f.text("two") + f.text("three"))
				eventually(t, "what was said to be read", func() bool {
					return c.Stats().BytesIn == uint64(len(f.hello+f.text("one")+f.text("two")+f.text("three")))
				})
				peer.reset()
				next(t, c.Context().Done(), "the context does not end")
				k.end(srv, c)
				close(goOn)
				next(t, closed, "the connection does not end")
				if got := calls.Load(); got != k.want {
					t.Errorf("%d messages went to the handler, want %d", got, k.want)
				}
			})
		}
	}
}

// A connection that OnOpen declines brings nothing to the handler, also if its peer has
// said something and left meanwhile. How it left does not matter.
//
// Verifies: RUNTIME-45, RUNTIME-44
func TestDeclinedBehindTheEnd(t *testing.T) {
	for _, f := range forms {
		for name, leave := range map[string]func(*bare){"half-close": (*bare).closeWrite, "reset": (*bare).reset} {
			t.Run(label(f.protocol)+"/"+name, func(t *testing.T) {
				opening, closed := make(chan bool, 1), make(chan error, 1)
				no := errors.New("no place")
				srv := &parley.Server{Protocol: f.protocol, Timeouts: parley.Timeouts{HalfClose: 100 * time.Millisecond},
					Hooks: parley.Hooks{
						OnOpen: func(ctx context.Context, c *parley.Conn) error {
							opening <- true
							<-ctx.Done()
							return no
						},
						OnClose: func(_ *parley.Conn, err error) { closed <- err },
					},
					Handler: parley.HandlerFunc(func(context.Context, *parley.Conn, parley.Message) error {
						t.Error("a message went to the handler")
						return nil
					})}
				peer := bareDial(t, newServer(t, srv))
				peer.say(f.hello + f.text("one"))
				next(t, opening, "OnOpen was not called")
				peer.say(f.text("two"))
				leave(peer)
				next(t, closed, "the connection does not end")
			})
		}
	}
}
