package parley_test

import (
	"context"
	"runtime"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/parleytest"
	"github.com/parley-net/parley/tinyproto"
)

// Keys of tests.
var (
	count  parley.Key[int]
	word   parley.Key[string]
	reason parley.Key[error]
)

// Values are kept by key and by connection, also when it has ended.
//
// Verifies: RUNTIME-73
func TestKey(t *testing.T) {
	echo := func(ctx context.Context, c *parley.Conn, m parley.Message) error { return c.Send(ctx, m) }
	c, s := parleytest.Pipe(t, &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(echo)}, nil)
	if n, ok := count.Lookup(c); n != 0 || ok {
		t.Errorf("before Set: %d, %v", n, ok)
	}
	count.Set(c, 1)
	count.Set(s, 2)
	word.Set(c, "a")
	word.Set(c, "b")
	reason.Set(c, nil)
	if n := count.Get(c); n != 1 {
		t.Errorf("one end has %d, want 1", n)
	}
	if n := count.Get(s); n != 2 {
		t.Errorf("the other end has %d, want 2", n)
	}
	if w := word.Get(c); w != "b" {
		t.Errorf("the other key has %q, want what was set last", w)
	}
	if err, ok := reason.Lookup(c); err != nil || !ok {
		t.Errorf("a nil error: %v, %v", err, ok)
	}
	c.CloseNow()
	<-c.Done()
	if n := count.Get(c); n != 1 {
		t.Errorf("after the end: %d, want 1", n)
	}
}

// A value costs its connection little.
//
// Verifies: RUNTIME-73
func TestKeySize(t *testing.T) {
	const n = 2000
	conns := make([]*parley.Conn, n)
	for i := range conns {
		conns[i] = new(parley.Conn)
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	v := &struct{ big [1000]byte }{}
	var session parley.Key[*struct{ big [1000]byte }]
	for _, c := range conns {
		session.Set(c, v)
	}
	runtime.ReadMemStats(&after)
	if got := (after.TotalAlloc - before.TotalAlloc) / n; got > 128 {
		t.Errorf("%d bytes for the first value of a connection, want at most 128", got)
	} else {
		t.Logf("%d bytes for the first value of a connection", got)
	}
	before = after
	for _, c := range conns {
		word.Set(c, "a")
	}
	runtime.ReadMemStats(&after)
	if got := (after.TotalAlloc - before.TotalAlloc) / n; got > 64 {
		t.Errorf("%d bytes for the second", got)
	} else {
		t.Logf("%d bytes for the second", got)
	}
}

type userKey struct{}

// ConnContext gives a connection's context values, at both ends; the context still
// ends with the connection, and says why.
//
// Verifies: RUNTIME-74
func TestConnContext(t *testing.T) {
	seen := make(chan any, 10)
	name := func(who string) func(context.Context, *parley.Conn) context.Context {
		return func(ctx context.Context, c *parley.Conn) context.Context {
			return context.WithValue(ctx, userKey{}, who)
		}
	}
	srv := &parley.Server{
		Protocol: tinyproto.Protocol{},
		Hooks: parley.Hooks{ConnContext: name("ann"), OnOpen: func(ctx context.Context, c *parley.Conn) error {
			seen <- ctx.Value(userKey{})
			return nil
		}},
		Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			seen <- ctx.Value(userKey{})
			seen <- c.Context().Value(userKey{})
			return c.Send(ctx, m)
		}),
	}
	addr := newServer(t, srv)
	d := &parley.Dialer{Protocol: tinyproto.Protocol{}, Hooks: parley.Hooks{ConnContext: name("bob")}}
	c, err := d.Dial(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Call(t.Context(), parley.Text("x")); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if who := <-seen; who != "ann" {
			t.Errorf("the server's context has %v, want ann", who)
		}
	}
	ctx := c.Context()
	if who := ctx.Value(userKey{}); who != "bob" {
		t.Errorf("the dialler's context has %v, want bob", who)
	}
	c.CloseNow()
	<-ctx.Done()
	if cause := context.Cause(ctx); cause != parley.ErrClosed {
		t.Errorf("the cause is %v, want ErrClosed", cause)
	}
}

// A ConnContext that loses the connection's context is told so, and costs the
// connection, not the server.
//
// Verifies: RUNTIME-74
func TestConnContextLost(t *testing.T) {
	for name, hook := range map[string]func(context.Context, *parley.Conn) context.Context{
		"nil":     func(context.Context, *parley.Conn) context.Context { return nil },
		"another": func(context.Context, *parley.Conn) context.Context { return context.Background() },
		"panic":   func(context.Context, *parley.Conn) context.Context { panic("no") },
	} {
		t.Run(name, func(t *testing.T) {
			ended := make(chan error, 1)
			srv := &parley.Server{
				Protocol: oneline.Protocol{},
				Hooks:    parley.Hooks{ConnContext: hook, OnClose: func(_ *parley.Conn, err error) { ended <- err }},
				Handler:  parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error { return c.Send(ctx, m) }),
			}
			c, err := parley.Dial(t.Context(), oneline.Protocol{}, newServer(t, srv))
			if err == nil {
				c.Call(t.Context(), parley.Text("x"))
				c.CloseNow()
			}
			if err := <-ended; err == nil || err == parley.ErrPeerClosed {
				t.Errorf("the connection ended with %v", err)
			}
		})
	}
}
