package parley_test

// Whom a server lets in: the limits on connections, who waits and who is refused
// when it is full, listeners that fail, and the program that accepts by itself.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

// counted is a listener that counts what it has accepted.
type counted struct {
	*net.TCPListener
	n atomic.Int64
}

func (l *counted) Accept() (net.Conn, error) {
	nc, err := l.TCPListener.Accept()
	if err == nil {
		l.n.Add(1)
	}
	return nc, err
}

func newCounted(t *testing.T) *counted {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return &counted{TCPListener: l.(*net.TCPListener)}
}

// Beyond the limit a client waits, unaccepted, until there is a place for it;
// several listeners share the places. It is served from its first byte on.
//
// Verifies: RUNTIME-05, ONELINE-10, WIRE-04
func TestFullWait(t *testing.T) {
	more := []form{{protocol: few{tinyproto.Protocol{}, 3}}, {protocol: few{serpy2.Protocol{}, 2}}}
	for _, f := range append(more, forms...) {
		t.Run(label(f.protocol), func(t *testing.T) {
			life := newLife()
			srv := &parley.Server{Protocol: f.protocol, Handler: parley.HandlerFunc(echo), Hooks: life.hooks()}
			places := f.protocol.Traits().Clients
			if places == 0 {
				places = 2
				srv.MaxConns, srv.WhenFull = places, parley.FullWait
			}
			listeners := []*counted{newCounted(t), newCounted(t)}
			serve(t, srv, listeners[0], listeners[1])
			d := &parley.Dialer{Protocol: f.protocol}
			var served []*parley.Conn
			for i := range places {
				c, err := d.Dial(newContext(t), listeners[i%2].Addr().String())
				if err != nil {
					t.Fatal(err)
				}
				defer c.CloseNow()
				life.conn(t)
				served = append(served, c)
			}
			const waiting = 6
			var answers atomic.Int64
			var wg sync.WaitGroup
			for i := range waiting {
				wg.Go(func() {
					c, err := (&parley.Dialer{Protocol: f.protocol, Timeouts: parley.Timeouts{Handshake: patience}}).Dial(newContext(t), listeners[i%2].Addr().String())
					if err != nil {
						t.Error(err)
						return
					}
					if m, err := c.Call(newContext(t), parley.Text("x")); err != nil || m.Text() != "x" {
						t.Errorf("a client that waited got %v, %v", m, err)
					}
					answers.Add(1)
					if err := c.Close(); err != nil {
						t.Error(err)
					}
				})
			}
			for range 1000 { // meanwhile the others are served
				for _, c := range served {
					if _, err := c.Call(newContext(t), parley.Text("x")); err != nil {
						t.Fatal(err)
					}
				}
			}
			if n := listeners[0].n.Load() + listeners[1].n.Load(); n != int64(places) || answers.Load() > 0 {
				t.Errorf("%d clients were accepted and %d served, there are %d places", n, answers.Load(), places)
			}
			served[0].Close()
			wg.Wait()
			if n := listeners[0].n.Load() + listeners[1].n.Load(); n != int64(places+waiting) {
				t.Errorf("%d clients were accepted, want %d", n, places+waiting)
			}
		})
	}
}

// Listeners that can't tell whether somebody waits share the places too.
//
// Verifies: RUNTIME-05
func TestFullWaitInMemory(t *testing.T) {
	for _, f := range forms {
		bubble(t, label(f.protocol), func(t *testing.T) {
			srv := &parley.Server{Protocol: f.protocol, Handler: parley.HandlerFunc(echo), MaxConns: 1, WhenFull: parley.FullWait}
			listeners := []*memory{newMemory(), newMemory()}
			serve(t, srv, listeners[0], listeners[1])
			for i := range 10 {
				peer := listeners[[]int{0, 0, 1, 1, 0, 1, 0, 1, 1, 1}[i]].dial(t)
				c, err := (&parley.Dialer{Protocol: f.protocol}).NewConn(t.Context(), peer.Conn)
				if err != nil {
					t.Fatal(err)
				}
				if m, err := c.Call(t.Context(), parley.Text("x")); err != nil || m.Text() != "x" {
					t.Fatalf("client %d got %v, %v", i, m, err)
				}
				c.Close()
			}
		})
	}
}

