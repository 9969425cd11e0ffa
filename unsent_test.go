package parley_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

// ways are the methods that send one message.
var ways = []struct {
	name string
	send func(ctx context.Context, c *parley.Conn, m parley.Message) error
}{
	{"Send", func(ctx context.Context, c *parley.Conn, m parley.Message) error { return c.Send(ctx, m) }},
	{"Confirm", func(ctx context.Context, c *parley.Conn, m parley.Message) error { return c.Confirm(ctx, m) }},
	{"Call", func(ctx context.Context, c *parley.Conn, m parley.Message) error {
		_, err := c.Call(ctx, m)
		return err
	}},
	{"SendStream", func(ctx context.Context, c *parley.Conn, m parley.Message) error {
		return c.SendStream(ctx, int64(m.Len()), strings.NewReader(m.Text()))
	}},
}

// An error of a message that has not left matches ErrNotSent, one of a message that
// the peer may have does not.
//
// Verifies: RUNTIME-58
func TestErrNotSent(t *testing.T) {
	small := parley.Text("x")
	ended := func() context.Context {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		return ctx
	}
	soon := func() context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	// fill makes the output full: what is sent then waits for its turn.
	fill := func(t *testing.T, c *parley.Conn) {
		for full := false; !full; {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond) // each has its own
			full = c.Send(ctx, parley.Bytes(make([]byte, 60<<10))) != nil
			cancel()
		}
	}
	cases := []struct {
		name    string
		p       parley.Protocol
		only    string // one of ways; "": all
		prepare func(*testing.T, *parley.Conn, *bare)
		ctx     func() context.Context
		m       parley.Message
		during  func(*parley.Conn, *bare) // when the message has been heard
		notSent bool
	}{
		{name: "the connection has ended", p: tinyproto.Protocol{}, m: small, notSent: true,
			prepare: func(_ *testing.T, c *parley.Conn, _ *bare) { c.CloseNow() }},
		{name: "the context has ended", p: tinyproto.Protocol{}, m: small, notSent: true, ctx: ended},
		{name: "the turn does not come", p: tinyproto.Protocol{}, m: small, notSent: true, ctx: soon,
			prepare: func(t *testing.T, c *parley.Conn, _ *bare) { fill(t, c) }},
		{name: "the connection ends before the turn", p: tinyproto.Protocol{}, m: small, notSent: true,
			prepare: func(t *testing.T, c *parley.Conn, _ *bare) {
				fill(t, c)
				time.AfterFunc(50*time.Millisecond, func() { c.CloseNow() })
			}},
		{name: "too large", p: oneline.Protocol{MaxLine: 10}, m: parley.Text(strings.Repeat("x", 100)), notSent: true},
		{name: "not representable", p: oneline.Protocol{}, m: parley.Text("a\nb"), notSent: true},
		{name: "no object there", p: tinyproto.Protocol{}, only: "Call", m: parley.Object(1), notSent: true},
		{name: "no confirmation there", p: serpy2.Protocol{}, only: "Confirm", m: small, notSent: true},
		{name: "the peer refuses it ahead of its body", p: tinyproto.Protocol{}, m: parley.Text(strings.Repeat("x", 100<<10)), notSent: true,
			during: func(_ *parley.Conn, peer *bare) { peer.say("\xfd"); peer.Close() }},
		{name: "lost ahead of its body", p: tinyproto.Protocol{}, m: parley.Text(strings.Repeat("x", 100<<10)), notSent: true,
			during: func(_ *parley.Conn, peer *bare) { peer.reset() }},
		{name: "no answer", p: tinyproto.Protocol{}, only: "Call", m: small, ctx: soon},
		{name: "no confirmation", p: tinyproto.Protocol{}, only: "Confirm", m: small, ctx: soon},
		{name: "lost before the answer", p: tinyproto.Protocol{}, only: "Call", m: small,
			during: func(_ *parley.Conn, peer *bare) { peer.reset() }},
		{name: "lost before the confirmation", p: serpy.Protocol{Mode: 1}, only: "Confirm", m: small,
			during: func(_ *parley.Conn, peer *bare) { peer.reset() }},
		{name: "closed before the answer", p: tinyproto.Protocol{}, only: "Call", m: small,
			during: func(c *parley.Conn, _ *bare) { c.CloseNow() }},
		{name: "lost inside the body", p: tinyproto.Protocol{}, m: parley.Bytes(make([]byte, 32<<20)),
			during: func(c *parley.Conn, peer *bare) {
				peer.say(tinyOK)
				io.CopyN(io.Discard, peer, 1<<20)
				c.CloseNow()
			}},
	}
	for _, k := range cases {
		for _, way := range ways {
			if k.only != "" && k.only != way.name || way.name == "Confirm" && !k.p.Traits().Confirms && k.only == "" ||
				way.name == "SendStream" && k.name == "not representable" {
				continue
			}
			t.Run(k.name+"/"+way.name, func(t *testing.T) {
				hello := map[string]string{"tinyproto": tinyHello, "oneline": "pong\n"}[k.p.Name()]
				c, peer := barePeer(t, &parley.Dialer{Protocol: k.p}, hello)
				ctx := newContext(t)
				if k.ctx != nil {
					ctx = k.ctx()
				}
				if k.prepare != nil {
					k.prepare(t, c, peer)
				}
				if k.during != nil {
					if hello != "" {
						peer.hear(hello)
					}
					go func() {
						io.ReadFull(peer, make([]byte, 2)) // it has begun to arrive
						if k.m.Len() > 64<<10 {
							io.ReadFull(peer, make([]byte, 2))
						}
						k.during(c, peer)
					}()
				}
				err := way.send(ctx, c, k.m)
				if err == nil {
					t.Fatal("it was sent")
				}
				if got := errors.Is(err, parley.ErrNotSent); got != k.notSent {
					t.Errorf("%v: ErrNotSent is %v", err, got)
				}
			})
		}
	}
}

