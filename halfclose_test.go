package parley_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
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
			if later && label(f.protocol) == "tinyproto-never" {
				continue // its messages wait for a consent that can't come any more
			}
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
				peer.hear(f.text("late")[:4])
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
	for _, later := range []bool{false, true} {
		t.Run(fmt.Sprintf("later %v", later), func(t *testing.T) {
			life := newLife()
			sent := make(chan error, 1)
			srv := &parley.Server{Protocol: tinyproto.Protocol{}, Hooks: life.hooks()}
			srv.Handler = parley.HandlerFunc(func(_ context.Context, c *parley.Conn, _ parley.Message) error {
				left := c.PeerClosed()
				answer := func() error {
					if later {
						<-left
					}
					var err error
					for i := 0; i < 5 && err == nil; i++ {
						err = c.Send(context.Background(), parley.Text("answer"))
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
			peer.hear(tinyHello + tinyOK + strings.Repeat(tiny("answer"), 5))
			if err := next(t, sent, "Send waits"); err != nil {
				t.Errorf("Send: %v", err)
			}
			peer.Close()
			life.reason(t)
		})
	}
}

// The end of the peer's stream ends the context when Timeouts.HalfClose has passed, a
// reset at once: a handler that waits for its context only ends then.
//
// Verifies: RUNTIME-45, RUNTIME-44
func TestContextBehindTheEnd(t *testing.T) {
	for _, f := range forms {
		if f.protocol.Traits().Lockstep {
			continue // nothing is read ahead of the handler
		}
		for _, k := range []struct {
			name  string
			limit time.Duration
			leave func(*bare)
			cause func(error) bool
		}{
			{"half-close", 100 * time.Millisecond, func(b *bare) { b.closeWrite() }, func(err error) bool { return errors.Is(err, parley.ErrPeerClosed) }},
			{"reset", time.Hour, func(b *bare) { b.reset() }, func(err error) bool { return errors.As(err, new(*parley.ConnError)) }},
			{"reset behind a half-close", time.Hour, func(b *bare) {
				b.closeWrite()
				time.Sleep(20 * time.Millisecond)
				b.reset()
			}, func(err error) bool { return errors.As(err, new(*parley.ConnError)) }},
		} {
			t.Run(label(f.protocol)+"/"+k.name, func(t *testing.T) {
				causes := make(chan error, 1)
				entered := make(chan bool, 1)
				srv := &parley.Server{Protocol: f.protocol, Timeouts: parley.Timeouts{HalfClose: k.limit},
					Handler: parley.HandlerFunc(func(ctx context.Context, _ *parley.Conn, _ parley.Message) error {
						entered <- true
						<-ctx.Done()
						causes <- context.Cause(ctx)
						return nil
					})}
				peer := bareDial(t, newServer(t, srv))
				peer.say(f.hello + f.text("question"))
				next(t, entered, "the handler was not called")
				k.leave(peer)
				if err := next(t, causes, "the context does not end"); !k.cause(err) {
					t.Errorf("the context ended because of %v", err)
				}
			})
		}
	}
}
