package parley_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

// How a program's code can end without returning.
var faults = []struct {
	name string
	do   func()
	says string // the reason of the connection's end
}{
	{"panic", func() { panic("enough") }, "panic while serving 127.0.0.1"},
	{"goexit", runtime.Goexit, "runtime.Goexit"},
}

// Wherever the program's code panics or ends its goroutine, that costs its
// connection: OnClose is told, the place is given back, and the server can be used
// and shut down as before.
//
// Verifies: RUNTIME-26, RUNTIME-27
func TestFaultCostsItsConnection(t *testing.T) {
	text := parley.Text
	first := func(f func()) func() { // only the first connection
		done := false
		return func() {
			if !done {
				done = true
				f()
			}
		}
	}
	type config struct {
		srv  *parley.Server
		talk func(*testing.T, *parley.Conn) // the first client's part
	}
	send := func(messages ...string) func(*testing.T, *parley.Conn) {
		return func(t *testing.T, c *parley.Conn) {
			for _, m := range messages {
				c.Send(newContext(t), text(m))
			}
		}
	}
	handler := func(p parley.Protocol, f func(ctx context.Context, c *parley.Conn, m parley.Message)) *parley.Server {
		return &parley.Server{Protocol: p, Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			if strings.HasPrefix(m.Text(), "fault") {
				f(ctx, c, m)
			}
			return c.Send(ctx, m)
		})}
	}
	kinds := []struct {
		name string
		make func(f func()) config
	}{
		{"handler", func(f func()) config {
			return config{srv: handler(tinyproto.Protocol{}, func(context.Context, *parley.Conn, parley.Message) { f() }), talk: send("fault")}
		}},
		{"handler of a batch", func(f func()) config {
			return config{srv: handler(serpy2.Protocol{}, func(context.Context, *parley.Conn, parley.Message) { f() }),
				talk: func(t *testing.T, c *parley.Conn) {
					io.WriteString(c.NetConn(), serpy2Text("a", "b", "fault", "c", "d"))
				}}
		}},
		{"handler on a wire with turns", func(f func()) config {
			return config{srv: handler(oneline.Protocol{}, func(context.Context, *parley.Conn, parley.Message) { f() }), talk: send("fault")}
		}},
		{"handler that has waited", func(f func()) config {
			return config{srv: handler(tinyproto.Protocol{}, func(ctx context.Context, c *parley.Conn, m parley.Message) {
				c.Call(ctx, text("question"))
				f()
			}), talk: func(t *testing.T, c *parley.Conn) {
				c.Send(newContext(t), text("fault"))
				c.Receive(newContext(t))
				send("answer", "more", "more")(t, c)
			}}
		}},
		{"handler of a message that has waited", func(f func()) config {
			srv := handler(tinyproto.Protocol{}, func(ctx context.Context, c *parley.Conn, m parley.Message) {
				if m.Text() == "fault 1" {
					c.Confirm(ctx, text("x")) // meanwhile the next message queues
					c.Call(ctx, text("question"))
					return
				}
				f()
			})
			return config{srv: srv, talk: func(t *testing.T, c *parley.Conn) {
				send("fault 1")(t, c)
				c.Receive(newContext(t))
				c.Receive(newContext(t))
				send("answer", "fault 2")(t, c)
			}}
		}},
		{"handler behind the peer's end", func(f func()) config {
			return config{srv: handler(tinyproto.Protocol{}, func(ctx context.Context, c *parley.Conn, m parley.Message) {
				c.Receive(ctx)
				f()
			}), talk: func(t *testing.T, c *parley.Conn) {
				send("fault")(t, c)
				c.NetConn().(*net.TCPConn).CloseWrite()
			}}
		}},
		{"handler of a connection that was cut", func(f func()) config {
			return config{srv: handler(tinyproto.Protocol{}, func(ctx context.Context, c *parley.Conn, m parley.Message) {
				c.CloseNow()
				f()
			}), talk: send("fault")}
		}},
		{"OnOpen", func(f func()) config {
			f = first(f)
			srv := handler(tinyproto.Protocol{}, nil)
			srv.Hooks.OnOpen = func(context.Context, *parley.Conn) error { f(); return nil }
			return config{srv: srv, talk: send("a")}
		}},
		{"OnClose", func(f func()) config {
			f = first(f)
			srv := handler(tinyproto.Protocol{}, nil)
			srv.Hooks.OnClose = func(*parley.Conn, error) { f() }
			return config{srv: srv, talk: func(t *testing.T, c *parley.Conn) { c.Close() }}
		}},
		{"OnMessageError", func(f func()) config {
			srv := handler(serpy2.Protocol{}, nil)
			srv.Hooks.OnMessageError = func(*parley.Conn, error) { f() }
			return config{srv: srv, talk: func(t *testing.T, c *parley.Conn) {
				io.WriteString(c.NetConn(), "\xde\xca\xfe\xca\xfe\x21\x00\x00\x00\x00\x01\x00\x00\x00x")
			}}
		}},
		{"OnShutdownRequest", func(f func()) config {
			srv := handler(oneline.Protocol{}, nil)
			srv.OnShutdownRequest = func(*parley.Conn) error { f(); return nil }
			return config{srv: srv, talk: send("shutdown")}
		}},
		{"ServeStream", func(f func()) config {
			srv := handler(tinyproto.Protocol{}, nil)
			srv.Limits.MaxMessage = 1000
			srv.Handler = streamFault{f: f}
			return config{srv: srv, talk: func(t *testing.T, c *parley.Conn) {
				c.SendStream(newContext(t), 2000, strings.NewReader(strings.Repeat("x", 2000)))
			}}
		}},
		{"the reader of SendStream", func(f func()) config {
			return config{srv: handler(tinyproto.Protocol{}, func(ctx context.Context, c *parley.Conn, _ parley.Message) {
				c.SendStream(ctx, 100, faultReader{f})
			}), talk: send("fault")}
		}},
		{"Trace", func(f func()) config {
			srv := handler(tinyproto.Protocol{}, nil)
			srv.Trace = func(tr parley.Trace) {
				if strings.HasPrefix(tr.Message.Text(), "fault") {
					f()
				}
			}
			return config{srv: srv, talk: send("fault")}
		}},
		{"OnTick", func(f func()) config {
			f = first(f)
			srv := handler(tinyproto.Protocol{}, nil)
			srv.TickInterval = time.Millisecond
			ticks := make(chan bool, 2) // the second is behind the fault
			srv.OnTick = func(context.Context, *parley.Server) {
				select {
				case ticks <- true:
				default:
				}
				f()
			}
			return config{srv: srv, talk: func(t *testing.T, c *parley.Conn) {
				for range 2 {
					next(t, ticks, "OnTick is not called any more")
				}
				c.Close()
			}}
		}},
		{"logger", func(f func()) config {
			srv := handler(tinyproto.Protocol{}, nil)
			srv.Logger = slog.New(faultLog{f})
			return config{srv: srv, talk: func(t *testing.T, c *parley.Conn) { c.Close() }}
		}},
	}
	for _, fault := range faults {
		for _, k := range kinds {
			t.Run(fault.name+"/"+k.name, func(t *testing.T) {
				cfg := k.make(fault.do)
				srv := cfg.srv
				srv.MaxConns, srv.WhenFull = 1, parley.FullWait
				reasons := make(chan error, 10)
				hook := srv.Hooks.OnClose
				srv.Hooks.OnClose = func(c *parley.Conn, err error) {
					reasons <- err
					if hook != nil {
						hook(c, err)
					}
				}
				addr := newServer(t, srv)
				d := &parley.Dialer{Protocol: srv.Protocol}
				c, err := d.Dial(newContext(t), addr)
				if err != nil {
					t.Fatal(err)
				}
				defer c.CloseNow()
				cfg.talk(t, c)
				err = next(t, reasons, "OnClose was not called")
				c.CloseNow() // its own end may be later
				switch {
				case k.name == "OnClose", k.name == "OnTick", k.name == "logger": // a proper end
					if !errors.Is(err, parley.ErrPeerClosed) {
						t.Errorf("the end: %v, want ErrPeerClosed", err)
					}
				case k.name == "handler of a connection that was cut":
					if !errors.Is(err, parley.ErrClosed) {
						t.Errorf("the end: %v, want ErrClosed", err)
					}
				case k.name == "the reader of SendStream":
				case !strings.Contains(err.Error(), fault.says):
					t.Errorf("the end: %v, want %q", err, fault.says)
				}
				within(t, "the server", func() {
					srv.Stats()
					srv.Conns()
					srv.Broadcast(text("x"))
				})
				again, err := d.Dial(newContext(t), addr) // there is one place
				if err != nil {
					t.Fatalf("the next client: %v", err)
				}
				if a, err := again.Call(newContext(t), text("hello")); err != nil || a.Text() != "hello" {
					t.Errorf("the next client got %q, %v", a.Text(), err)
				}
				again.Close()
				if err := srv.Shutdown(newContext(t)); err != nil {
					t.Errorf("Shutdown: %v", err)
				}
			})
		}
	}
}