// A Client that has no connection has not sent either.
//
// Verifies: RUNTIME-58
func TestClientErrNotSent(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.Close() // nobody listens there
	client := &parley.Client{Dialer: parley.Dialer{Protocol: tinyproto.Protocol{}}, Addr: l.Addr().String()}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := client.Send(ctx, parley.Text("x")); !errors.Is(err, parley.ErrNotSent) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Send: %v", err)
	}
	client.Close()
	if _, err := client.Call(newContext(t), parley.Text("x")); !errors.Is(err, parley.ErrNotSent) || !errors.Is(err, parley.ErrClientClosed) {
		t.Errorf("Call: %v", err)
	}
}

// What no attempt can mend is an error of the first call.
//
// Verifies: RUNTIME-37
func TestClientMistakes(t *testing.T) {
	p := tinyproto.Protocol{}
	cases := []struct {
		name string
		d    *parley.Dialer
		addr string
		says string
	}{
		{"no protocol", &parley.Dialer{}, "127.0.0.1:1", "no Protocol"},
		{"no address", &parley.Dialer{Protocol: p}, "", "no address"},
		{"no port", &parley.Dialer{Protocol: p}, "localhost", "missing port"},
		{"an empty port", &parley.Dialer{Protocol: p}, "localhost:", "no port"},
		{"port zero", &parley.Dialer{Protocol: p}, "localhost:0", "no port"},
		{"a port too high", &parley.Dialer{Protocol: p}, "localhost:70000", "70000"},
		{"an unknown service", &parley.Dialer{Protocol: p}, "localhost:nosuchservice", "nosuchservice"},
		{"no path", &parley.Dialer{Protocol: p}, "unix:", "no path"},
		{"plugins", &parley.Dialer{Protocol: oneline.Protocol{}, Plugins: []parley.Plugin{unsound{}}}, "127.0.0.1:1", "plugins can't be used"},
		{"TLS without a name", &parley.Dialer{Protocol: p, TLSConfig: &tls.Config{}}, "unix:/tmp/nowhere", "ServerName"},
	}
	for _, k := range cases {
		t.Run(k.name, func(t *testing.T) {
			if _, err := k.d.Dial(newContext(t), k.addr); err == nil || !strings.Contains(err.Error(), k.says) {
				t.Errorf("Dial: %v, want %q", err, k.says)
			}
			client := &parley.Client{Dialer: parley.Dialer{Protocol: k.d.Protocol, Plugins: k.d.Plugins, TLSConfig: k.d.TLSConfig}, Addr: k.addr}
			defer client.Close()
			err := client.Send(newContext(t), parley.Text("x"))
			if err == nil || !strings.Contains(err.Error(), k.says) || errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, parley.ErrNotSent) {
				t.Errorf("Send: %v, want %q", err, k.says)
			}
			if s, err := client.State(); s != parley.StateClosed || err == nil {
				t.Errorf("the state is %v, %v", s, err)
			}
		})
	}
}

// OnState may use the Client: nobody waits for it but Close, and a call that waits
// for a connection ends with the Client.
//
// Verifies: RUNTIME-37
func TestOnStateSends(t *testing.T) {
	got := make(chan string, 100)
	addr := newServer(t, &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(func(_ context.Context, _ *parley.Conn, m parley.Message) error {
		got <- m.Text()
		return nil
	})})
	client := &parley.Client{Dialer: parley.Dialer{Protocol: tinyproto.Protocol{}}, Addr: addr}
	var states []parley.State
	client.OnState = func(s parley.State, _ error) {
		states = append(states, s)
		client.Send(context.Background(), parley.Text(s.String()))
	}
	client.Start()
	for _, want := range []string{"connecting", "connected"} {
		if s := next(t, got, "nothing was sent"); s != want {
			t.Errorf("sent %q, want %q", s, want)
		}
	}
	within(t, "Close", func() { client.Close() })
	if s := states[len(states)-1]; s != parley.StateClosed {
		t.Errorf("the last state is %v", s)
	}

	nobody, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody.Close()
	waiting := make(chan bool, 100)
	client = &parley.Client{Dialer: parley.Dialer{Protocol: tinyproto.Protocol{}}, Addr: nobody.Addr().String()}
	client.OnState = func(s parley.State, _ error) {
		waiting <- true
		client.Send(context.Background(), parley.Text("x"))
	}
	client.Start()
	next(t, waiting, "OnState was not called")
	within(t, "Close", func() { client.Close() })
}

// A fault in OnState costs the connection that it was told of, and no other.
//
// Verifies: RUNTIME-26, RUNTIME-37
func TestFaultInOnState(t *testing.T) {
	for _, fault := range faults {
		t.Run(fault.name, func(t *testing.T) {
			addr := newServer(t, &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(echo)})
			seen := make(chan error, 100)
			client := &parley.Client{Dialer: parley.Dialer{Protocol: tinyproto.Protocol{}}, Addr: addr, MinBackoff: time.Millisecond}
			connected := 0
			client.OnState = func(s parley.State, err error) {
				if s == parley.StateWaiting {
					seen <- err
				}
				if s == parley.StateConnected {
					if connected++; connected == 1 {
						fault.do()
					}
				}
			}
			client.Start()
			defer client.Close()
			if err := next(t, seen, "the connection lives"); err == nil || !strings.Contains(err.Error(), fault.says) {
				t.Errorf("the connection was lost because of %v, want %q", err, fault.says)
			}
			if m, err := client.Call(newContext(t), parley.Text("again")); err != nil || m.Text() != "again" {
				t.Errorf("then: %v, %v", m, err)
			}
		})
	}
}
