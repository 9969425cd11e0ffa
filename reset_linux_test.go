package parley_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy2"
)

// What a peer had sent before it reset the connection is received in order, also
// by a program that finds out by sending: first the messages, then the end. (A
// Send that failed used to end the connection with all that waited in the
// kernel, which Linux still hands out.)
//
// Verifies: RUNTIME-32, RUNTIME-35
func TestReceivedBeforeAReset(t *testing.T) {
	const messages = 2000
	last := fmt.Sprint("message ", messages-1)
	limits := parley.Limits{MaxQueue: 4} // most waits in the kernel
	check := func(t *testing.T, c *parley.Conn, peer *bare) {
		var all strings.Builder
		for i := range messages {
			all.WriteString(serpy2Text(fmt.Sprint("message ", i)))
		}
		peer.say(all.String())
		peer.Conn.(*net.TCPConn).SetLinger(0)
		peer.Close()
		var err error
		for err == nil { // the first may still find the connection whole
			err = c.Send(t.Context(), parley.Text("into the void"))
		}
		var lost *parley.ConnError
		if !errors.As(err, &lost) {
			t.Errorf("Send: %v, want a ConnError", err)
		}
		if err := c.Send(t.Context(), parley.Text("again")); !errors.As(err, &lost) {
			t.Errorf("the next Send: %v, want a ConnError", err)
		}
		for i := range messages {
			m, err := c.Receive(newContext(t))
			if want := fmt.Sprint("message ", i); err != nil || m.Text() != want {
				t.Fatalf("received %v, %v, want %q; then %q should come", m, err, want, last)
			}
		}
		if m, err := c.Receive(newContext(t)); !errors.As(err, &lost) {
			t.Errorf("behind the last message: %v, %v, want a ConnError", m, err)
		}
		<-c.Done()
		if err := c.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	t.Run("dialed", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		d := &parley.Dialer{Protocol: serpy2.Protocol{}, Limits: limits}
		c, err := d.Dial(newContext(t), l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		nc, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		check(t, c, newBare(t, nc))
	})
	t.Run("accepted", func(t *testing.T) {
		opened := make(chan *parley.Conn, 1)
		srv := &parley.Server{Protocol: serpy2.Protocol{}, Pull: true, Limits: limits, Hooks: parley.Hooks{OnOpen: func(_ context.Context, c *parley.Conn) error {
			opened <- c
			return nil
		}}}
		peer := bareDial(t, newServer(t, srv))
		check(t, next(t, opened, "the connection was not accepted"), peer)
	})
}