type streamFault struct{ f func() }

func (h streamFault) ServeMessage(ctx context.Context, c *parley.Conn, m parley.Message) error {
	return c.Send(ctx, m)
}

func (h streamFault) ServeStream(context.Context, *parley.Conn, *parley.Stream) error {
	h.f()
	return nil
}

type faultReader struct{ f func() }

func (r faultReader) Read([]byte) (int, error) {
	r.f()
	return 0, io.EOF
}

type faultLog struct{ f func() }

func (faultLog) Enabled(context.Context, slog.Level) bool    { return true }
func (l faultLog) Handle(context.Context, slog.Record) error { l.f(); return nil }
func (l faultLog) WithAttrs([]slog.Attr) slog.Handler        { return l }
func (l faultLog) WithGroup(string) slog.Handler             { return l }

// A callback of TLS costs the connection that it was called for, and its place is
// given back.
//
// Verifies: RUNTIME-26, RUNTIME-04
func TestFaultInTLS(t *testing.T) {
	cert, roots := certificate(t)
	for _, fault := range faults {
		t.Run(fault.name, func(t *testing.T) {
			calls := 0
			srv := &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(echo), MaxConns: 1, WhenFull: parley.FullWait,
				TLSConfig: &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) {
					if calls++; calls == 1 {
						fault.do()
					}
					return &cert, nil
				}}}
			addr := newServer(t, srv)
			d := &parley.Dialer{Protocol: tinyproto.Protocol{}, TLSConfig: &tls.Config{RootCAs: roots, ServerName: "localhost"}}
			if _, err := d.Dial(newContext(t), addr); err == nil {
				t.Error("the first client was served")
			}
			c, err := d.Dial(newContext(t), addr)
			if err != nil {
				t.Fatalf("the next client: %v", err)
			}
			defer c.CloseNow()
			if _, err := c.Call(newContext(t), parley.Text("hello")); err != nil {
				t.Error(err)
			}
		})
	}
}
