package parley_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

// serveOn runs srv.ServeConn on one end of a pipe, and returns the other and
// what ServeConn will return.
func serveOn(srv *parley.Server) (net.Conn, <-chan error) {
	ours, theirs := net.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- srv.ServeConn(theirs) }()
	return ours, ended
}

// Verifies: RUNTIME-67
func TestServeConn(t *testing.T) {
	for _, p := range all {
		bubble(t, label(p), func(t *testing.T) {
			srv := &parley.Server{Protocol: p, Handler: parley.HandlerFunc(echo)}
			d := &parley.Dialer{Protocol: p}
			dial := func() (*parley.Conn, <-chan error) {
				nc, ended := serveOn(srv)
				c, err := d.NewConn(t.Context(), nc)
				if err != nil {
					t.Fatal(err)
				}
				if m, err := c.Call(t.Context(), parley.Text("hello")); err != nil || m.Text() != "hello" {
					t.Errorf("got %v, %v", m, err)
				}
				return c, ended
			}
			c, ended := dial()
			if n, st := len(srv.Conns()), srv.Stats(); n != 1 || st.Open != 1 || st.Accepted != 1 {
				t.Errorf("%d connections, %+v", n, st)
			}
			c.Close()
			if err := <-ended; !errors.Is(err, parley.ErrPeerClosed) {
				t.Errorf("ServeConn returned %v, want ErrPeerClosed", err)
			}
			if st := srv.Stats(); st.Open != 0 || st.Total.MessagesIn != 1 {
				t.Errorf("afterwards %+v", st)
			}
			_, ended = dial()
			if err := srv.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
			select {
			case err := <-ended:
				if !errors.Is(err, parley.ErrServerClosed) && !errors.Is(err, parley.ErrPeerClosed) {
					t.Errorf("ServeConn returned %v", err)
				}
			case <-time.After(time.Second):
				t.Error("Shutdown has not waited for ServeConn's connection")
			}
			nc, ended := serveOn(srv)
			if err := <-ended; !errors.Is(err, parley.ErrServerClosed) {
				t.Errorf("after Shutdown: %v", err)
			}
			if _, err := nc.Read(make([]byte, 1)); err == nil {
				t.Error("after Shutdown the connection is open")
			}
		})
	}
}

// Beyond MaxConns a connection is refused or waits, as WhenFull says; oneline's
// always waits.
//
// Verifies: RUNTIME-67
func TestServeConnFull(t *testing.T) {
	for _, c := range []struct {
		name  string
		srv   *parley.Server
		waits bool
	}{
		{"refuse", &parley.Server{Protocol: serpy2.Protocol{}, MaxConns: 1}, false},
		{"wait", &parley.Server{Protocol: serpy2.Protocol{}, MaxConns: 1, WhenFull: parley.FullWait}, true},
		{"oneline", &parley.Server{Protocol: oneline.Protocol{}}, true},
	} {
		bubble(t, c.name, func(t *testing.T) {
			c.srv.Handler = parley.HandlerFunc(echo)
			d := &parley.Dialer{Protocol: c.srv.Protocol}
			nc, firstEnded := serveOn(c.srv)
			synctest.Wait() // it has its place
			first, err := d.NewConn(t.Context(), nc)
			if err != nil {
				t.Fatal(err)
			}
			nc, ended := serveOn(c.srv)
			if !c.waits {
				if err := <-ended; !errors.Is(err, parley.ErrFull) {
					t.Errorf("the second got %v, want ErrFull", err)
				}
				if _, err := nc.Read(make([]byte, 1)); err == nil {
					t.Error("the second is open")
				}
				first.Close()
				<-firstEnded
				return
			}
			time.Sleep(time.Hour)
			select {
			case err := <-ended:
				t.Fatalf("the second ended with %v", err)
			default:
			}
			first.Close()
			second, err := d.NewConn(t.Context(), nc)
			if err != nil {
				t.Fatal(err)
			}
			third, thirdEnded := serveOn(c.srv) // waits until the server closes
			time.Sleep(time.Second)
			c.srv.Close()
			for _, ch := range []<-chan error{ended, thirdEnded} {
				if err := <-ch; !errors.Is(err, parley.ErrServerClosed) {
					t.Errorf("after Close: %v", err)
				}
			}
			third.Close()
			second.CloseNow()
		})
	}
}

// With Pull the connection is handed out by Accept; with TLSConfig the handshake
// comes first, and ServeConn says how it failed; what can't serve says so.
//
// Verifies: RUNTIME-67
func TestServeConnKinds(t *testing.T) {
	bubble(t, "pull", func(t *testing.T) {
		srv := &parley.Server{Protocol: tinyproto.Protocol{}, Pull: true}
		nc, ended := serveOn(srv)
		if _, err := (&parley.Dialer{Protocol: tinyproto.Protocol{}}).NewConn(t.Context(), nc); err != nil {
			t.Fatal(err)
		}
		s, err := srv.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s.Close()
		if err := <-ended; !errors.Is(err, parley.ErrClosed) {
			t.Errorf("got %v, want ErrClosed", err)
		}
	})
	bubble(t, "TLS", func(t *testing.T) {
		cert, roots := certificate(t)
		srv := &parley.Server{Protocol: serpy2.Protocol{}, Handler: parley.HandlerFunc(echo), TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}}
		nc, ended := serveOn(srv)
		secure := tls.Client(nc, &tls.Config{RootCAs: roots, ServerName: "localhost"})
		c, err := (&parley.Dialer{Protocol: serpy2.Protocol{}}).NewConn(t.Context(), secure)
		if err != nil {
			t.Fatal(err)
		}
		if m, err := c.Call(t.Context(), parley.Text("hello")); err != nil || m.Text() != "hello" {
			t.Errorf("got %v, %v", m, err)
		}
		c.Close()
		<-ended
		nc, ended = serveOn(srv)
		go io.Copy(io.Discard, nc)
		io.WriteString(nc, "this is no TLS at all")
		if err := <-ended; err == nil || !strings.Contains(err.Error(), "TLS with") {
			t.Errorf("without TLS: %v", err)
		}
		nc.Close()
		srv.Close()
	})
	t.Run("no handler", func(t *testing.T) {
		_, ended := serveOn(&parley.Server{Protocol: serpy2.Protocol{}})
		if err := <-ended; !errors.Is(err, parley.ErrNoHandler) {
			t.Errorf("got %v, want ErrNoHandler", err)
		}
	})
}

