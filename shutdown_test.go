package parley_test

// How a server ends: Shutdown, Close, and a client that asks for it.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/wire"
)

// Connections at rest are closed at once.
//
// Verifies: RUNTIME-32
func TestShutdownOfIdleConnections(t *testing.T) {
	for _, f := range forms {
		bubble(t, label(f.protocol), func(t *testing.T) {
			srv := &parley.Server{Protocol: f.protocol, Handler: parley.HandlerFunc(echo)}
			c := connect(t, true, srv, &parley.Dialer{})
			if _, err := c.Call(t.Context(), parley.Text("x")); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			if err := srv.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			if took := time.Since(start); took > time.Second {
				t.Errorf("it took %v", took)
			}
			if _, err := c.Receive(t.Context()); !errors.Is(err, parley.ErrPeerClosed) {
				t.Errorf("the client: %v, want ErrPeerClosed", err)
			}
		})
	}
}

// A client that has said nothing yet does not hold a shutdown up.
//
// Verifies: RUNTIME-32
func TestShutdownBeforeTheHandshake(t *testing.T) {
	for _, f := range forms {
		bubble(t, label(f.protocol), func(t *testing.T) {
			l := newMemory()
			srv := &parley.Server{Protocol: f.protocol, Handler: parley.HandlerFunc(echo)}
			serve(t, srv, l)
			peer := l.dial(t)
			go io.Copy(io.Discard, peer)
			synctest.Wait()
			if err := srv.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// handlerWaits are what a handler may wait in until late ends, and whether a protocol has it.
var handlerWaits = []struct {
	name string
	wait func(late context.Context, c *parley.Conn)
	has  func(wire.Traits) bool
}{
	{"sleeps", func(late context.Context, _ *parley.Conn) { <-late.Done() },
		func(wire.Traits) bool { return true }},
	{"receives", func(late context.Context, c *parley.Conn) {
		c.Receive(late) // takes the second message
		c.Receive(late)
	}, func(t wire.Traits) bool { return !t.Lockstep }},
	{"confirms", func(late context.Context, c *parley.Conn) { c.Confirm(late, parley.Text("x")) },
		func(t wire.Traits) bool { return !t.Lockstep && t.Confirms }},
	{"sends", func(late context.Context, c *parley.Conn) {
		go c.Confirm(late, parley.Text("x")) // it makes another goroutine read
		<-late.Done()
	}, func(t wire.Traits) bool { return !t.Lockstep && t.Confirms }},
}

// Shutdown waits for a handler that is at work, and for the messages behind it:
// all are answered.
//
// Verifies: RUNTIME-32
func TestShutdownWaitsForHandlers(t *testing.T) {
	for _, f := range forms {
		for _, w := range handlerWaits {
			if !w.has(f.protocol.Traits()) {
				continue
			}
			bubble(t, label(f.protocol)+"/a handler "+w.name, func(t *testing.T) {
				srv := &parley.Server{Protocol: f.protocol, Timeouts: parley.Timeouts{Answer: -1}, Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
					if m.Text() == "1" { // it ends by itself, some time after Shutdown has begun
						late, cancel := context.WithTimeout(ctx, time.Minute)
						defer cancel()
						w.wait(late, c)
					}
					return c.Send(ctx, parley.Text("answer to "+m.Text()))
				})}
				l := newMemory()
				serve(t, srv, l)
				peer := l.dial(t)
				heard := listen(peer)
				peer.say(f.hello + f.text("1", "2"))
				synctest.Wait()
				if label(f.protocol) == "tinyproto-never" {
					shutdownInVain(t, srv) // its answers are never granted
					return
				}
				start := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				err := srv.Shutdown(ctx)
				if took := time.Since(start); err != nil || took < 55*time.Second || took > 70*time.Second {
					t.Errorf("Shutdown: %v, after %v", err, took)
				}
				synctest.Wait() // the peer may not have read the last one yet
				for _, want := range []string{"1", "2"} {
					if w.name == "receives" && want == "2" {
						continue
					}
					if !strings.Contains(heard(), "answer to "+want) {
						t.Errorf("no answer to %s in %q", want, heard())
					}
				}
			})
		}
	}
}

// listen reads all that comes from peer; the function tells what that was so far.
func listen(peer *bare) func() string {
	var mu sync.Mutex
	var heard bytes.Buffer
	go func() {
		p := make([]byte, 1000)
		for {
			n, err := peer.Read(p)
			mu.Lock()
			heard.Write(p[:n])
			mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return func() string {
		mu.Lock()
		defer mu.Unlock()
		return heard.String()
	}
}

// shutdownInVain shuts srv down with a context that has ended already.
func shutdownInVain(t *testing.T, srv *parley.Server) {
	t.Helper()
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	start := time.Now()
	if err := srv.Shutdown(ended); !errors.Is(err, context.Canceled) || time.Since(start) > 0 {
		t.Errorf("Shutdown: %v, after %v", err, time.Since(start))
	}
}

// Shutdown's context bounds it, whether the handlers look at theirs or not.
//
// Verifies: RUNTIME-32
func TestShutdownEndsWithItsContext(t *testing.T) {
	for _, stubborn := range []bool{false, true} { // a handler that looks at its context, one that does not
		bubble(t, fmt.Sprint(stubborn), func(t *testing.T) {
			release := make(chan struct{})
			srv := &parley.Server{Protocol: serpy2.Protocol{}, Handler: parley.HandlerFunc(func(ctx context.Context, _ *parley.Conn, _ parley.Message) error {
				if stubborn {
					<-release
				} else {
					<-ctx.Done()
				}
				return nil
			})}
			c := connect(t, true, srv, &parley.Dialer{})
			if err := c.Send(t.Context(), parley.Text("x")); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			start := time.Now()
			if err := srv.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Minute {
				t.Errorf("got %v after %v", err, time.Since(start))
			}
			close(release)
		})
	}
}

// A handler that shuts its own server down waits for itself, until its context ends.
//
// Verifies: RUNTIME-32
func TestShutdownFromAHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &parley.Server{Protocol: serpy2.Protocol{}}
		result := make(chan error, 1)
		srv.Handler = parley.HandlerFunc(func(_ context.Context, c *parley.Conn, m parley.Message) error {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			result <- srv.Shutdown(ctx)
			return nil
		})
		c := connect(t, true, srv, &parley.Dialer{})
		if err := c.Send(t.Context(), parley.Text("x")); err != nil {
			t.Fatal(err)
		}
		if err := <-result; !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Shutdown, which waits for its caller: %v", err)
		}
	})
}

