package parley_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/line"
)

// A client that has closed its direction gets the answers to all that it has sent, also
// if that was still queued, and large ones; it sends nothing more.
//
// Verifies: RUNTIME-89
func TestCloseWrite(t *testing.T) {
	for _, f := range forms {
		for _, secure := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/tls=%v", label(f.protocol), secure), func(t *testing.T) {
				const n, size = 20, 100_000
				answers := strings.Repeat("a", size)
				srv := &parley.Server{Protocol: f.protocol, Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
					if m.Len() != size {
						return fmt.Errorf("%d bytes have arrived", m.Len())
					}
					time.Sleep(time.Millisecond)
					return c.Send(ctx, parley.Text(answers))
				})}
				d := &parley.Dialer{}
				if secure {
					cert, pool := certificate(t)
					srv.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}}
					d.TLSConfig = &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}
				}
				c := connect(t, false, srv, d)
				sent := make(chan error, 1)
				go func() {
					var err error
					for i := 0; i < n && err == nil; i++ {
						err = c.Send(newContext(t), parley.Text(answers))
					}
					if err == nil {
						err = c.CloseWrite()
					}
					sent <- err
				}()
				for i := range n {
					if m, err := c.Receive(newContext(t)); err != nil || m.Len() != size {
						t.Fatalf("answer %d: %d bytes, %v", i, m.Len(), err)
					}
				}
				if err := next(t, sent, "Send waits"); err != nil {
					t.Fatal(err)
				}
				if err := c.Send(newContext(t), parley.Text("more")); !errors.Is(err, parley.ErrNotSent) || !errors.Is(err, parley.ErrClosed) && !errors.Is(err, parley.ErrPeerClosed) {
					t.Errorf("Send behind CloseWrite: %v", err)
				}
				if _, err := c.Receive(newContext(t)); err == nil {
					t.Error("there is another answer")
				}
				c.Close()
			})
		}
	}
}

// The end leaves behind what the peer has not taken yet, and no farewell stands before
// it. What comes is received, and owed answers are dropped.
//
// Verifies: RUNTIME-89
func TestCloseWriteOnTheWire(t *testing.T) {
	for _, f := range forms {
		t.Run(label(f.protocol), func(t *testing.T) {
			hello := map[string]string{"oneline": "pong\n", "tinyproto": tinyHello}[f.protocol.Name()]
			c, peer := barePeer(t, &parley.Dialer{Protocol: f.protocol}, hello)
			peer.hear(map[string]string{"oneline": "ping\n", "tinyproto": tinyHello}[f.protocol.Name()])
			long := strings.Repeat("b", 60_000)
			for range 5 {
				if err := c.TrySend(parley.Text(long)); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if err := c.CloseWrite(); err != nil {
				t.Errorf("a second CloseWrite: %v", err)
			}
			if err := c.TrySend(parley.Text("more")); !errors.Is(err, parley.ErrNotSent) {
				t.Errorf("TrySend behind CloseWrite: %v", err)
			}
			if label(f.protocol) == "tinyproto-never" { // they wait for their consent
				for range 5 {
					peer.hear(tiny(long)[:4])
					peer.say("\xff")
					peer.hear(long)
				}
			} else {
				for range 5 {
					want := f.text(long)
					if f.protocol.Name() == "line" {
						want = long + want[len(want)-len(lineEnd(f.protocol)):]
					}
					peer.hear(want)
				}
			}
			if b, err := io.ReadAll(peer); err != nil || len(b) > 0 {
				t.Fatalf("behind the messages stand %.40q, %v", b, err)
			}
			peer.say(f.text("answer"))
			expect(t, c, "answer")
			peer.Close()
			within(t, "Close", func() { c.Close() })
		})
	}
}

// lineEnd is what a dialer of p sends behind a message.
func lineEnd(p parley.Protocol) string {
	if p.(line.Protocol).Send == line.CRLF {
		return "\r\n"
	}
	return "\n"
}

// A transport without directions says so, and the connection goes on.
//
// Verifies: RUNTIME-89
func TestCloseWriteWithoutDirections(t *testing.T) {
	near, far := net.Pipe()
	defer far.Close()
	d := &parley.Dialer{Protocol: line.Protocol{}, NetDial: func(context.Context, string, string) (net.Conn, error) { return near, nil }}
	c, err := d.Dial(newContext(t), "pipe:1")
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	if err := c.CloseWrite(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("CloseWrite: %v", err)
	}
	go far.Write([]byte("still\n"))
	expect(t, c, "still")
}
