package interop

import (
	"context"
	"fmt"
	"net"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/parleytest"
)

// soon returns a context that bounds every wait of a test.
func soon(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

// patient are the timeouts towards originals.
var patient = parley.Timeouts{Handshake: patience, Answer: patience, Write: patience, Progress: patience, Close: patience}

// address is where an original server listens.
func address(port int) string { return fmt.Sprintf("127.0.0.1:%d", port) }

// dial connects a parley client to an original server, which may be slow. The
// connection is cut when the test ends.
func dial(t *testing.T, d *parley.Dialer, port int) *parley.Conn {
	t.Helper()
	d.Timeouts = patient
	c, err := d.Dial(soon(t), address(port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

// serve starts a parley server and returns its port. It is closed when the
// test ends.
func serve(t *testing.T, srv *parley.Server) (port int) {
	t.Helper()
	srv.Timeouts = patient
	addr, err := net.ResolveTCPAddr("tcp", parleytest.NewServer(t, srv))
	if err != nil {
		t.Fatal(err)
	}
	return addr.Port
}

// accept returns the next connection of a server with Pull.
func accept(t *testing.T, srv *parley.Server) *parley.Conn {
	t.Helper()
	c, err := srv.Accept(soon(t))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func send(t *testing.T, c *parley.Conn, m parley.Message) {
	t.Helper()
	if err := c.Send(soon(t), m); err != nil {
		t.Fatalf("sending %v: %v", m, err)
	}
}

func receive(t *testing.T, c *parley.Conn) parley.Message {
	t.Helper()
	m, err := c.Receive(soon(t))
	if err != nil {
		t.Fatalf("receiving: %v", err)
	}
	return m
}

func call(t *testing.T, c *parley.Conn, m parley.Message) parley.Message {
	t.Helper()
	answer, err := c.Call(soon(t), m)
	if err != nil {
		t.Fatalf("calling with %v: %v", m, err)
	}
	return answer
}

// words are messages that lastWords sends.
var words = []parley.Message{parley.Text("these"), parley.Text("are my"), parley.Text("last words")}

// lastWords sends words and closes the connection right behind them.
func lastWords(t *testing.T, c *parley.Conn) {
	t.Helper()
	for _, w := range words {
		send(t, c, w)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
