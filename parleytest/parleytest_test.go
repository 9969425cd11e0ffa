package parleytest_test

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/internal/leak"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/parleytest"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

func TestMain(m *testing.M) { leak.Main(m) }

var protocols = []parley.Protocol{
	oneline.Protocol{},
	tinyproto.Protocol{},
	tinyproto.Protocol{Eager: tinyproto.Never},
	serpy.Protocol{},
	serpy.Protocol{Mode: 5},
	serpy2.Protocol{},
}

func echo(ctx context.Context, c *parley.Conn, m parley.Message) error { return c.Send(ctx, m) }

func call(t *testing.T, c *parley.Conn, text string) {
	t.Helper()
	if m, err := c.Call(t.Context(), parley.Text(text)); err != nil || m.Text() != text {
		t.Errorf("got %v, %v, want %.40s", m, err, text)
	}
}

// Verifies: RUNTIME-52
func TestNewServer(t *testing.T) {
	for i, p := range protocols {
		t.Run(fmt.Sprint(p.Name(), i), func(t *testing.T) {
			var addr string
			t.Run("running", func(t *testing.T) {
				addr = parleytest.NewServer(t, &parley.Server{Protocol: p, Handler: parley.HandlerFunc(echo)})
				if host, port, err := net.SplitHostPort(addr); err != nil || host != "127.0.0.1" || port == "0" {
					t.Errorf("the address is %q", addr)
				}
				for range 3 { // one after the other, on every wire
					c, err := parley.Dial(t.Context(), p, addr)
					if err != nil {
						t.Fatal(err)
					}
					call(t, c, "hello")
					if err := c.Close(); err != nil {
						t.Error(err)
					}
				}
			})
			if nc, err := net.Dial("tcp", addr); err == nil {
				nc.Close()
				t.Error("the server outlives its test")
			}
		})
	}
}

// Verifies: RUNTIME-52
func TestPipe(t *testing.T) {
	for i, p := range protocols {
		test := func(t *testing.T) {
			srv := &parley.Server{Protocol: p, Handler: parley.HandlerFunc(echo)}
			dialer := &parley.Dialer{Protocol: p}
			if i%2 == 0 {
				dialer = nil
			}
			c, _ := parleytest.Pipe(t, srv, dialer)
			call(t, c, "hello")
			call(t, c, strings.Repeat("large", 50_000))
			if n := len(srv.Conns()); n != 1 {
				t.Errorf("the server has %d connections, want 1", n)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			<-c.Done()
			// The same server again: on oneline the second takes its turn.
			c, _ = parleytest.Pipe(t, srv, dialer)
			call(t, c, "hello again")
		}
		t.Run(fmt.Sprint(p.Name(), i), test)
		t.Run(fmt.Sprint(p.Name(), i, "/virtual time"), func(t *testing.T) { synctest.Test(t, test) })
	}
}

// Verifies: RUNTIME-52
func TestPipeAccept(t *testing.T) {
	for i, p := range protocols {
		t.Run(fmt.Sprint(p.Name(), i), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := &parley.Server{Protocol: p, Pull: true}
				c, _ := parleytest.Pipe(t, srv, &parley.Dialer{Protocol: p})
				s, err := srv.Accept(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Hour)
				if err := c.Send(t.Context(), parley.Text("hello")); err != nil {
					t.Fatal(err)
				}
				if m, err := s.Receive(t.Context()); err != nil || m.Text() != "hello" {
					t.Errorf("got %v, %v", m, err)
				}
			})
		})
	}
}

// failing is a TB that notes failures instead of failing.
type failing struct {
	testing.TB
	failures []string
	cleanups []func()
}

func (f *failing) Helper()          {}
func (f *failing) Cleanup(g func()) { f.cleanups = append(f.cleanups, g) }
func (f *failing) Errorf(format string, args ...any) {
	f.failures = append(f.failures, fmt.Sprintf(format, args...))
}
func (f *failing) Fatal(args ...any) {
	f.failures = append(f.failures, fmt.Sprint(args...))
	runtime.Goexit()
}

// A server that can't serve and a dialler that can't connect fail the test at
// once.
//
// Verifies: RUNTIME-52
func TestFailures(t *testing.T) {
	server := func() *parley.Server {
		return &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(echo)}
	}
	kinds := map[string]struct {
		f    func(tb testing.TB)
		want string
	}{
		"NewServer":          {func(tb testing.TB) { parleytest.NewServer(tb, &parley.Server{}) }, "no Protocol"},
		"Pipe":               {func(tb testing.TB) { parleytest.Pipe(tb, &parley.Server{}, &parley.Dialer{}) }, "no Protocol"},
		"Pipe, no protocol":  {func(tb testing.TB) { parleytest.Pipe(tb, server(), &parley.Dialer{}) }, "no Protocol"},
		"Pipe, another wire": {func(tb testing.TB) { parleytest.Pipe(tb, server(), &parley.Dialer{Protocol: oneline.Protocol{}}) }, "does not speak oneline"},
		"Pipe, closed before": {func(tb testing.TB) {
			srv := server()
			srv.Close()
			parleytest.Pipe(tb, srv, &parley.Dialer{Protocol: tinyproto.Protocol{}})
		}, "closed"},
	}
	for name, k := range kinds {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &failing{TB: t}
				ended := make(chan struct{})
				go func() {
					defer close(ended)
					k.f(f)
				}()
				<-ended
				for _, g := range f.cleanups {
					g()
				}
				if len(f.failures) == 0 || !strings.Contains(strings.Join(f.failures, "\n"), k.want) {
					t.Errorf("the test failed with %q, want %q", f.failures, k.want)
				}
			})
		})
	}
}
