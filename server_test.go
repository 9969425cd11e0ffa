package parley_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

// Verifies: RUNTIME-01
func TestMissingFields(t *testing.T) {
	handler := parley.HandlerFunc(echo)
	addr := "127.0.0.1:0"
	kinds := []struct {
		name  string
		srv   *parley.Server
		addrs []string
		want  error
	}{
		{"nothing", &parley.Server{}, []string{addr}, parley.ErrNoProtocol},
		{"no protocol", &parley.Server{Handler: handler}, []string{addr}, parley.ErrNoProtocol},
		{"no handler", &parley.Server{Protocol: serpy2.Protocol{}}, []string{addr}, parley.ErrNoHandler},
		{"no address", &parley.Server{Protocol: serpy2.Protocol{}, Handler: handler}, nil, parley.ErrNoAddress},
		{"empty address", &parley.Server{Protocol: serpy2.Protocol{}, Handler: handler}, []string{addr, ""}, parley.ErrNoAddress},
	}
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			if err := k.srv.ListenAndServe(k.addrs...); !errors.Is(err, k.want) {
				t.Errorf("got %v, want %v", err, k.want)
			}
			if n := len(k.srv.Addrs()); n != 0 {
				t.Errorf("%d addresses stay open", n)
			}
		})
	}
	t.Run("Serve without an address", func(t *testing.T) {
		srv := &parley.Server{Protocol: serpy2.Protocol{}, Handler: handler}
		if err := srv.Serve(); err != parley.ErrNoAddress {
			t.Errorf("got %v, want ErrNoAddress", err)
		}
	})
	t.Run("Accept without a protocol", func(t *testing.T) {
		if _, err := new(parley.Server).Accept(t.Context()); err != parley.ErrNoProtocol {
			t.Errorf("got %v, want ErrNoProtocol", err)
		}
	})
	t.Run("malformed addresses", func(t *testing.T) {
		srv := &parley.Server{Protocol: serpy2.Protocol{}, Handler: handler}
		for _, a := range []string{"localhost", "1.2.3.4", "::1:80", "[::1]"} {
			if err := srv.Listen(a); err == nil || !strings.Contains(err.Error(), a) || !strings.Contains(err.Error(), "HOST:PORT") {
				t.Errorf("%s: %v, want an error that names it and says how to write it", a, err)
			}
			if _, err := parley.Dial(t.Context(), serpy2.Protocol{}, a); err == nil || !strings.Contains(err.Error(), a) {
				t.Errorf("dialling %s: %v", a, err)
			}
		}
	})
	t.Run("the zero Dialer", func(t *testing.T) {
		if _, err := new(parley.Dialer).Dial(t.Context(), addr); err != parley.ErrNoProtocol {
			t.Errorf("Dial: %v, want ErrNoProtocol", err)
		}
		ours, theirs := net.Pipe()
		if _, err := new(parley.Dialer).NewConn(t.Context(), ours); err != parley.ErrNoProtocol {
			t.Errorf("NewConn: %v, want ErrNoProtocol", err)
		}
		if _, err := theirs.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("NewConn has not closed what it owns: %v", err)
		}
	})
}

// Verifies: RUNTIME-02
func TestPortInUse(t *testing.T) {
	addr := newServer(t, &parley.Server{Protocol: serpy2.Protocol{}, Handler: parley.HandlerFunc(echo)})
	other := &parley.Server{Protocol: serpy2.Protocol{}, Handler: parley.HandlerFunc(echo)}
	err := other.Listen("127.0.0.1:0", addr)
	if !errors.Is(err, syscall.EADDRINUSE) || !strings.Contains(err.Error(), addr) {
		t.Errorf("got %v, want one that names %s", err, addr)
	}
	if n := len(other.Addrs()); n != 0 {
		t.Errorf("%d addresses stay open", n)
	}
}

// Verifies: RUNTIME-03, RUNTIME-01
func TestSeveralAddresses(t *testing.T) {
	for _, p := range all {
		t.Run(label(p), func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			addrs := []string{"127.0.0.1:0", "localhost:0", "unix:" + path, "unix://" + path + "2", path + "3", "tcp://127.0.0.1:0"}
			if l, err := net.Listen("tcp", "[::1]:0"); err == nil {
				l.Close()
				addrs = append(addrs, "[::1]:0")
			} else {
				t.Log("without IPv6, this machine has no ::1: ", err)
			}
			srv := &parley.Server{Protocol: p, Handler: parley.HandlerFunc(echo)}
			if err := srv.Listen(addrs...); err != nil {
				t.Fatal(err)
			}
			serve(t, srv)
			if n := len(srv.Addrs()); n != len(addrs) {
				t.Fatalf("%d addresses, want %d", n, len(addrs))
			}
			for i, a := range srv.Addrs() {
				addr := a.String()
				if a.Network() == "unix" {
					addr = "unix:" + addr
				}
				c, err := parley.Dial(newContext(t), p, addr)
				if err != nil {
					t.Fatalf("%s: %v", addrs[i], err)
				}
				if m, err := c.Call(newContext(t), parley.Text(addr)); err != nil || m.Text() != addr {
					t.Errorf("%s: %v, %v", addrs[i], m, err)
				}
				if err := c.Close(); err != nil {
					t.Errorf("%s: %v", addrs[i], err)
				}
			}
		})
	}
}

