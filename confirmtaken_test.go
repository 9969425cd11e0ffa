package parley_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/parleytest"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/tinyproto"
)

// confirming are the wires that confirm messages, in all their ways.
func confirming() []parley.Protocol {
	ps := []parley.Protocol{serpy.Protocol{Mode: 1}, serpy.Protocol{Mode: 3}}
	for _, f := range forms {
		if f.protocol.Traits().Confirms {
			ps = append(ps, f.protocol)
		}
	}
	return ps
}

// What is confirmed the handler has taken: to kill the process of one that waits for
// nothing costs the message that it works on, and no other, also where it is to learn
// that its peer has gone.
//
// Verifies: RUNTIME-17
func TestWhatIsConfirmedIsTaken(t *testing.T) {
	const n = 12
	for _, p := range confirming() {
		for _, size := range []int{10, 20_000, 150_000} {
			for _, answers := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/%d/answers=%v", label(p), size, answers), func(t *testing.T) {
					var taken atomic.Int64
					srv := &parley.Server{Protocol: p, Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
						taken.Add(1)
						defer context.AfterFunc(c.Context(), func() {})()
						ctx, cancel := context.WithTimeout(ctx, time.Minute)
						defer cancel()
						if answers {
							if err := c.Send(ctx, parley.Text("taken")); err != nil {
								return err
							}
						}
						time.Sleep(6 * time.Millisecond) // works
						return ctx.Err()
					})}
					d := &parley.Dialer{Hooks: parley.Hooks{OnOpen: func(_ context.Context, c *parley.Conn) error {
						c.PeerClosed()
						return nil
					}}}
					c := connect(t, false, srv, d)
					if answers {
						go func() {
							for range c.Messages(newContext(t)) {
							}
						}()
					}
					var confirmed atomic.Int64
					var all sync.WaitGroup
					text := parley.Text(strings.Repeat("x", size))
					for range n {
						all.Go(func() {
							if err := c.Confirm(newContext(t), text); err != nil {
								t.Error(err)
							}
							// An answer may have to wait for the peer, and then what stands behind is read.
							if want, have := confirmed.Add(1), taken.Load(); !answers && have < want-1 { // the handler is being called with one, or tinyproto has confirmed its size
								t.Errorf("%d messages are confirmed, the handler has taken %d", want, have)
							}
						})
					}
					all.Wait()
				})
			}
		}
	}
}

// While the handler of a message waits for its context only, what others send leaves
// and is confirmed, and a peer that does not confirm is given up.
//
// Verifies: RUNTIME-43
func TestSendBesideAHandlerThatWaitsForItsContext(t *testing.T) {
	for _, p := range confirming() {
		bubble(t, label(p), func(t *testing.T) {
			life := newLife()
			srv := &parley.Server{Protocol: p, Hooks: life.hooks(), Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
				<-ctx.Done()
				return context.Cause(ctx)
			})}
			d := &parley.Dialer{Protocol: p}
			c, _ := parleytest.Pipe(t, srv, d)
			subscribed := life.conn(t)
			if err := c.Send(t.Context(), parley.Text("subscribe")); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			for _, size := range []int{10, 100_000} {
				for range 5 {
					text := strings.Repeat("y", size)
					start := time.Now()
					if n, err := srv.Broadcast(parley.Text(text)); n != 1 {
						t.Fatalf("sent to %d, %v", n, err)
					}
					expect(t, c, text)
					if err := subscribed.Confirm(t.Context(), parley.Text("also")); err != nil {
						t.Fatal(err)
					}
					expect(t, c, "also")
					if d := time.Since(start); d > time.Second {
						t.Errorf("it has taken %v", d)
					}
				}
			}
			if err := c.TrySend(parley.Text("behind it")); err != nil { // for a handler that never comes to it
				t.Fatal(err)
			}
			srv.Broadcast(parley.Text("the last one"))
			expect(t, c, "the last one")
			c.CloseNow()
			life.reason(t)
		})
	}
	t.Run("silent", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			life := newLife()
			srv := &parley.Server{Protocol: tinyproto.Protocol{}, Hooks: life.hooks(), Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
				<-ctx.Done()
				return context.Cause(ctx)
			})}
			net := parleytest.NewNetwork(t)
			net.Serve(srv, "server:1")
			peer, err := net.Dial(t.Context(), "tcp", "server:1")
			if err != nil {
				t.Fatal(err)
			}
			defer peer.Close()
			go io.Copy(io.Discard, peer)
			go fmt.Fprint(peer, tinyHello, tiny("subscribe"), tiny("and"))
			c := life.conn(t)
			synctest.Wait()
			start := time.Now()
			if err := c.Send(t.Context(), parley.Text("x")); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			if err := life.reason(t); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) > 40*time.Second {
				t.Errorf("%v after %v", err, time.Since(start))
			}
		})
	})
}
