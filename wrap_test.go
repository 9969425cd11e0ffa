package parley_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/parleytest"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

// sizes answers with how large a message or a stream was.
type sizes struct{}

func (sizes) ServeMessage(ctx context.Context, c *parley.Conn, m parley.Message) error {
	return c.Send(ctx, parley.Text(fmt.Sprint("message ", m.Len(), " ", ctx.Value(userKey{}))))
}

func (sizes) ServeStream(ctx context.Context, c *parley.Conn, s *parley.Stream) error {
	n, err := io.Copy(io.Discard, s)
	if err != nil {
		return err
	}
	return c.Send(ctx, parley.Text(fmt.Sprint("stream ", n, " ", ctx.Value(userKey{}))))
}

// Middleware runs around messages and streams, the first outermost; it may give
// values to the context and stop what has come.
//
// Verifies: RUNTIME-76
func TestWrap(t *testing.T) {
	var log []string
	note := func(name string) parley.Middleware {
		return func(ctx context.Context, c *parley.Conn, in parley.Incoming, next parley.Next) error {
			log = append(log, name)
			defer func() { log = append(log, "/"+name) }()
			return next(ctx, c, in)
		}
	}
	user := func(ctx context.Context, c *parley.Conn, in parley.Incoming, next parley.Next) error {
		return next(context.WithValue(ctx, userKey{}, "ann"), c, in)
	}
	guard := func(ctx context.Context, c *parley.Conn, in parley.Incoming, next parley.Next) error {
		if in.Stream == nil && in.Message.Text() == "secret" {
			return c.Send(ctx, parley.Text("no"))
		}
		return next(ctx, c, in)
	}
	srv := &parley.Server{
		Protocol: tinyproto.Protocol{},
		Limits:   parley.Limits{MaxMessage: 100_000},
		Handler:  parley.Wrap(sizes{}, note("outer"), guard, user, note("inner")),
	}
	c, _ := parleytest.Pipe(t, srv, nil)
	for _, tt := range []struct{ say, want string }{
		{"hello", "message 5 ann"},
		{"secret", "no"},
		{strings.Repeat("x", 200_000), "stream 200000 ann"},
	} {
		if m, err := c.Call(t.Context(), parley.Text(tt.say)); err != nil || m.Text() != tt.want {
			t.Errorf("%.10s: got %v, %v; want %s", tt.say, m, err, tt.want)
		}
	}
	c.Close()
	<-c.Done()
	srv.Shutdown(t.Context())
	once := []string{"outer", "inner", "/inner", "/outer"}
	if want := slices.Concat(once, []string{"outer", "/outer"}, once); !slices.Equal(log, want) {
		t.Errorf("called %v, want %v", log, want)
	}
}

// A wrapped Handler that takes no streams takes none, and Middleware that gives it
// one is told so.
//
// Verifies: RUNTIME-76
func TestWrapMessages(t *testing.T) {
	echo := parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error { return c.Send(ctx, m) })
	h := parley.Wrap(echo)
	if _, ok := h.(parley.StreamHandler); ok {
		t.Error("a wrapped HandlerFunc takes streams")
	}
	if _, ok := parley.Wrap(sizes{}).(parley.StreamHandler); !ok {
		t.Error("a wrapped StreamHandler takes none")
	}
	if parley.Wrap(nil) != nil {
		t.Error("no Handler is a Handler when it is wrapped")
	}
	h = parley.Wrap(echo, func(ctx context.Context, c *parley.Conn, in parley.Incoming, next parley.Next) error {
		in.Stream = new(parley.Stream)
		return next(ctx, c, in)
	})
	if err := h.ServeMessage(t.Context(), nil, parley.Text("x")); err == nil || !strings.Contains(err.Error(), "HandlerFunc") {
		t.Errorf("a stream for a HandlerFunc: %v", err)
	}
}

// Middleware allocates nothing.
//
// Verifies: RUNTIME-76
func TestWrapAllocs(t *testing.T) {
	pass := func(ctx context.Context, c *parley.Conn, in parley.Incoming, next parley.Next) error {
		return next(ctx, c, in)
	}
	h := parley.Wrap(parley.HandlerFunc(func(context.Context, *parley.Conn, parley.Message) error { return nil }), pass, pass, pass)
	ctx, m := t.Context(), parley.Text("hello")
	if n := testing.AllocsPerRun(100, func() { h.ServeMessage(ctx, nil, m) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// What was borrowed and kept is overwritten where that is asked for; a Clone stays.
//
// Verifies: RUNTIME-77
func TestOverwriteBorrowed(t *testing.T) {
	for _, p := range symmetric {
		t.Run(label(p), func(t *testing.T) {
			var kept, cloned []byte
			srv := &parley.Server{Protocol: p, OverwriteBorrowed: true, Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
				kept, cloned = m.Bytes(), m.Clone().Bytes()
				return c.Send(ctx, m)
			})}
			c, _ := parleytest.Pipe(t, srv, nil)
			for _, text := range []string{"hello", strings.Repeat("large", 50_000)} {
				m, err := c.Call(t.Context(), parley.Text(text))
				if err != nil || m.Text() != text {
					t.Fatalf("got %.20v, %v", m, err)
				}
				if _, err = c.Call(t.Context(), parley.Text("next")); err != nil { // now the handler has returned
					t.Fatal(err)
				}
			}
			c.Close()
			<-c.Done()
			srv.Shutdown(t.Context())
			if string(kept) != "\xdb\xdb\xdb\xdb" || string(cloned) != "next" {
				t.Errorf("kept %q, cloned %q", kept, cloned)
			}
		})
	}
}

// Server.NewConn returns when both ends are open, or says why not; it is bounded by
// its context.
//
// Verifies: RUNTIME-78
func TestServerNewConn(t *testing.T) {
	refused := errors.New("not you")
	for _, tt := range []struct {
		name string
		hook error
		dial bool
		want string
	}{
		{"open", nil, true, ""},
		{"refused", refused, true, "not you"},
		{"silent", nil, false, "deadline"},
	} {
		bubble(t, tt.name, func(t *testing.T) {
			srv := &parley.Server{
				Protocol: tinyproto.Protocol{},
				Timeouts: parley.Timeouts{Handshake: time.Hour},
				Handler:  parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error { return c.Send(ctx, m) }),
				Hooks:    parley.Hooks{OnOpen: func(context.Context, *parley.Conn) error { return tt.hook }},
			}
			defer srv.Close()
			ours, theirs := net.Pipe()
			defer ours.Close()
			if tt.dial {
				go (&parley.Dialer{Protocol: srv.Protocol}).NewConn(t.Context(), ours)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			c, err := srv.NewConn(ctx, theirs)
			switch {
			case tt.want != "":
				if err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want an error about %q", err, tt.want)
				}
			case err != nil:
				t.Error(err)
			case len(srv.Conns()) != 1 || srv.Conns()[0] != c:
				t.Error("the server does not know its connection")
			}
		})
	}
}