// 0.0.0.0 is all IPv4 addresses of the machine, and nothing of IPv6.
func TestIPv4Only(t *testing.T) {
	srv := &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(echo)}
	if err := srv.Listen("0.0.0.0:0"); err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	if addr := srv.Addrs()[0].String(); !strings.HasPrefix(addr, "0.0.0.0:") {
		t.Errorf("it listens on %s", addr)
	}
}

// Verifies: RUNTIME-03
func TestIPv6(t *testing.T) {
	if l, err := net.Listen("tcp", "[::1]:0"); err != nil {
		t.Skip("this machine has no ::1: ", err)
	} else {
		l.Close()
	}
	srv := &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(echo)}
	if err := srv.Listen("[::1]:0"); err != nil {
		t.Fatal(err)
	}
	serve(t, srv)
	c, err := parley.Dial(newContext(t), tinyproto.Protocol{}, srv.Addrs()[0].String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if m, err := c.Call(newContext(t), parley.Text("x")); err != nil || m.Text() != "x" {
		t.Errorf("got %v, %v", m, err)
	}
}

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
					c, err := (&parley.Dialer{Protocol: f.protocol, Timeouts: parley.Timeouts{Handshake: 20 * time.Second}}).Dial(newContext(t), listeners[i%2].Addr().String())
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

// Verifies: RUNTIME-28, ONELINE-06, ONELINE-07, ONELINE-23
func TestShutdownRequest(t *testing.T) {
	refusal := errors.New("not from you")
	kinds := []struct {
		name   string
		hook   func(*parley.Conn) error
		ignore bool
		ends   bool
	}{
		{"by default", nil, false, true},
		{"ignored", nil, true, false},
		{"the hook agrees", func(*parley.Conn) error { return nil }, false, true},
		{"the hook agrees, ignored", func(*parley.Conn) error { return nil }, true, false},
		{"the hook refuses", func(*parley.Conn) error { return refusal }, false, false},
		{"the hook panics", func(*parley.Conn) error { panic("in the hook") }, false, false},
	}
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			srv := &parley.Server{Protocol: oneline.Protocol{}, Handler: parley.HandlerFunc(echo), IgnoreShutdownRequest: k.ignore}
			srv.OnShutdownRequest = k.hook
			if err := srv.Listen("127.0.0.1:0"); err != nil {
				t.Fatal(err)
			}
			addr := srv.Addrs()[0].String()
			served := make(chan error, 1)
			go func() { served <- srv.Serve() }()
			defer srv.Close()
			peer := bareDial(t, addr)
			peer.say("ping\nshutdown\nignored\n")
			peer.hear("pong\n")
			peer.hearEnd()
			peer.Close()
			if !k.ends {
				c, err := parley.Dial(newContext(t), oneline.Protocol{}, addr)
				if err != nil {
					t.Fatal(err)
				}
				if m, err := c.Call(newContext(t), parley.Text("x")); err != nil || m.Text() != "x" {
					t.Errorf("the next client: %v, %v", m, err)
				}
				c.CloseNow()
				srv.Close()
			}
			if err := next(t, served, "Serve did not return"); err != parley.ErrServerClosed {
				t.Errorf("Serve: %v, want ErrServerClosed", err)
			}
			if _, err := net.Dial("tcp", addr); err == nil {
				t.Error("its port is open")
			}
		})
	}
	t.Run("from our client", func(t *testing.T) {
		srv := &parley.Server{Protocol: oneline.Protocol{}, Handler: parley.HandlerFunc(echo)}
		served := make(chan error, 1)
		if err := srv.Listen("127.0.0.1:0"); err != nil {
			t.Fatal(err)
		}
		go func() { served <- srv.Serve() }()
		defer srv.Close()
		c, err := parley.Dial(newContext(t), oneline.Protocol{}, srv.Addrs()[0].String())
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Send(newContext(t), parley.Text("shutdown")); err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if err := next(t, served, "Serve did not return"); err != parley.ErrServerClosed {
			t.Errorf("Serve: %v, want ErrServerClosed", err)
		}
	})
}

