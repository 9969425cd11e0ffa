package parley_test

// Where a server listens: its addresses, what is missing or malformed in them,
// and what else a Server needs before it can begin.

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/internal/socketdir"
	"github.com/parley-net/parley/plugin/checksum"
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
	t.Run("a Unix socket without a path", func(t *testing.T) {
		for _, a := range []string{"unix:", "unix://"} {
			srv := &parley.Server{Protocol: serpy2.Protocol{}, Handler: handler}
			if err := srv.Listen(a); err == nil || !strings.Contains(err.Error(), "has no path") {
				t.Errorf("listening at %s: %v", a, err)
			}
			srv.Close()
			if _, err := parley.Dial(t.Context(), serpy2.Protocol{}, a); err == nil || !strings.Contains(err.Error(), "has no path") {
				t.Errorf("dialling %s: %v", a, err)
			}
		}
	})
	t.Run("what would cost every connection", func(t *testing.T) {
		for name, srv := range map[string]*parley.Server{
			"Plugins[1] is nil":            {Protocol: tinyproto.Protocol{}, Handler: handler, Plugins: []parley.Plugin{checksum.Plugin{}, nil}},
			"HandlerFunc of no function":   {Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(nil)},
			"TLSConfig has no certificate": {Protocol: tinyproto.Protocol{}, Handler: handler, TLSConfig: &tls.Config{}},
		} {
			if err := srv.Listen(addr); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s: the server's error is %v", name, err)
			}
			srv.Close()
			if srv.TLSConfig != nil { // a Dialer needs no certificate
				continue
			}
			d := parley.Dialer{Protocol: srv.Protocol, Handler: srv.Handler, Plugins: srv.Plugins}
			ours, theirs := net.Pipe()
			if _, err := d.NewConn(t.Context(), ours); err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%s: the Dialer's error is %v", name, err)
			}
			theirs.Close()
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
			path := filepath.Join(socketdir.New(t), "s")
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
