package parley_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/tinyproto"
)

// Verifies: RUNTIME-01, RUNTIME-02
func TestCall(t *testing.T) {
	each(t, all, func(t *testing.T, p parley.Protocol, pipe bool) {
		c := connect(t, pipe, &parley.Server{Protocol: p, Handler: parley.HandlerFunc(echo)}, &parley.Dialer{})
		ctx := newContext(t)
		for i := range 200 {
			want := strings.Repeat("x", i)
			m, err := c.Call(ctx, parley.Text(want))
			if err != nil || m.Text() != want {
				t.Fatalf("call %d: %v, %v", i, m, err)
			}
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		if err := c.Send(ctx, parley.Text("late")); !errors.Is(err, parley.ErrClosed) {
			t.Errorf("Send after Close: %v, want ErrClosed", err)
		}
		<-c.Done()
	})
}

// Verifies: RUNTIME-16, RUNTIME-19
func TestPullOrder(t *testing.T) {
	each(t, all, func(t *testing.T, p parley.Protocol, pipe bool) {
		c := connect(t, pipe, &parley.Server{Protocol: p, Handler: parley.HandlerFunc(echo)}, &parley.Dialer{})
		ctx := newContext(t)
		const n = 5000
		go func() {
			for i := range n {
				if err := c.Send(ctx, parley.Text(fmt.Sprint(i))); err != nil {
					t.Error(err)
					return
				}
			}
		}()
		i := 0
		for m, err := range c.Messages(ctx) {
			if err != nil || m.Text() != fmt.Sprint(i) {
				t.Fatalf("message %d: %v, %v", i, m, err)
			}
			if i++; i == n {
				break
			}
		}
	})
}

// A receive that times out takes nothing: half a message stays where it is.
//
// Verifies: RUNTIME-20
func TestReceiveTimeout(t *testing.T) {
	each(t, all, func(t *testing.T, p parley.Protocol, pipe bool) {
		answer := make(chan struct{})
		slow := func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			<-answer
			return c.Send(ctx, m)
		}
		c := connect(t, pipe, &parley.Server{Protocol: p, Handler: parley.HandlerFunc(slow)}, &parley.Dialer{})
		ctx := newContext(t)
		short, cancel := context.WithTimeout(ctx, time.Millisecond)
		defer cancel()
		if _, err := c.Receive(short); !errors.Is(err, os.ErrDeadlineExceeded) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("timeout: %v", err)
		}
		if err := c.Send(ctx, parley.Text("a")); err != nil {
			t.Fatal(err)
		}
		stop, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := c.Receive(stop); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		close(answer)
		if m, err := c.Receive(ctx); err != nil || m.Text() != "a" {
			t.Errorf("after the timeouts: %v, %v", m, err)
		}
	})
}

// A handler may Confirm, Call and send any amount on its own connection.
//
// Verifies: RUNTIME-25
func TestHandlerWaitsForItsOwnConnection(t *testing.T) {
	for i, p := range symmetric {
		for _, pipe := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d-%s-%v", i, p.Name(), pipe), func(t *testing.T) {
				big, many := strings.Repeat("b", 300_000), 100
				if raceEnabled {
					many = 10
				}
				handler := func(ctx context.Context, c *parley.Conn, m parley.Message) error {
					if m.Text() != "go" {
						return fmt.Errorf("the handler got %v, which was the answer to its question", m)
					}
					if p.Traits().Confirms {
						if err := c.Confirm(ctx, parley.Text("confirmed")); err != nil {
							return err
						}
					} else if err := c.Send(ctx, parley.Text("confirmed")); err != nil {
						return err
					}
					answer, err := c.Call(ctx, parley.Text("question"))
					if err != nil {
						return err
					}
					if m.Text() != "go" {
						return errors.New("the borrowed message changed while the handler waited")
					}
					for range many {
						if err := c.Send(ctx, parley.Text(big)); err != nil {
							return err
						}
					}
					return c.Send(ctx, parley.Text("got "+answer.Text()))
				}
				c := connect(t, pipe, &parley.Server{Protocol: p, Handler: parley.HandlerFunc(handler)}, &parley.Dialer{Limits: parley.Limits{MaxInput: 64 << 20}})
				ctx := newContext(t)
				for range 3 {
					if err := c.Send(ctx, parley.Text("go")); err != nil {
						t.Fatal(err)
					}
					expect(t, c, "confirmed")
					expect(t, c, "question")
					if err := c.Send(ctx, parley.Text("answer")); err != nil {
						t.Fatal(err)
					}
					for range many {
						expect(t, c, big)
					}
					expect(t, c, "got answer")
				}
			})
		}
	}
}

// Concurrent calls get their answers in the order of their questions.
//
// Verifies: RUNTIME-18
func TestConcurrentCalls(t *testing.T) {
	each(t, all, func(t *testing.T, p parley.Protocol, pipe bool) {
		c := connect(t, pipe, &parley.Server{Protocol: p, Handler: parley.HandlerFunc(echo)}, &parley.Dialer{})
		ctx := newContext(t)
		var wg sync.WaitGroup
		for g := range 20 {
			wg.Go(func() {
				for i := range 50 {
					want := fmt.Sprintf("%d/%d", g, i)
					if m, err := c.Call(ctx, parley.Text(want)); err != nil || m.Text() != want {
						t.Errorf("got %v, %v, want %s", m, err, want)
						return
					}
				}
			})
		}
		wg.Wait()
	})
}

