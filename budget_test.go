package parley_test

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/tinyproto"
)

// The connection whose unfinished message holds most is cut; the others and
// honest clients go on.
//
// Verifies: RUNTIME-11
func TestBudget(t *testing.T) {
	reasons := make(chan error, 10)
	srv := &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(echo), MaxBuffered: 6 << 20,
		Hooks: parley.Hooks{OnClose: func(c *parley.Conn, err error) { reasons <- err }}}
	addr := newServer(t, srv)
	stall := func(sent int) net.Conn { // announces 32 MiB, brings a part of it
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
		head := binary.BigEndian.AppendUint32([]byte{0xff}, 32<<20)
		nc.Write(append(head, make([]byte, sent)...)) // which may be cut in the middle: it counts before it is taken
		io.ReadFull(nc, make([]byte, 2))              // its hello and its OK
		return nc
	}
	small := stall(1 << 20)
	stall(3 << 20)
	stall(1 << 20)
	stall(3 << 20)
	if err := <-reasons; !errors.Is(err, parley.ErrFull) {
		t.Errorf("the largest was cut because of %v, want ErrFull", err)
	}
	c, err := parley.Dial(newContext(t), tinyproto.Protocol{}, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if m, err := c.Call(newContext(t), parley.Text("honest")); err != nil || m.Text() != "honest" {
		t.Errorf("an honest client got %v, %v", m, err)
	}
	if _, err := small.Write([]byte{0}); err != nil {
		t.Errorf("a small one was cut: %v", err)
	}
}

// Received messages that the program does not take count too: the connection
// that has brought most of them is cut, the others go on.
//
// Verifies: RUNTIME-11
func TestBudgetOfWaitingMessages(t *testing.T) {
	ends := make(chan *parley.Conn, 10)
	srv := &parley.Server{Protocol: tinyproto.Protocol{}, Pull: true, MaxBuffered: 6 << 20,
		Hooks: parley.Hooks{OnClose: func(c *parley.Conn, _ error) { ends <- c }}}
	addr := newServer(t, srv)
	send := func(n int) (client, server *parley.Conn) {
		t.Helper()
		client, err := parley.Dial(newContext(t), tinyproto.Protocol{}, addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { client.CloseNow() })
		if server, err = srv.Accept(newContext(t)); err != nil {
			t.Fatal(err)
		}
		for range n {
			if err := client.Confirm(newContext(t), parley.Bytes(make([]byte, 1<<20))); err != nil {
				t.Fatal(err)
			}
		}
		return client, server
	}
	_, small := send(1)
	_, large := send(3)
	send(1)
	send(1)
	send(1)
	if c := <-ends; !errors.Is(c.Err(), parley.ErrFull) || c != large {
		t.Errorf("cut: %v, small is %v, large %v", c.Err(), small.Err(), large.Err())
	}
	if m, err := small.Receive(newContext(t)); err != nil || m.Len() != 1<<20 {
		t.Errorf("a small one received %d bytes, %v", m.Len(), err)
	}
}
