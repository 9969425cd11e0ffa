package parley_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/parleytest"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/tinyproto"
)

// A message is confirmed when it has arrived, however long its handler works.
//
// Verifies: RUNTIME-17
func TestConfirmationDoesNotWaitForTheHandler(t *testing.T) {
	for _, p := range []parley.Protocol{tinyproto.Protocol{}, serpy.Protocol{}} {
		bubble(t, p.Name(), func(t *testing.T) {
			srv := &parley.Server{Protocol: p, Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
				select { // works: reads a disk, asks a database
				case <-time.After(time.Hour):
				case <-ctx.Done():
				}
				return nil
			})}
			c, _ := parleytest.Pipe(t, srv, &parley.Dialer{Protocol: p})
			start := time.Now()
			if err := c.Confirm(t.Context(), parley.Text("x")); err != nil || time.Since(start) > time.Second {
				t.Errorf("%v after %v", err, time.Since(start))
			}
		})
	}
}

// What can't be granted any more fails at once; what was received before the
// end is still there.
//
// Verifies: RUNTIME-34, RUNTIME-35
func TestLargeSendBehindThePeersEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			c.Send(ctx, parley.Text("no"))
			return errors.New("no")
		})}
		c, _ := parleytest.Pipe(t, srv, &parley.Dialer{Protocol: tinyproto.Protocol{}})
		if err := c.Send(t.Context(), parley.Text("x")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		start := time.Now()
		if err := c.Send(t.Context(), parley.Bytes(make([]byte, 100_000))); err == nil || time.Since(start) > 10*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if m, err := c.Receive(t.Context()); err != nil || m.Text() != "no" {
			t.Errorf("%q, %v: what was received before the end is lost", m.Text(), err)
		}
	})
}
