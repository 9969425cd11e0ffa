package parleytest_test

import (
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/parleytest"
)

// device is what is to be tested.
var device = parley.HandlerFunc(echo)

// A test of a server, over a socket.
func ExampleNewServer() {
	_ = func(t *testing.T) { // func TestDevice(t *testing.T)
		addr := parleytest.NewServer(t, &parley.Server{Protocol: oneline.Protocol{}, Handler: device})
		c, err := parley.Dial(t.Context(), oneline.Protocol{}, addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if m, err := c.Call(t.Context(), parley.Text("cmd01")); err != nil || m.Text() != "ack" {
			t.Errorf("cmd01: got %v, %v", m, err)
		}
	}
}

// The same in memory, where testing/synctest makes time virtual.
func ExamplePipe() {
	_ = func(t *testing.T) { // func TestDevice(t *testing.T)
		c := parleytest.Pipe(t, &parley.Server{Protocol: oneline.Protocol{}, Handler: device}, nil)
		if m, err := c.Call(t.Context(), parley.Text("cmd01")); err != nil || m.Text() != "ack" {
			t.Errorf("cmd01: got %v, %v", m, err)
		}
	}
}
