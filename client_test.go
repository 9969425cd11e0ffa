package parley_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

// states notes a Client's states.
type states struct {
	mu  sync.Mutex
	all []parley.State
	ch  chan parley.State
}

func newStates() *states { return &states{ch: make(chan parley.State, 1000)} }

func (s *states) note(st parley.State, _ error) {
	s.mu.Lock()
	s.all = append(s.all, st)
	s.mu.Unlock()
	s.ch <- st
}

// wait waits for the next occurrence of a state.
func (s *states) wait(t *testing.T, want parley.State) {
	t.Helper()
	for next(t, s.ch, "the client did not become "+want.String()) != want {
	}
}

// A message given while there is no connection is sent on the next one.
//
// Verifies: RUNTIME-37, RUNTIME-38
func TestClientSendsLater(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	states := newStates()
	c := &parley.Client{Dialer: parley.Dialer{Protocol: tinyproto.Protocol{}}, Addr: addr, OnState: states.note, MaxBackoff: 10 * time.Millisecond}
	defer c.Close()
	ctx := newContext(t)
	called := make(chan error, 1)
	go func() {
		m, err := c.Call(ctx, parley.Text("patient"))
		if err == nil && m.Text() != "patient" {
			err = fmt.Errorf("got %v", m)
		}
		called <- err
	}()
	states.wait(t, parley.StateWaiting)
	short, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	err = c.Send(short, parley.Text("impatient"))
	if !errors.Is(err, os.ErrDeadlineExceeded) || !strings.Contains(err.Error(), "refused") {
		t.Errorf("got %v, want a timeout that says why there is no connection", err)
	}
	srv := &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(echo)}
	if err := srv.Listen(addr); err != nil {
		t.Skip("the port was taken meanwhile: ", err)
	}
	serve(t, srv)
	if err := next(t, called, "Call did not return"); err != nil {
		t.Error(err)
	}
	if n := srv.Stats().Total.MessagesIn; n != 1 {
		t.Errorf("%d messages arrived, want 1", n)
	}
}

// A message whose connection dies is sent again only if nothing of it can have
// arrived: every message arrives at most once, and one that was reported as
// confirmed has.
//
// Verifies: RUNTIME-38
func TestClientNeverResends(t *testing.T) {
	protocols := []parley.Protocol{tinyproto.Protocol{}, tinyproto.Protocol{Eager: tinyproto.Never}, serpy.Protocol{Mode: 1}}
	for _, p := range protocols {
		t.Run(label(p), func(t *testing.T) {
			var mu sync.Mutex
			arrived := make(map[string]int)
			var count atomic.Int64
			srv := &parley.Server{Protocol: p, Timeouts: parley.Timeouts{Linger: 10 * time.Millisecond}}
			srv.Handler = parley.HandlerFunc(func(_ context.Context, c *parley.Conn, m parley.Message) error {
				mu.Lock()
				arrived[m.Text()]++
				mu.Unlock()
				if count.Add(1)%7 == 0 {
					c.CloseNow()
				}
				return nil
			})
			c := &parley.Client{Dialer: parley.Dialer{Protocol: p}, Addr: newServer(t, srv), MinBackoff: time.Microsecond, MaxBackoff: time.Millisecond}
			defer c.Close()
			ctx := newContext(t)
			var confirmed, failed atomic.Int64
			var wg sync.WaitGroup
			for g := range 4 {
				wg.Go(func() {
					for i := range 100 {
						text := fmt.Sprintf("%d/%d %s", g, i, strings.Repeat("x", i*1000)) // up to 100 KB
						err := c.Confirm(ctx, parley.Text(text))
						switch {
						case err == nil:
							confirmed.Add(1)
							continue
						case ctx.Err() != nil:
							t.Error(err)
							return
						}
						failed.Add(1)
					}
				})
			}
			wg.Wait()
			mu.Lock()
			defer mu.Unlock()
			for text, n := range arrived {
				if n > 1 {
					t.Errorf("%.10q arrived %d times", text, n)
				}
			}
			if failed.Load() == 0 || confirmed.Load() == 0 {
				t.Errorf("%d were confirmed and %d failed: the test tests nothing", confirmed.Load(), failed.Load())
			}
		})
	}
}

// A message that has begun to leave is reported, not sent again.
//
// Verifies: RUNTIME-38
func TestClientReportsWhatHasBegun(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c := &parley.Client{Dialer: parley.Dialer{Protocol: serpy2.Protocol{}}, Addr: l.Addr().String(), MaxBackoff: time.Millisecond}
	defer c.Close()
	sent := make(chan error, 1)
	go func() { sent <- c.Send(newContext(t), parley.Bytes(make([]byte, 64<<20))) }()
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(nc, make([]byte, 100)); err != nil {
		t.Fatal(err)
	}
	nc.(*net.TCPConn).SetLinger(0)
	nc.Close()
	if err := next(t, sent, "Send did not return"); err == nil || !errors.As(err, new(*parley.ConnError)) {
		t.Errorf("got %v, want the connection's error", err)
	}
	nc, err = l.Accept() // it comes back, and says nothing by itself
	if err != nil {
		t.Fatal(err)
	}
	peer := newBare(t, nc)
	go c.Send(newContext(t), parley.Text("next"))
	peer.hear(serpy2Text("next"))
}

