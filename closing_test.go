package parley_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/internal/netsim"
	"github.com/parley-net/parley/parleytest"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/tinyproto"
)

// What arrives while this side closes is dropped, so it is not confirmed: a peer's
// Confirm does not succeed for a message that no program gets, on any wire that
// confirms, with Close and with Shutdown.
//
// Verifies: RUNTIME-17, RUNTIME-33
func TestConfirmedWhileClosing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		c, err := (&parley.Dialer{Protocol: serpy.Protocol{Mode: 1}}).NewConn(t.Context(), ours)
		if err != nil {
			t.Fatal(err)
		}
		var heard bytes.Buffer
		ended := make(chan struct{})
		go func() { defer close(ended); io.Copy(&heard, theirs) }()
		c.Send(t.Context(), parley.Text("mine")) // unacknowledged, so Close waits
		go c.Close()
		synctest.Wait()
		io.WriteString(theirs, "\x01SETMODE1\x1fyours\x04\x1f")
		time.Sleep(time.Minute) // Close gives up
		theirs.Close()
		<-ended
		m, err := c.Receive(t.Context())
		if acked := bytes.Contains(heard.Bytes(), []byte("ACKEOT")); acked && err != nil {
			t.Errorf("the message was acknowledged, but Receive returns %v, %v", m, err)
		}
	})
}

// A handler that Confirms (serpy) or Calls (any wire) after the peer has closed is told
// so, though there is no reader any more.
//
// Verifies: RUNTIME-25, RUNTIME-43
func TestHandlerWaitsBehindTheEnd(t *testing.T) {
	waits := map[string]func(ctx context.Context, c *parley.Conn) error{
		"Confirm": func(ctx context.Context, c *parley.Conn) error { return c.Confirm(ctx, parley.Text("x")) },
		"Call":    func(ctx context.Context, c *parley.Conn) error { _, err := c.Call(ctx, parley.Text("x")); return err },
	}
	for name, wait := range waits {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start, took := time.Now(), time.Duration(0)
				srv := &parley.Server{Protocol: serpy.Protocol{}, Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
					time.Sleep(time.Second)
					ctx, cancel := context.WithTimeout(ctx, time.Hour)
					defer cancel()
					// Somebody else reads on meanwhile, up to the end.
					short, cancel2 := context.WithTimeout(ctx, time.Second)
					defer cancel2()
					c.Receive(short)
					wait(ctx, c)
					took = time.Since(start)
					return nil
				})}
				n := netsim.New(1, netsim.Faults{})
				ended := make(chan error, 1)
				go func() { ended <- srv.Serve(n.Listener()) }()
				ours, err := n.Dial()
				if err != nil {
					t.Fatal(err)
				}
				io.WriteString(ours, "hello\x1f")
				ours.CloseWrite()
				time.Sleep(3 * time.Hour)
				srv.Close()
				<-ended
				if took > 5*time.Second {
					t.Errorf("the handler waited %v", took)
				}
			})
		})
	}
}

// Shutdown sees that a handler has returned, also one that had handed its reader's role
// over.
//
// Verifies: RUNTIME-25, RUNTIME-32
func TestShutdownBehindAWaitingHandler(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			if err := c.Confirm(ctx, parley.Text("really?")); err != nil { // another goroutine reads from now on
				return err
			}
			time.Sleep(2 * time.Second)
			err := c.Send(ctx, parley.Text("done"))
			time.Sleep(time.Second) // its OK has come: the peer says nothing more
			return err
		})}
		c, _ := parleytest.Pipe(t, srv, &parley.Dialer{Protocol: tinyproto.Protocol{}})
		if err := c.Send(t.Context(), parley.Text("go")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		start := time.Now()
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := srv.Shutdown(ctx); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("Shutdown took %v", took)
		}
		for _, want := range []string{"really?", "done"} {
			if m, err := c.Receive(t.Context()); err != nil || m.Text() != want {
				t.Errorf("received %v, %v, want %q", m, err, want)
			}
		}
	})
}