// Every message that was accepted before a shutdown is answered.
//
// Verifies: RUNTIME-32
func TestShutdownUnderLoad(t *testing.T) {
	for _, p := range symmetric {
		for _, pull := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/pull=%v", label(p), pull), func(t *testing.T) {
				var accepted, answered atomic.Int64
				started := make(chan struct{})
				answer := func(ctx context.Context, c *parley.Conn, m parley.Message) error {
					if accepted.Add(1) == 1000 {
						close(started)
					}
					return c.Send(ctx, m)
				}
				srv := &parley.Server{Protocol: p, Pull: pull, Handler: parley.HandlerFunc(answer)}
				// On a busy machine the clients may stand still for a while.
				srv.Timeouts = parley.Timeouts{Close: 15 * time.Second, Linger: 10 * time.Second}
				var wg sync.WaitGroup
				if pull {
					srv.Handler = nil
					wg.Go(func() {
						for {
							c, err := srv.Accept(context.Background())
							if err != nil {
								return
							}
							wg.Go(func() {
								for m, err := range c.Messages(context.Background()) {
									if err != nil {
										if !errors.Is(err, parley.ErrServerClosed) {
											t.Error(err)
										}
										return
									}
									if err := answer(context.Background(), c, m); err != nil {
										t.Errorf("an answer was not sent: %v", err)
										return
									}
								}
							})
						}
					})
				}
				addr := newServer(t, srv)
				for range 8 {
					c, err := parley.Dial(newContext(t), p, addr)
					if err != nil {
						t.Fatal(err)
					}
					defer c.CloseNow()
					wg.Go(func() { // it sends without a pause
						for c.Send(context.Background(), parley.Text("x")) == nil {
						}
					})
					wg.Go(func() {
						for {
							if _, err := c.Receive(context.Background()); err != nil {
								return
							}
							answered.Add(1)
						}
					})
				}
				next(t, started, "nothing was accepted")
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // what the kernel holds is answered, too
				err := srv.Shutdown(ctx)
				if cancel(); err != nil {
					t.Errorf("Shutdown: %v", err)
				}
				wg.Wait()
				if a, b := accepted.Load(), answered.Load(); a != b {
					t.Errorf("%d messages were accepted and %d answered", a, b)
				}
			})
		}
	}
}

// Verifies: RUNTIME-32
func TestShutdown(t *testing.T) {
	for _, f := range forms {
		bubble(t, label(f.protocol)+"/idle", func(t *testing.T) {
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
		bubble(t, label(f.protocol)+"/before the handshake", func(t *testing.T) {
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
		for _, wait := range []string{"sleeps", "receives", "confirms", "sends"} {
			traits := f.protocol.Traits()
			if wait != "sleeps" && traits.Lockstep || (wait == "confirms" || wait == "sends") && !traits.Confirms {
				continue
			}
			bubble(t, label(f.protocol)+"/a handler "+wait, func(t *testing.T) {
				// It ends by itself, some time after Shutdown has begun, and
				// messages wait behind it.
				srv := &parley.Server{Protocol: f.protocol, Timeouts: parley.Timeouts{Answer: -1}, Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
					if m.Text() == "1" {
						late, cancel := context.WithTimeout(ctx, time.Minute)
						defer cancel()
						switch wait {
						case "sleeps":
							<-late.Done()
						case "receives":
							c.Receive(late) // takes the second
							c.Receive(late)
						case "confirms":
							c.Confirm(late, parley.Text("x"))
						case "sends":
							go c.Confirm(late, parley.Text("x")) // it makes another goroutine read
							<-late.Done()
						}
					}
					return c.Send(ctx, parley.Text("answer to "+m.Text()))
				})}
				l := newMemory()
				serve(t, srv, l)
				peer := l.dial(t)
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
				peer.say(f.hello + f.text("1", "2"))
				synctest.Wait()
				start := time.Now()
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				if label(f.protocol) == "tinyproto-never" {
					cancel() // its answers are never granted
				}
				err := srv.Shutdown(ctx)
				took := time.Since(start)
				if label(f.protocol) == "tinyproto-never" {
					if !errors.Is(err, context.Canceled) || took > 0 {
						t.Errorf("%v, after %v", err, took)
					}
					return
				}
				if err != nil || took < 55*time.Second || took > 70*time.Second {
					t.Errorf("Shutdown: %v, after %v", err, took)
				}
				mu.Lock()
				defer mu.Unlock()
				for _, want := range []string{"1", "2"} {
					if wait == "receives" && want == "2" {
						continue
					}
					if !strings.Contains(heard.String(), "answer to "+want) {
						t.Errorf("no answer to %s in %q", want, heard.String())
					}
				}
			})
		}
	}
	t.Run("bounded", func(t *testing.T) {
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
	})
	bubble(t, "from a handler", func(t *testing.T) {
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
	bubble(t, "pull, waiting", func(t *testing.T) {
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
	t.Run("before and after", func(t *testing.T) {
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
	})
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