// Verifies: RUNTIME-06, RUNTIME-39, RUNTIME-40, TINYPROTO-23
func TestFullRefuse(t *testing.T) {
	for _, p := range symmetric {
		t.Run(label(p), func(t *testing.T) {
			life := newLife()
			srv := &parley.Server{Protocol: p, Handler: parley.HandlerFunc(echo), MaxConns: 2, Hooks: life.hooks()}
			addr := newServer(t, srv)
			for range 2 {
				c, err := parley.Dial(newContext(t), p, addr)
				if err != nil {
					t.Fatal(err)
				}
				defer c.CloseNow()
				life.conn(t)
			}
			for range 10 {
				peer := bareDial(t, addr)
				peer.say("something that nobody reads")
				word, err := io.ReadAll(peer)
				if p.Traits().Refusal == nil && errors.Is(err, syscall.ECONNRESET) {
					err = nil // a wire without a word for it
				}
				if err != nil || !bytes.Equal(word, p.Traits().Refusal) {
					t.Fatalf("got %x, %v, want %x and the end", word, err, p.Traits().Refusal)
				}
			}
			if st := srv.Stats(); st.Refused != 10 || st.Open != 2 || st.Accepted != 2 {
				t.Errorf("Stats: %+v", st)
			}
			if len(life.opened) > 0 {
				t.Error("a refused connection reached OnOpen")
			}
			if p.Name() != "tinyproto" {
				return
			}
			_, err := parley.Dial(newContext(t), p, addr)
			if e := new(*parley.RefusedError); !errors.As(err, e) || (*e).Code != 0xFE || !strings.Contains(err.Error(), addr) {
				t.Errorf("got %v, want a RefusedError with code FE and the address", err)
			}
		})
	}
}

// Verifies: RUNTIME-07
func TestConnsPerAddress(t *testing.T) {
	dial := func(t *testing.T, addr string, n int) (open []*parley.Conn) {
		for range n {
			c, err := parley.Dial(newContext(t), tinyproto.Protocol{}, addr)
			if err != nil {
				t.Fatalf("connection %d: %v", len(open)+1, err)
			}
			t.Cleanup(func() { c.CloseNow() })
			open = append(open, c)
		}
		return open
	}
	for _, limit := range []int{0, 3, -1} {
		for _, whenFull := range []parley.FullPolicy{parley.FullRefuse, parley.FullWait} {
			t.Run(fmt.Sprint(limit, whenFull), func(t *testing.T) {
				life := newLife()
				srv := &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(echo), MaxConnsPerAddr: limit, WhenFull: whenFull, Hooks: life.hooks()}
				addr := newServer(t, srv)
				most := map[int]int{0: 256, 3: 3, -1: 300}[limit]
				open := dial(t, addr, most)
				if limit < 0 {
					return
				}
				_, err := parley.Dial(newContext(t), tinyproto.Protocol{}, addr)
				if e := new(*parley.RefusedError); !errors.As(err, e) || (*e).Code != 0xFE {
					t.Errorf("connection %d: %v, want a RefusedError", most+1, err)
				}
				open[0].Close()
				life.reason(t)
				for { // its place is free in a moment
					c, err := parley.Dial(newContext(t), tinyproto.Protocol{}, addr)
					if err == nil {
						c.CloseNow()
						break
					}
					if !errors.As(err, new(*parley.RefusedError)) {
						t.Fatal(err)
					}
				}
			})
		}
	}
}

// Verifies: RUNTIME-07
func TestConnsOfAListener(t *testing.T) {
	if testing.Short() || raceEnabled {
		t.Skip("10,000 connections are too many for the race detector")
	}
	l := newMemory()
	serve(t, &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(echo)}, l)
	dial := func() net.Conn {
		ours, theirs := net.Pipe()
		l.conns <- theirs
		return ours
	}
	hello := make([]byte, 1)
	for range 10_000 {
		nc := dial()
		defer nc.Close()
		if _, err := nc.Read(hello); err != nil || string(hello) != tinyHello {
			t.Fatalf("got %x, %v", hello, err)
		}
	}
	if _, err := dial().Read(hello); err != nil || hello[0] != 0xFE {
		t.Errorf("connection 10,001 got %x, %v, want FE", hello, err)
	}
}

// scarce is a listener that fails before each connection.
type scarce struct {
	*memory
	failures []time.Time
	fail     int // how often
}

func (s *scarce) Accept() (net.Conn, error) {
	if s.fail > 0 {
		s.fail--
		s.failures = append(s.failures, time.Now())
		return nil, &net.OpError{Op: "accept", Err: syscall.EMFILE}
	}
	return s.memory.Accept()
}

