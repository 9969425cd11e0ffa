package parley_test

// What the program hears: OnOpen, OnClose and OnTick.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

// Verifies: RUNTIME-27
func TestOnOpenRefuses(t *testing.T) {
	boom := errors.New("not you")
	each(t, all, func(t *testing.T, p parley.Protocol, pipe bool) {
		ended := make(chan error, 10)
		srv := &parley.Server{Protocol: p, Handler: parley.HandlerFunc(func(context.Context, *parley.Conn, parley.Message) error {
			t.Error("a message of a refused connection reached the handler")
			return nil
		})}
		srv.Hooks.OnOpen = func(context.Context, *parley.Conn) error { return boom }
		srv.Hooks.OnClose = func(_ *parley.Conn, err error) { ended <- err }
		srv.Timeouts.Linger = 10 * time.Millisecond
		var c *parley.Conn
		d := &parley.Dialer{Protocol: p}
		if pipe {
			l := newMemory()
			serve(t, srv, l)
			c, _ = d.NewConn(t.Context(), l.dial(t).Conn)
		} else {
			c, _ = d.Dial(newContext(t), newServer(t, srv))
		}
		if c != nil { // the wire's own greeting may have been exchanged before
			defer c.CloseNow()
			c.Send(newContext(t), parley.Text("x"))
			if _, err := c.Receive(newContext(t)); err == nil {
				t.Error("a refused client got an answer")
			}
		}
		if err := next(t, ended, "OnClose did not run"); err != boom {
			t.Errorf("OnClose: %v, want the hook's error", err)
		}
		if srv.Stats().Open > 0 {
			srv.Shutdown(newContext(t))
		}
		if len(ended) > 0 {
			t.Error("OnClose ran twice")
		}
	})
	t.Run("dialler", func(t *testing.T) {
		addr := newServer(t, &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(echo)})
		ended := make(chan error, 10)
		d := &parley.Dialer{Protocol: tinyproto.Protocol{}, Hooks: parley.Hooks{
			OnOpen:  func(context.Context, *parley.Conn) error { return boom },
			OnClose: func(_ *parley.Conn, err error) { ended <- err }}}
		if _, err := d.Dial(newContext(t), addr); err != boom {
			t.Errorf("Dial: %v, want the hook's error", err)
		}
		if err := next(t, ended, "OnClose did not run"); err != boom {
			t.Errorf("OnClose: %v, want the hook's error", err)
		}
	})
}

// OnOpen runs before the first message, also if that is there already, and may
// talk with the peer.
//
// Verifies: RUNTIME-27, RUNTIME-25
func TestOnOpenTalks(t *testing.T) {
	for _, f := range forms {
		if f.protocol.Traits().Lockstep {
			continue
		}
		for _, pull := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/pull=%v", label(f.protocol), pull), func(t *testing.T) {
				var mu sync.Mutex
				var events []string
				note := func(s string) { mu.Lock(); events = append(events, s); mu.Unlock() }
				done := make(chan struct{})
				srv := &parley.Server{Protocol: f.protocol, Pull: pull}
				if !pull {
					srv.Handler = parley.HandlerFunc(func(_ context.Context, _ *parley.Conn, m parley.Message) error {
						note(m.Text())
						if m.Text() == "last" {
							close(done)
						}
						return nil
					})
				}
				srv.Hooks.OnOpen = func(ctx context.Context, c *parley.Conn) error {
					note("open")
					m, err := c.Receive(ctx)
					note("the name is " + m.Text())
					return err
				}
				peer := bareDial(t, newServer(t, srv))
				peer.say(f.hello + f.text("ann", "first", "second", "last"))
				if pull {
					s, err := srv.Accept(newContext(t))
					if err != nil {
						t.Fatal(err)
					}
					for range 3 {
						m, err := s.Receive(newContext(t))
						if err != nil {
							t.Fatal(err)
						}
						note(m.Text())
					}
				} else {
					next(t, done, "the last message was not served")
				}
				mu.Lock()
				defer mu.Unlock()
				if got, want := strings.Join(events, ", "), "open, the name is ann, first, second, last"; got != want {
					t.Errorf("got %s, want %s", got, want)
				}
			})
		}
	}
}

