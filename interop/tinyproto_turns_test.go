package interop

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/tinyproto"
)

// lines are messages that are sent at once, without waiting for their echoes.
func lines() (messages []parley.Message) {
	for i := range 50 {
		messages = append(messages, parley.Text(fmt.Sprint("line ", i)))
	}
	return messages
}

// An original dies of a message of ours that meets its own. Whoever takes turns
// with it sends and calls as it likes. An echo's turn ends with its answer: a peer that
// has no processor for a moment must not look like one that says nothing.
//
// Verifies: TINYPROTO-25, RUNTIME-63
func TestTinyProtoTurns(t *testing.T) {
	each(t, func(t *testing.T, o origin) {
		answers := parley.Timeouts{Turn: 10 * time.Second}
		for _, eager := range []tinyproto.Eager{tinyproto.Auto, tinyproto.Never} {
			protocol := tinyproto.Protocol{Turns: true, Eager: eager}
			t.Run(fmt.Sprint("echo server ", eager), func(t *testing.T) {
				t.Parallel()
				p := o.start(t)
				tinyprotoTurns(t, dial(t, &parley.Dialer{Protocol: protocol, Timeouts: answers}, get[int](p, "listen", args{"echo": true})))
			})
			t.Run(fmt.Sprint("echo client ", eager), func(t *testing.T) {
				t.Parallel()
				srv := &parley.Server{Protocol: protocol, Pull: true, Timeouts: answers}
				port := serve(t, srv)
				p := o.start(t)
				p.do("connect", args{"port": port, "echo": true})
				tinyprotoTurns(t, accept(t, srv))
			})
			t.Run(fmt.Sprint("push ", eager), func(t *testing.T) {
				t.Parallel()
				srv := &parley.Server{Protocol: protocol, Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
					for _, m := range lines()[:10] {
						if err := c.Send(ctx, m); err != nil {
							return err
						}
					}
					return nil
				})}
				port := serve(t, srv)
				p := o.start(t)
				p.do("connect", args{"port": port})
				for range 3 {
					p.do("send", args{"value": "b'more'"})
					for _, m := range lines()[:10] {
						same(t, "push", get[described](p, "recv", nil), describe(parley.Bytes(m.Bytes())))
					}
				}
			})
		}
	}, tinyprotos...)
}

// tinyprotoTurns sends many messages in a row, and then many at the same time, to
// an original that echoes.
func tinyprotoTurns(t *testing.T, c *parley.Conn) {
	sent := make(chan error, 1)
	go func() {
		var err error
		for _, m := range lines() {
			err = errors.Join(err, c.Send(soon(t), m))
		}
		sent <- err
	}()
	for _, m := range lines() {
		same(t, "echo", describe(receive(t, c)), describe(parley.Bytes(m.Bytes())))
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	var calls sync.WaitGroup
	for _, m := range lines() {
		calls.Go(func() {
			if answer, err := c.Call(soon(t), m); err != nil || answer.Text() != m.Text() {
				t.Errorf("%s: %s, %v", m.Text(), answer.Text(), err)
			}
		})
	}
	calls.Wait()
}
