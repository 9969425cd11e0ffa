package parley_test

// A client that asks the server to end, as oneline's can.

import (
	"errors"
	"net"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/oneline"
)

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
