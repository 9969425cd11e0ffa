package main

import (
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/parleytest"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

func TestConformance(t *testing.T) {
	three := "HID\x00\x00\x00\x03oneD\x00\x00\x00\x00D\x00\x00\x00\x03two"
	wiretest.Conformance(t, Acked{}, []wiretest.Stream{
		{Name: "three", Role: wire.Accepting, Bytes: []byte(three), Messages: 3},
		{Name: "acknowledged", Role: wire.Dialing, Bytes: []byte(three + "A"), Messages: 3, Sends: []wire.Message{wire.Text("x")}},
		{Name: "in pieces", Role: wire.Accepting, Limits: wire.Limits{MaxMessage: 2}, Bytes: []byte(three), Messages: 3},
		{Name: "announced", Role: wire.Accepting, Bytes: []byte("HID\x7f\xff\xff\xff and no more")},
	}, nil)
}

func TestConfirmAndStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &parley.Server{Protocol: Acked{}, Handler: sink{}, Limits: parley.Limits{MaxMessage: 1000}}
		c, _ := parleytest.Pipe(t, srv, nil)
		if err := c.Confirm(t.Context(), parley.Text("hello")); err != nil {
			t.Error(err)
		}
		if err := c.SendStream(t.Context(), 1<<20, io.LimitReader(strings.NewReader(strings.Repeat("x", 1<<20)), 1<<20)); err != nil {
			t.Error(err)
		}
		for _, want := range []string{"message 5", "stream 1048576"} {
			if m, err := c.Receive(t.Context()); err != nil || m.Text() != want {
				t.Errorf("got %v, %v; want %s", m, err, want)
			}
		}
	})
}

// A peer of another kind, and one that says nothing.
func TestStranger(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := parleytest.NewNetwork(t)
		srv := &parley.Server{Protocol: Acked{}, Handler: sink{}}
		network.Serve(srv, "a:1")
		for _, says := range []string{"GET / HTTP/1.1\r\n\r\n", "H"} {
			nc, err := network.Dial(t.Context(), "tcp", "a:1")
			if err != nil {
				t.Fatal(err)
			}
			go nc.Write([]byte(says))
			io.Copy(io.Discard, nc)
		}
		time.Sleep(time.Minute)
		if f := srv.Stats().Faults; f.ProtocolErrors != 1 || f.Timeouts != 1 {
			t.Errorf("%+v", f)
		}
	})
}