// OnClose runs once, with the reason, however a connection ends.
//
// Verifies: RUNTIME-27, RUNTIME-34, RUNTIME-44, ONELINE-25
func TestOnCloseReasons(t *testing.T) {
	boom := errors.New("boom")
	endings := []struct {
		name string
		end  func(c *parley.Conn, srv *parley.Server, peer *bare, text func(...string) string) // c is the server's end
		want func(error) bool
	}{
		{"the peer closes", func(_ *parley.Conn, _ *parley.Server, peer *bare, _ func(...string) string) { peer.Close() }, is(parley.ErrPeerClosed)},
		{"the peer resets", func(_ *parley.Conn, _ *parley.Server, peer *bare, _ func(...string) string) { peer.reset() }, is(syscall.ECONNRESET)},
		{"Close", func(c *parley.Conn, _ *parley.Server, peer *bare, _ func(...string) string) {
			go c.Close()
			io.Copy(io.Discard, peer)
			peer.Close()
		}, is(parley.ErrClosed)},
		{"CloseNow", func(c *parley.Conn, _ *parley.Server, _ *bare, _ func(...string) string) { c.CloseNow() }, is(parley.ErrClosed)},
		{"Server.Close", func(_ *parley.Conn, srv *parley.Server, _ *bare, _ func(...string) string) { srv.Close() }, is(parley.ErrServerClosed)},
		{"Shutdown", func(_ *parley.Conn, srv *parley.Server, peer *bare, _ func(...string) string) {
			go srv.Shutdown(context.Background())
			io.Copy(io.Discard, peer)
			peer.Close()
		}, is(parley.ErrServerClosed)},
		{"the handler's error", func(_ *parley.Conn, _ *parley.Server, peer *bare, text func(...string) string) {
			peer.say(text("boom"))
			io.Copy(io.Discard, peer)
			peer.Close()
		}, is(boom)},
		{"the handler's panic", func(_ *parley.Conn, _ *parley.Server, peer *bare, text func(...string) string) {
			peer.say(text("panic"))
			io.Copy(io.Discard, peer)
			peer.Close()
		},
			func(err error) bool { return strings.Contains(err.Error(), "panic while serving 127.0.0.1") }},
		{"the peer is cut off", func(_ *parley.Conn, _ *parley.Server, peer *bare, text func(...string) string) {
			m := text("message")
			peer.say(m[:len(m)-1])
			peer.closeWrite()
			io.Copy(io.Discard, peer)
		}, is(io.ErrUnexpectedEOF)},
	}
	for _, f := range forms {
		for _, e := range endings {
			t.Run(label(f.protocol)+"/"+e.name, func(t *testing.T) {
				life := newLife()
				srv := &parley.Server{Protocol: f.protocol, Hooks: life.hooks(), Handler: parley.HandlerFunc(func(_ context.Context, _ *parley.Conn, m parley.Message) error {
					switch m.Text() {
					case "boom":
						return boom
					case "panic":
						panic("in the handler")
					}
					return nil
				})}
				peer := bareDial(t, newServer(t, srv))
				peer.say(f.hello)
				c := life.conn(t)
				if len(f.hello) > 0 {
					io.ReadFull(peer, make([]byte, map[string]int{"oneline": 5, "tinyproto": 1}[f.protocol.Name()]))
				}
				e.end(c, srv, peer, f.text)
				err := life.reason(t)
				if f.protocol.Name() == "line" && e.name == "the peer is cut off" {
					e.want = is(parley.ErrPeerClosed) // there the end of the stream ends a message
				}
				if !e.want(err) {
					t.Errorf("OnClose: %v", err)
				}
				<-c.Done()
				if c.Err() != err {
					t.Errorf("Err is %v, OnClose got %v", c.Err(), err)
				}
				if err := c.Send(newContext(t), parley.Text("x")); !errors.Is(err, c.Err()) {
					t.Errorf("Send: %v, want %v", err, c.Err())
				}
				if _, err := c.Receive(newContext(t)); !errors.Is(err, c.Err()) {
					t.Errorf("Receive: %v, want %v", err, c.Err())
				}
				if c.Context().Err() == nil {
					t.Error("its context lives")
				}
				if len(life.ended) > 0 {
					t.Error("OnClose ran twice")
				}
			})
		}
	}
}

func is(want error) func(error) bool { return func(err error) bool { return errors.Is(err, want) } }

// Verifies: RUNTIME-28
func TestOnTick(t *testing.T) {
	for _, interval := range []time.Duration{0, 10 * time.Second} {
		bubble(t, interval.String(), func(t *testing.T) {
			want := interval
			if want == 0 {
				want = time.Second
			}
			var mu sync.Mutex
			var ticks []time.Time
			var running atomic.Int64
			srv := &parley.Server{Protocol: serpy2.Protocol{}, Handler: parley.HandlerFunc(echo)}
			srv.TickInterval = interval
			srv.OnTick = func(_ context.Context, s *parley.Server) {
				if s != srv || running.Add(1) != 1 {
					t.Error("two at a time")
				}
				mu.Lock()
				ticks = append(ticks, time.Now())
				mu.Unlock()
				running.Add(-1)
			}
			start := time.Now()
			serve(t, srv, newMemory())
			serve(t, srv, newMemory()) // Serve may be called again
			time.Sleep(10*want + want/2)
			srv.Close()
			time.Sleep(10 * want)
			mu.Lock()
			defer mu.Unlock()
			if len(ticks) != 10 {
				t.Errorf("%d ticks, want 10", len(ticks))
			}
			for i, at := range ticks {
				if at.Sub(start) != time.Duration(i+1)*want {
					t.Errorf("tick %d came after %v", i, at.Sub(start))
				}
			}
		})
	}
	bubble(t, "its context", func(t *testing.T) {
		srv := &parley.Server{Protocol: serpy2.Protocol{}, Handler: parley.HandlerFunc(echo)}
		srv.OnTick = func(ctx context.Context, _ *parley.Server) { <-ctx.Done() }
		serve(t, srv, newMemory())
		time.Sleep(time.Minute)
		if err := srv.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
	bubble(t, "it ends the server", func(t *testing.T) {
		srv := &parley.Server{Protocol: serpy2.Protocol{}, Handler: parley.HandlerFunc(echo)}
		shutdown := make(chan error, 1)
		srv.OnTick = func(_ context.Context, s *parley.Server) {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			shutdown <- s.Shutdown(ctx)
		}
		serve(t, srv, newMemory())
		if err := <-shutdown; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown, which waits for its caller: %v", err)
		}
	})
}