// Verifies: RUNTIME-15
func TestAcceptErrors(t *testing.T) {
	bubble(t, "retried", func(t *testing.T) {
		l := &scarce{memory: newMemory(), fail: 12}
		srv := &parley.Server{Protocol: serpy2.Protocol{}, Handler: parley.HandlerFunc(echo)}
		serve(t, srv, l)
		c, err := (&parley.Dialer{Protocol: serpy2.Protocol{}}).NewConn(t.Context(), l.dial(t).Conn)
		if err != nil {
			t.Fatal(err)
		}
		if m, err := c.Call(t.Context(), parley.Text("x")); err != nil || m.Text() != "x" {
			t.Errorf("got %v, %v", m, err)
		}
		c.CloseNow()
		want := 10 * time.Millisecond
		for i := 1; i < len(l.failures); i++ {
			if pause := l.failures[i].Sub(l.failures[i-1]); pause != want {
				t.Errorf("pause %d is %v, want %v", i, pause, want)
			}
			want = min(2*want, time.Second)
		}
	})
	bubble(t, "closing", func(t *testing.T) {
		l := &scarce{memory: newMemory(), fail: 1 << 30}
		var log bytes.Buffer
		srv := &parley.Server{Protocol: serpy2.Protocol{}, Handler: parley.HandlerFunc(echo), Logger: slog.New(slog.NewTextHandler(&log, nil))}
		serve(t, srv, l)
		time.Sleep(150500 * time.Millisecond)
		start := time.Now()
		if err := srv.Shutdown(t.Context()); err != nil || time.Since(start) > 0 {
			t.Errorf("Shutdown: %v, after %v", err, time.Since(start))
		}
		if n := strings.Count(log.String(), "accept failed, trying again"); n != 3 { // at once, and after more than a minute each
			t.Errorf("%d lines in the log, want one a minute:\n%s", n, &log)
		}
	})
	bubble(t, "a closed listener", func(t *testing.T) {
		bad, good := newMemory(), newMemory()
		srv := &parley.Server{Protocol: serpy2.Protocol{}, Handler: parley.HandlerFunc(echo)}
		serve(t, srv, bad, good)
		bad.Close()
		c, err := (&parley.Dialer{Protocol: serpy2.Protocol{}}).NewConn(t.Context(), good.dial(t).Conn)
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		if m, err := c.Call(t.Context(), parley.Text("x")); err != nil || m.Text() != "x" {
			t.Errorf("got %v, %v", m, err)
		}
	})
}

// Verifies: RUNTIME-30, RUNTIME-31
func TestAcceptAndConns(t *testing.T) {
	for _, p := range all {
		if p.Traits().Clients == 1 {
			continue
		}
		t.Run(label(p), func(t *testing.T) {
			srv := &parley.Server{Protocol: p, Pull: true}
			addr := newServer(t, srv)
			ctx := newContext(t)
			none, cancel := context.WithTimeout(ctx, time.Millisecond)
			defer cancel()
			if _, err := srv.Accept(none); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Accept without a client: %v", err)
			}
			const n = 20
			seen := make(map[*parley.Conn]bool)
			for i := range n {
				c, err := parley.Dial(ctx, p, addr)
				if err != nil {
					t.Fatal(err)
				}
				defer c.CloseNow()
				if err := c.Send(ctx, parley.Text(fmt.Sprint(i))); err != nil {
					t.Fatal(err)
				}
			}
			for range n {
				s, err := srv.Accept(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if seen[s] {
					t.Error("a connection was handed out twice")
				}
				seen[s] = true
			}
			conns := srv.Conns()
			if len(conns) != n {
				t.Fatalf("%d connections, want %d", len(conns), n)
			}
			for i, s := range conns {
				if !seen[s] || i > 0 && conns[i-1].ID() >= s.ID() {
					t.Errorf("connection %d is a stranger or out of order", i)
				}
				m, err := s.Receive(ctx)
				if err != nil {
					t.Fatal(err)
				}
				word.Set(s, m.Text())
			}
			for _, s := range conns {
				if s.Buffered() != 0 {
					t.Error("a message is left")
				}
				if word.Get(s) == "7" {
					s.CloseNow()
					<-s.Done()
				}
			}
			if got := len(srv.Conns()); got != n-1 {
				t.Errorf("%d connections after one has ended, want %d", got, n-1)
			}
		})
	}
	bubble(t, "Buffered", func(t *testing.T) {
		srv := &parley.Server{Protocol: serpy.Protocol{}, Pull: true}
		c := connect(t, true, srv, &parley.Dialer{})
		for range 3 {
			if err := c.Send(t.Context(), parley.Text("x")); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if s := srv.Conns()[0]; s.Buffered() != 3 || s.Stats().Waiting != 3 {
			t.Errorf("%d messages wait, want 3", s.Buffered())
		}
	})
}