// What goes wrong is counted, once, by its kind.
//
// Verifies: RUNTIME-79
func TestFaults(t *testing.T) {
	tests := []struct {
		name string
		make func(srv *parley.Server)
		talk func(c *parley.Conn)
		want parley.Faults
	}{
		{"nothing", nil, func(c *parley.Conn) { c.Call(context.Background(), parley.Text("x")); c.Close() }, parley.Faults{}},
		{"panic", nil, func(c *parley.Conn) { c.Call(context.Background(), parley.Text("panic")) }, parley.Faults{Panics: 1}},
		{"error", nil, func(c *parley.Conn) { c.Call(context.Background(), parley.Text("error")) }, parley.Faults{HandlerErrors: 1}},
		{"timeout error", nil, func(c *parley.Conn) { c.Call(context.Background(), parley.Text("timeout")) }, parley.Faults{HandlerErrors: 1}},
		{"OnOpen", func(srv *parley.Server) {
			srv.Hooks.OnOpen = func(context.Context, *parley.Conn) error { return errors.New("no") }
		}, func(c *parley.Conn) { <-c.Done() }, parley.Faults{HandlerErrors: 1}},
		{"OnClose", func(srv *parley.Server) { srv.Hooks.OnClose = func(*parley.Conn, error) { panic("no") } }, func(c *parley.Conn) {
			c.Call(context.Background(), parley.Text("x")) // behind which the server's end is open too
			c.Close()
		}, parley.Faults{Panics: 1}},
		{"idle", func(srv *parley.Server) { srv.Timeouts.Idle = time.Minute }, func(c *parley.Conn) { <-c.Done() }, parley.Faults{Timeouts: 1}},
		{"gone", nil, func(c *parley.Conn) { c.CloseNow() }, parley.Faults{}},
	}
	for _, tt := range tests {
		bubble(t, tt.name, func(t *testing.T) {
			srv := &parley.Server{Protocol: serpy2.Protocol{}, Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
				switch m.Text() {
				case "panic":
					panic("no")
				case "error":
					return errors.New("no")
				case "timeout":
					return &parley.TimeoutError{Wait: "a device"}
				}
				return c.Send(ctx, m)
			})}
			if tt.make != nil {
				tt.make(srv)
			}
			l := newMemory()
			serve(t, srv, l)
			b := l.dial(t)
			c, err := (&parley.Dialer{Protocol: srv.Protocol}).NewConn(t.Context(), b)
			if err == nil {
				tt.talk(c)
			}
			srv.Shutdown(t.Context())
			synctest.Wait() // OnClose may be under way
			if got := srv.Stats().Faults; got != tt.want {
				t.Errorf("counted %+v, want %+v", got, tt.want)
			}
		})
	}
	for _, said := range []string{"GET / HTTP/1.0\r\n\r\n", "\xff\x00\x00\x00\x05ab", "\xff\xff\xff\xff\xff\xff"} {
		bubble(t, fmt.Sprintf("%q", said), func(t *testing.T) {
			srv := &parley.Server{Protocol: tinyproto.Protocol{}, Pull: true}
			l := newMemory()
			serve(t, srv, l)
			b := l.dial(t)
			go io.Copy(io.Discard, b)
			b.Write([]byte(said))
			time.Sleep(time.Second)
			b.Close()
			srv.Shutdown(t.Context())
			if got, want := srv.Stats().Faults, (parley.Faults{ProtocolErrors: 1}); got != want {
				t.Errorf("counted %+v, want %+v", got, want)
			}
		})
	}
}

// A TLS handshake that fails is counted at either end.
//
// Verifies: RUNTIME-79
func TestFaultsTLS(t *testing.T) {
	cert, _ := certificate(t)
	srv := &parley.Server{Protocol: serpy2.Protocol{}, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}, Handler: sizes{}}
	client := &parley.Client{Addr: newServer(t, srv), MaxAttempts: 1, Dialer: parley.Dialer{Protocol: serpy2.Protocol{}, TLSConfig: &tls.Config{}}}
	defer client.Close()
	if err := client.Send(t.Context(), parley.Text("x")); err == nil {
		t.Fatal("an unknown certificate is taken")
	}
	want := parley.Faults{TLSFailures: 1}
	if got := client.Stats().Faults; got != want {
		t.Errorf("the client counted %+v, want %+v", got, want)
	}
	eventually(t, "the server counts a TLS failure", func() bool { return srv.Stats().Faults == want })
}