// A server that pulls is waited for too: what has arrived is received and answered,
// and then nothing more is accepted.
//
// Verifies: RUNTIME-32
func TestShutdownWaitsForPulledMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &parley.Server{Protocol: serpy2.Protocol{}, Pull: true}
		c := connect(t, true, srv, &parley.Dialer{})
		s, err := srv.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := c.Send(t.Context(), parley.Text("x")); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		go func() {
			for m, err := range s.Messages(context.Background()) {
				if err != nil {
					if err != parley.ErrServerClosed {
						t.Errorf("at the end: %v, want ErrServerClosed", err)
					}
					return
				}
				time.Sleep(time.Minute) // it works on its answer
				if err := s.Send(context.Background(), m); err != nil {
					t.Errorf("the answer: %v", err)
				}
			}
		}()
		start := time.Now()
		if err := srv.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took < 2*time.Minute || took > 2*time.Minute+5*time.Second {
			t.Errorf("it took %v", took)
		}
		for range 2 {
			expect(t, c, "x")
		}
		if _, err := srv.Accept(t.Context()); err != parley.ErrServerClosed {
			t.Errorf("Accept: %v, want ErrServerClosed", err)
		}
	})
}

// A server that never ran can be shut down, as often as one likes, and serves nothing
// afterwards.
//
// Verifies: RUNTIME-32
func TestShutdownWithoutServing(t *testing.T) {
	srv := &parley.Server{Protocol: serpy2.Protocol{}, Handler: parley.HandlerFunc(echo)}
	for range 2 {
		if err := srv.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := srv.ListenAndServe("127.0.0.1:0"); err != parley.ErrServerClosed {
		t.Errorf("ListenAndServe: %v, want ErrServerClosed", err)
	}
	l := newMemory()
	if err := srv.Serve(l); err != parley.ErrServerClosed {
		t.Errorf("Serve: %v, want ErrServerClosed", err)
	}
	select {
	case <-l.closed:
	default:
		t.Error("the listener was left open")
	}
}

// Close of a server cuts everything, also what waits behind a busy handler.
//
// Verifies: RUNTIME-32, RUNTIME-50
func TestServerClose(t *testing.T) {
	for _, f := range forms {
		bubble(t, label(f.protocol), func(t *testing.T) {
			served := 0
			srv := &parley.Server{Protocol: f.protocol}
			busy := make(chan struct{})
			srv.Handler = parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
				if served++; served == 1 {
					go c.Call(ctx, parley.Text("x")) // it makes another goroutine read
					close(busy)
				}
				<-ctx.Done()
				return nil
			})
			l := newMemory()
			serve(t, srv, l)
			peer := l.dial(t)
			go io.Copy(io.Discard, peer)
			peer.say(f.hello + f.text(strings.Split(strings.Repeat("x", 100), "")...))
			<-busy
			synctest.Wait()
			srv.Close()
			synctest.Wait()
			if served > 1 && !f.protocol.Traits().Lockstep {
				t.Errorf("%d messages were served, %d of them behind the end", served, served-1)
			}
		})
	}
}