// Verifies: RUNTIME-17
func TestConfirm(t *testing.T) {
	each(t, all, func(t *testing.T, p parley.Protocol, pipe bool) {
		c := connect(t, pipe, &parley.Server{Protocol: p, Handler: parley.HandlerFunc(discard)}, &parley.Dialer{})
		ctx := newContext(t)
		if !p.Traits().Confirms {
			if err := c.Confirm(ctx, parley.Text("x")); err != parley.ErrNoConfirmation {
				t.Errorf("Confirm: %v, want ErrNoConfirmation", err)
			}
			return
		}
		for _, n := range []int{0, 1, 70_000, 1 << 20} {
			if err := c.Confirm(ctx, parley.Bytes(make([]byte, n))); err != nil {
				t.Fatalf("%d bytes: %v", n, err)
			}
		}
		if s := c.Stats(); s.Confirmed != 4 || s.MessagesOut != 4 {
			t.Errorf("stats: %+v", s)
		}
	})
}

// What was received before the peer closed is delivered before its end.
//
// Verifies: RUNTIME-35
func TestEverythingBeforeTheEnd(t *testing.T) {
	each(t, symmetric, func(t *testing.T, p parley.Protocol, pipe bool) {
		srv := &parley.Server{Protocol: p, Pull: true}
		c := connect(t, pipe, srv, &parley.Dialer{})
		ctx := newContext(t)
		for i := range 100 {
			if err := c.Send(ctx, parley.Text(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		s, err := srv.Accept(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 100 {
			expect(t, s, fmt.Sprint(i))
		}
		if _, err := s.Receive(ctx); !errors.Is(err, parley.ErrPeerClosed) {
			t.Errorf("at the end: %v, want ErrPeerClosed", err)
		}
	})
}

// A handler's panic or error ends its own connection only.
//
// Verifies: RUNTIME-26, RUNTIME-27
func TestHandlerFails(t *testing.T) {
	each(t, symmetric, func(t *testing.T, p parley.Protocol, pipe bool) {
		reasons := make(chan error, 10)
		boom := errors.New("boom")
		handler := func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			if m.Text() == "panic" {
				panic("in the handler")
			}
			return boom
		}
		srv := &parley.Server{Protocol: p, Handler: parley.HandlerFunc(handler),
			Hooks: parley.Hooks{OnClose: func(c *parley.Conn, err error) { reasons <- err }}}
		c := connect(t, pipe, srv, &parley.Dialer{})
		ctx := newContext(t)
		c.Send(ctx, parley.Text("error"))
		if _, err := c.Receive(ctx); !errors.Is(err, parley.ErrPeerClosed) {
			t.Errorf("the peer saw %v", err)
		}
		if err := <-reasons; err != boom {
			t.Errorf("OnClose: %v, want the handler's error", err)
		}
		if pipe {
			return
		}
		c, err := parley.Dial(ctx, p, srv.Addrs()[0].String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		c.Send(ctx, parley.Text("panic"))
		if err := <-reasons; !strings.Contains(err.Error(), "panic while serving 127.0.0.1") {
			t.Errorf("OnClose: %v, want the panic", err)
		}
	})
}

// Whoever sees that a connection's context is done finds why: package context relies on
// it, and panics otherwise.
func TestContextEndsWithItsError(t *testing.T) {
	addr := newServer(t, &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(
		func(context.Context, *parley.Conn, parley.Message) error { return nil })})
	for range 300 {
		c, err := parley.Dial(newContext(t), tinyproto.Protocol{}, addr)
		if err != nil {
			t.Fatal(err)
		}
		seen := make(chan error)
		for range 4 {
			go func() {
				<-c.Context().Done()
				seen <- c.Context().Err()
			}()
		}
		runtime.Gosched()
		c.CloseNow()
		for range 4 {
			if err := <-seen; err == nil {
				t.Fatal("the context is done and has no error")
			}
		}
	}
}

// Who prints a connection, also one that works or has ended, gets its wire and the peer's
// address, and nothing of what is inside.
func TestConnString(t *testing.T) {
	each(t, all, func(t *testing.T, p parley.Protocol, pipe bool) {
		c := connect(t, pipe, &parley.Server{Protocol: p, Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			return c.Send(ctx, parley.Text(fmt.Sprint(c)))
		})}, &parley.Dialer{})
		m, err := c.Call(newContext(t), parley.Text("who?"))
		if err != nil || !strings.HasPrefix(m.Text(), p.Name()+" ") {
			t.Errorf("the server's: %v, %v", m, err)
		}
		want := p.Name() + " " + c.RemoteAddr().String()
		c.CloseNow()
		if got := fmt.Sprintf("%v, %+v", c, c); got != want+", "+want {
			t.Errorf("ours: %q, want %q twice", got, want)
		}
	})
}
