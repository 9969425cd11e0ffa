package parley_test

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/tinyproto"
)

// oddConn is a network connection of a program, one method of which does something odd
// from its second call on.
type oddConn struct {
	net.Conn
	method string
	calls  atomic.Int64
}

func (c *oddConn) odd(method string) bool { return c.method == method && c.calls.Add(1) > 1 }

func (c *oddConn) Read(p []byte) (int, error) {
	switch n, err := c.Conn.Read(p); {
	case c.odd("panic in Read"):
		panic("odd")
	case c.odd("more read"):
		return len(p) + 1, err
	default:
		return n, err
	}
}

func (c *oddConn) Write(p []byte) (int, error) {
	switch n, err := c.Conn.Write(p); {
	case c.odd("panic in Write"):
		panic("odd")
	case c.odd("more written"):
		return n + 1, err
	case c.odd("less than nothing written"):
		return -1, err
	default:
		return n, err
	}
}

func (c *oddConn) SetWriteDeadline(t time.Time) error {
	if c.method == "panic in SetWriteDeadline" {
		panic("odd")
	}
	return c.Conn.SetWriteDeadline(t)
}

func (c *oddConn) Close() error {
	err := c.Conn.Close()
	if c.method == "panic in Close" {
		panic("odd")
	}
	return err
}

// oddListener gives out an odd connection first.
type oddListener struct {
	net.Listener
	method string
	calls  atomic.Int64
}

func (l *oddListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil || l.calls.Add(1) > 1 {
		return c, err
	}
	switch l.method {
	case "panic in Accept":
		c.Close()
		panic("odd")
	case "nothing accepted":
		c.Close()
		return nil, nil
	}
	return &oddConn{Conn: c, method: l.method}, nil
}

// A listener and connections that the program has made may panic or lie: that costs the
// connection, the next one is served, and the server ends.
//
// Verifies: RUNTIME-26
func TestOddConnections(t *testing.T) {
	for _, method := range []string{"panic in Read", "more read", "panic in Write", "more written", "less than nothing written",
		"panic in SetWriteDeadline", "panic in Close", "panic in Accept", "nothing accepted"} {
		t.Run(method, func(t *testing.T) {
			raw, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			srv := &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(echo)}
			served := make(chan error, 1)
			go func() { served <- srv.Serve(&oddListener{Listener: raw, method: method}) }()
			d := parley.Dialer{Protocol: tinyproto.Protocol{}}
			if c, err := d.Dial(newContext(t), raw.Addr().String()); err == nil {
				c.Call(newContext(t), parley.Text("odd"))
				c.Close()
			}
			c, err := d.Dial(newContext(t), raw.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			if m, err := c.Call(newContext(t), parley.Text("honest")); err != nil || m.Text() != "honest" {
				t.Errorf("%v, %v", m, err)
			}
			c.Close()
			if err := srv.Shutdown(newContext(t)); err != nil {
				t.Error(err)
			}
			if n := srv.Stats().Open; n != 0 {
				t.Errorf("%d connections are open in the end", n)
			}
			if err := <-served; !errors.Is(err, parley.ErrServerClosed) {
				t.Error(err)
			}
			odd := d // the same at the other end
			odd.NetDial = func(context.Context, string, string) (net.Conn, error) {
				if method == "nothing accepted" {
					return nil, nil
				}
				a, b := net.Pipe()
				go io.Copy(io.Discard, a)
				go a.Write([]byte{0xff})
				t.Cleanup(func() { a.Close() })
				return &oddConn{Conn: b, method: method}, nil
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if c, err := odd.Dial(ctx, "odd:1"); err == nil {
				c.Call(ctx, parley.Text("odd"))
				c.CloseNow()
			}
		})
	}
}

// A reader without an end that brings nothing ends its connection.
//
// Verifies: RUNTIME-22
func TestReaderWithoutProgress(t *testing.T) {
	srv := &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
		return c.SendStream(ctx, 1<<20, emptyReader{})
	})}
	closed := make(chan error, 1)
	srv.Hooks.OnClose = func(_ *parley.Conn, err error) { closed <- err }
	d := parley.Dialer{Protocol: tinyproto.Protocol{}}
	c, err := d.Dial(newContext(t), newServer(t, srv))
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	c.Send(newContext(t), parley.Text("go"))
	select {
	case err := <-closed:
		if !errors.Is(err, io.ErrNoProgress) {
			t.Error(err)
		}
	case <-newContext(t).Done():
		t.Error("it is read for ever")
	}
}

type emptyReader struct{}

func (emptyReader) Read([]byte) (int, error) { return 0, nil }