// A bare socket is served with EventLoops as without, whether Serve runs (then
// by a loop) or not.
//
// Verifies: RUNTIME-67, RUNTIME-53
func TestServeConnSocket(t *testing.T) {
	for _, serving := range []bool{false, true} {
		srv := &parley.Server{Protocol: serpy2.Protocol{}, Handler: parley.HandlerFunc(echo), EventLoops: 2}
		if serving {
			newServer(t, srv)
		}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		ended := make(chan error, 1)
		go func() {
			nc, err := l.Accept()
			if err != nil {
				ended <- err
				return
			}
			ended <- srv.ServeConn(nc)
		}()
		ctx := newContext(t)
		c, err := parley.Dial(ctx, serpy2.Protocol{}, l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			if m, err := c.Call(ctx, parley.Text("hello")); err != nil || m.Text() != "hello" {
				t.Fatalf("serving %v: %v, %v", serving, m, err)
			}
		}
		c.Close()
		if err := next(t, ended, "ServeConn does not return"); !errors.Is(err, parley.ErrPeerClosed) {
			t.Errorf("serving %v: %v, want ErrPeerClosed", serving, err)
		}
	}
}

// Verifies: RUNTIME-68
func TestNetDial(t *testing.T) {
	for _, c := range []struct{ addr, network, address string }{
		{"device:5025", "tcp", "device:5025"},
		{"[::1]:5025", "tcp", "[::1]:5025"},
		{"unix:/run/x", "unix", "/run/x"},
		{"/dev/ttyUSB0", "unix", "/dev/ttyUSB0"},
		{"COM3", "", "COM3"},
	} {
		bubble(t, c.addr, func(t *testing.T) {
			l := newMemory()
			serve(t, &parley.Server{Protocol: serpy2.Protocol{}, Handler: parley.HandlerFunc(echo)}, l)
			d := &parley.Dialer{Protocol: serpy2.Protocol{}, NetDial: func(_ context.Context, network, address string) (net.Conn, error) {
				if network != c.network || address != c.address {
					t.Errorf("NetDial was given %q, %q", network, address)
				}
				return l.dial(t), nil
			}}
			conn, err := d.Dial(t.Context(), c.addr)
			if err != nil {
				t.Fatal(err)
			}
			if m, err := conn.Call(t.Context(), parley.Text("hello")); err != nil || m.Text() != "hello" {
				t.Errorf("got %v, %v", m, err)
			}
			conn.Close()
		})
	}
}

// NetDial has as long as Timeouts.Dial says; its error tells where to; TLS is
// spoken over what it returns, with the name of the address.
//
// Verifies: RUNTIME-68
func TestNetDialFails(t *testing.T) {
	bubble(t, "too slow", func(t *testing.T) {
		began := time.Now()
		d := &parley.Dialer{Protocol: serpy2.Protocol{}, Timeouts: parley.Timeouts{Dial: 3 * time.Second},
			NetDial: func(ctx context.Context, _, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}}
		_, err := d.Dial(t.Context(), "h:1")
		wantTimeout(t, err, "can't connect to h:1", time.Since(began), 3*time.Second)
	})
	broken := errors.New("no such proxy")
	d := &parley.Dialer{Protocol: serpy2.Protocol{}, NetDial: func(context.Context, string, string) (net.Conn, error) { return nil, broken }}
	if _, err := d.Dial(t.Context(), "h:1"); !errors.Is(err, broken) || !strings.Contains(err.Error(), "h:1") {
		t.Errorf("got %v", err)
	}
	if _, err := d.Dial(t.Context(), ""); !errors.Is(err, parley.ErrNoAddress) {
		t.Errorf("no address: %v", err)
	}
	bubble(t, "TLS", func(t *testing.T) {
		cert, roots := certificate(t)
		l := newMemory()
		serve(t, &parley.Server{Protocol: serpy2.Protocol{}, Handler: parley.HandlerFunc(echo), TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}}, l)
		d := &parley.Dialer{Protocol: serpy2.Protocol{}, TLSConfig: &tls.Config{RootCAs: roots},
			NetDial: func(context.Context, string, string) (net.Conn, error) { return l.dial(t), nil }}
		c, err := d.Dial(t.Context(), "localhost:1")
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if _, err := d.Dial(t.Context(), "elsewhere:1"); err == nil || !strings.Contains(err.Error(), "elsewhere") {
			t.Errorf("a certificate of another name: %v", err)
		}
	})
}