// What a lost connection had received is returned before what the next one
// receives.
//
// Verifies: RUNTIME-37, RUNTIME-35
func TestClientReceivesTheRest(t *testing.T) {
	for _, reset := range []bool{true, false} {
		t.Run(fmt.Sprintf("reset=%v", reset), func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			states := newStates()
			c := &parley.Client{Dialer: parley.Dialer{Protocol: serpy2.Protocol{}}, Addr: l.Addr().String(), OnState: states.note, MaxBackoff: time.Millisecond}
			defer c.Close()
			c.Start()
			ctx := newContext(t)
			nc, err := l.Accept()
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(nc, serpy2Text("zero", "one", "two"))
			if m, err := c.Receive(ctx); err != nil || m.Text() != "zero" {
				t.Fatalf("got %v, %v", m, err)
			}
			states.wait(t, parley.StateConnected)
			if reset {
				nc.(*net.TCPConn).SetLinger(0)
			}
			nc.Close()
			if reset { // otherwise the messages are received first
				states.wait(t, parley.StateConnected)
			}
			go func() {
				if nc, err := l.Accept(); err == nil {
					io.WriteString(nc, serpy2Text("three"))
					io.Copy(io.Discard, nc)
					nc.Close()
				}
			}()
			for _, want := range []string{"one", "two", "three"} {
				if m, err := c.Receive(ctx); err != nil || m.Text() != want {
					t.Fatalf("got %v, %v, want %s", m, err, want)
				}
			}
		})
	}
}

// Verifies: RUNTIME-37, RUNTIME-50
func TestClientClose(t *testing.T) {
	t.Run("never started", func(t *testing.T) {
		c := &parley.Client{Dialer: parley.Dialer{Protocol: serpy2.Protocol{}}, Addr: "127.0.0.1:1"}
		within(t, "Close", func() {
			for range 3 {
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			}
		})
		c.Start()
		if _, err := c.Conn(newContext(t)); err != parley.ErrClientClosed {
			t.Errorf("Conn: %v, want ErrClientClosed", err)
		}
	})
	t.Run("while it dials", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0") // nobody says hello
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		c := &parley.Client{Dialer: parley.Dialer{Protocol: tinyproto.Protocol{}}, Addr: l.Addr().String()}
		waited := make(chan error, 1)
		go func() { waited <- c.Send(newContext(t), parley.Text("x")) }()
		if _, err := l.Accept(); err != nil {
			t.Fatal(err)
		}
		within(t, "Close", func() { c.Close() })
		if err := next(t, waited, "Send did not return"); !errors.Is(err, parley.ErrClientClosed) {
			t.Errorf("Send: %v, want ErrClientClosed", err)
		}
	})
	bubble(t, "while it waits", func(t *testing.T) {
		waiting := make(chan struct{}, 1)
		c := &parley.Client{Dialer: parley.Dialer{Protocol: serpy2.Protocol{}}, Addr: "unix:/nobody/is/there", MinBackoff: time.Hour, MaxBackoff: time.Hour}
		c.OnState = func(s parley.State, _ error) {
			if s == parley.StateWaiting {
				waiting <- struct{}{}
			}
		}
		c.Start()
		<-waiting
		start := time.Now()
		c.Close()
		if took := time.Since(start); took > 0 {
			t.Errorf("it took %v", took)
		}
	})
	t.Run("politely", func(t *testing.T) {
		life := newLife()
		srv := &parley.Server{Protocol: oneline.Protocol{}, Handler: parley.HandlerFunc(echo), Hooks: life.hooks()}
		c := &parley.Client{Dialer: parley.Dialer{Protocol: oneline.Protocol{}}, Addr: newServer(t, srv)}
		if _, err := c.Call(newContext(t), parley.Text("x")); err != nil {
			t.Fatal(err)
		}
		c.Close()
		if err := life.reason(t); err != parley.ErrPeerClosed {
			t.Errorf("the server saw %v, want the farewell", err)
		}
	})
	t.Run("a mistake", func(t *testing.T) {
		c := &parley.Client{Dialer: parley.Dialer{Protocol: tinyproto.Protocol{}}, Addr: newServer(t, &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(echo)})}
		defer c.Close()
		if err := c.Send(newContext(t), parley.Float(1)); !errors.Is(err, parley.ErrNotRepresentable) {
			t.Errorf("got %v, want ErrNotRepresentable", err)
		}
		if m, err := c.Call(newContext(t), parley.Text("x")); err != nil || m.Text() != "x" {
			t.Errorf("afterwards: %v, %v", m, err)
		}
	})
}

// A server that closes every connection at once is not called without a pause.
//
// Verifies: RUNTIME-37
func TestClientOfAUselessServer(t *testing.T) {
	srv := &parley.Server{Protocol: serpy2.Protocol{}, Pull: true}
	srv.Hooks.OnOpen = func(_ context.Context, c *parley.Conn) error { c.CloseNow(); return nil }
	var last time.Time
	longest := make(chan time.Duration, 1)
	var most time.Duration
	n := 0
	c := &parley.Client{Dialer: parley.Dialer{Protocol: serpy2.Protocol{}}, Addr: newServer(t, srv), MinBackoff: time.Millisecond, MaxBackoff: 100 * time.Millisecond}
	c.OnState = func(s parley.State, _ error) {
		switch s {
		case parley.StateWaiting:
			last = time.Now()
		case parley.StateConnecting:
			if !last.IsZero() {
				most = max(most, time.Since(last))
			}
			if n++; n == 30 {
				longest <- most
			}
		}
	}
	defer c.Close()
	c.Start()
	if d := next(t, longest, "it did not reconnect"); d < 20*time.Millisecond { // of 20 random ones up to 100 ms
		t.Errorf("the longest pause was %v", d)
	}
}
