package parley_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

// One message of a connection after the other, in order; connections do not
// wait for each other.
//
// Verifies: RUNTIME-24
func TestHandlerOrder(t *testing.T) {
	for _, p := range symmetric {
		t.Run(label(p), func(t *testing.T) {
			const clients, messages = 4, 500
			var together sync.WaitGroup // all connections are in their handlers at once
			together.Add(clients)
			srv := &parley.Server{Protocol: p}
			srv.Handler = parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
				n := count.Get(c)
				count.Set(c, n+1)
				if n == 0 {
					together.Done()
					together.Wait()
				}
				if m.Text() != fmt.Sprint(n) {
					return fmt.Errorf("message %v came, want %d", m, n)
				}
				if n%100 == 50 { // sometimes another goroutine reads meanwhile
					if err := c.Send(ctx, parley.Bytes(make([]byte, 70_000))); err != nil {
						return err
					}
				}
				return c.Send(ctx, parley.Text(m.Text()))
			})
			addr := newServer(t, srv)
			var wg sync.WaitGroup
			for range clients {
				c, err := parley.Dial(newContext(t), p, addr)
				if err != nil {
					t.Fatal(err)
				}
				defer c.CloseNow()
				wg.Go(func() {
					for i := range messages {
						if err := c.Send(newContext(t), parley.Text(fmt.Sprint(i))); err != nil {
							t.Error(err)
							return
						}
					}
				})
				wg.Go(func() {
					for i := range messages {
						m, err := c.Receive(newContext(t))
						if err == nil && m.Len() == 70_000 {
							m, err = c.Receive(newContext(t))
						}
						if err != nil || m.Text() != fmt.Sprint(i) {
							t.Errorf("got %v, %v, want %d", m, err, i)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}

// A handler borrows its message until it returns, whatever it waits for, and
// may keep a Clone.
//
// Verifies: RUNTIME-24
func TestHandlerBorrows(t *testing.T) {
	for _, p := range symmetric {
		for _, size := range []int{10, 5000, 100_000} {
			t.Run(fmt.Sprintf("%s/%d", label(p), size), func(t *testing.T) {
				var kept []parley.Message
				content := func(i int) string { return strings.Repeat(string(rune('a'+i%26)), size) }
				i := 0
				done := make(chan error, 1)
				srv := &parley.Server{Protocol: p}
				srv.Handler = parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) (err error) {
					if i == 20 {
						return nil
					}
					kept = append(kept, m.Clone())
					if i%3 == 0 { // others come meanwhile
						if err = c.Send(ctx, parley.Bytes(make([]byte, 200_000))); err != nil {
							return err
						}
					}
					if m.Text() != content(i) {
						err = fmt.Errorf("message %d changed while the handler had it", i)
					}
					if i++; i == 20 || err != nil {
						done <- err
					}
					return err
				})
				c, err := parley.Dial(newContext(t), p, newServer(t, srv))
				if err != nil {
					t.Fatal(err)
				}
				defer c.CloseNow()
				go func() {
					for range c.Messages(newContext(t)) {
					}
				}()
				for n := range 20 {
					if err := c.Send(newContext(t), parley.Text(content(n))); err != nil {
						t.Fatal(err)
					}
				}
				if err := next(t, done, "the handler did not get all"); err != nil {
					t.Error(err)
				}
				for n, m := range kept {
					if m.Text() != content(n) {
						t.Errorf("clone %d has changed", n)
					}
				}
			})
		}
	}
}

// Whatever a handler does, its connection goes on: it may send more than the
// sockets and queues hold while its client sends too.
//
// Verifies: RUNTIME-25
func TestHandlerSendsAnyAmount(t *testing.T) {
	each(t, symmetric, func(t *testing.T, p parley.Protocol, pipe bool) {
		const size = 100_000
		requests, answers := 20, 100
		if raceEnabled {
			requests, answers = 4, 30 // still more than all buffers on the way hold
		}
		srv := &parley.Server{Protocol: p, Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			for range answers {
				if err := c.Send(ctx, parley.Bytes(make([]byte, size))); err != nil {
					return err
				}
			}
			return nil
		})}
		c := connect(t, pipe, srv, &parley.Dialer{})
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() {
			for range requests {
				if err := c.Send(newContext(t), parley.Bytes(make([]byte, size))); err != nil {
					t.Error(err)
				}
			}
		})
		for i := range answers * requests {
			if m, err := c.Receive(newContext(t)); err != nil || m.Len() != size {
				t.Fatalf("answer %d: %v, %v", i, m, err)
			}
		}
	})
}

// Another goroutine's wait makes somebody read while the handler blocks.
//
// Verifies: RUNTIME-25
func TestOthersWaitWhileTheHandlerBlocks(t *testing.T) {
	each(t, symmetric, func(t *testing.T, p parley.Protocol, pipe bool) {
		blocked, release := make(chan struct{}), make(chan struct{})
		life := newLife()
		srv := &parley.Server{Protocol: p, Hooks: life.hooks(), Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			close(blocked)
			<-release
			return c.Send(ctx, parley.Text("released"))
		})}
		c := connect(t, pipe, srv, &parley.Dialer{})
		s := life.conn(t)
		ctx := newContext(t)
		if err := c.Send(ctx, parley.Text("block")); err != nil {
			t.Fatal(err)
		}
		<-blocked
		for range 3 {
			called := make(chan error, 1)
			go func() {
				m, err := s.Call(ctx, parley.Text("question"))
				if err == nil && m.Text() != "answer" {
					err = fmt.Errorf("got %v", m)
				}
				called <- err
			}()
			expect(t, c, "question")
			if err := c.Send(ctx, parley.Text("answer")); err != nil {
				t.Fatal(err)
			}
			if err := next(t, called, "Call did not return"); err != nil {
				t.Error(err)
			}
		}
		close(release)
		expect(t, c, "released")
	})
}

