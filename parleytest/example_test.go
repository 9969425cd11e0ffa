package parleytest_test

import (
	"testing"
	"testing/synctest"
	"time"

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
		c, _ := parleytest.Pipe(t, &parley.Server{Protocol: oneline.Protocol{}, Handler: device}, nil)
		if m, err := c.Call(t.Context(), parley.Text("cmd01")); err != nil || m.Text() != "ack" {
			t.Errorf("cmd01: got %v, %v", m, err)
		}
	}
}

// A client outlives a restart of its server, which takes an hour of virtual time.
func ExampleNetwork() {
	_ = func(t *testing.T) { // func TestRestart(t *testing.T)
		synctest.Test(t, func(t *testing.T) {
			network := parleytest.NewNetwork(t)
			first := &parley.Server{Protocol: oneline.Protocol{}, Handler: device}
			network.Serve(first, "device:5001")
			c := &parley.Client{Dialer: *network.Dialer(oneline.Protocol{}), Addr: "device:5001"}
			defer c.Close()
			if _, err := c.Call(t.Context(), parley.Text("cmd01")); err != nil {
				t.Fatal(err)
			}
			first.Close()
			time.Sleep(time.Hour)
			network.Serve(&parley.Server{Protocol: oneline.Protocol{}, Handler: device}, "device:5001")
			if m, err := c.Call(t.Context(), parley.Text("cmd01")); err != nil || m.Text() != "ack" {
				t.Errorf("after the restart: %v, %v", m, err)
			}
		})
	}
}