// The methods of a connection may be called from anywhere at any time. (What
// this test finds is for the race detector.)
//
// Verifies: RUNTIME-33, RUNTIME-34, RUNTIME-50
func TestConcurrentUse(t *testing.T) {
	each(t, symmetric, func(t *testing.T, p parley.Protocol, pipe bool) {
		rounds := 10
		if raceEnabled {
			rounds = 4
		}
		for round := range rounds {
			life := newLife()
			srv := &parley.Server{Protocol: p, Hooks: life.hooks(), Handler: parley.HandlerFunc(echo)}
			c := connect(t, pipe, srv, &parley.Dialer{})
			ctx := newContext(t)
			var wg sync.WaitGroup
			var calls atomic.Int64
			for range 3 {
				wg.Go(func() {
					for c.Send(ctx, parley.Text("x")) == nil {
					}
				})
				wg.Go(func() {
					for {
						if _, err := c.Receive(ctx); err != nil {
							return
						}
						calls.Add(1)
					}
				})
				wg.Go(func() {
					for c.Err() == nil {
						c.Stats()
						c.Buffered()
						count.Set(c, count.Get(c))
						srv.Stats()
						srv.Broadcast(parley.Text("y"))
					}
				})
			}
			s := life.conn(t)
			for calls.Load() < 100 {
				c.Call(ctx, parley.Text("z"))
			}
			for range 2 { // each end, both ways, twice
				wg.Go(func() {
					if err := c.Close(); err != nil && round%2 == 0 && !errors.Is(err, parley.ErrClosed) {
						var lost *parley.ConnError
						if !errors.As(err, &lost) && !errors.Is(err, io.ErrUnexpectedEOF) { // what a cut is on a socket, and on a pipe
							t.Errorf("Close: %v", err)
						}
					}
				})
				wg.Go(func() {
					if round%2 == 0 {
						s.CloseNow()
					} else {
						s.Close()
					}
				})
			}
			within(t, "a method", wg.Wait)
			<-c.Done()
			<-s.Done()
			if len(life.ended) != 1 {
				t.Errorf("OnClose ran %d times", len(life.ended))
			}
		}
	})
}

// What a handler does to another connection's message is its own business: two
// connections that relay to each other do not deadlock.
//
// Verifies: RUNTIME-25
func TestRelay(t *testing.T) {
	for _, p := range []parley.Protocol{tinyproto.Protocol{}, tinyproto.Protocol{Eager: tinyproto.Never}, serpy2.Protocol{}} {
		t.Run(label(p), func(t *testing.T) {
			srv := &parley.Server{Protocol: p}
			life := newLife()
			srv.Hooks = life.hooks()
			srv.Handler = parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
				for _, other := range srv.Conns() {
					if other != c {
						if err := other.Send(ctx, m); err != nil {
							return err
						}
					}
				}
				return nil
			})
			addr := newServer(t, srv)
			var wg sync.WaitGroup
			const messages = 300
			var conns []*parley.Conn
			for range 2 {
				c, err := parley.Dial(newContext(t), p, addr)
				if err != nil {
					t.Fatal(err)
				}
				defer c.CloseNow()
				life.conn(t)
				conns = append(conns, c)
			}
			for _, c := range conns {
				wg.Go(func() {
					for range messages {
						if err := c.Send(newContext(t), parley.Bytes(make([]byte, 50_000))); err != nil {
							t.Error(err)
							return
						}
					}
				})
				wg.Go(func() {
					for i := range messages {
						if m, err := c.Receive(newContext(t)); err != nil || m.Len() != 50_000 {
							t.Errorf("message %d: %v, %v", i, m, err)
							return
						}
					}
				})
			}
			wg.Wait()
		})
	}
}
