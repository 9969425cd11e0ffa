// Clockwork is a server with time in it: it greets who is silent for a minute, and a
// client's question may take at most ten seconds. Its tests take no time.
package main

import (
	"context"
	"errors"
	"log"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy2"
)

func main() { log.Fatal(newServer(time.Second).ListenAndServe("127.0.0.1:7004")) }

func newServer(work time.Duration) *parley.Server {
	srv := &parley.Server{Protocol: serpy2.Protocol{}, Timeouts: parley.Timeouts{Idle: time.Hour}}
	srv.Handler = parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
		select {
		case <-time.After(work):
			return c.Send(ctx, m)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	})
	srv.Hooks.OnOpen = func(ctx context.Context, c *parley.Conn) error {
		go func() {
			tick := time.NewTicker(time.Minute)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
					c.TrySend(parley.Text("tick"))
				case <-c.Context().Done():
					return
				}
			}
		}()
		return nil
	}
	return srv
}

// ask asks with a limit.
func ask(ctx context.Context, c *parley.Conn, q string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	m, err := c.Call(ctx, parley.Text(q))
	if timeout := new(parley.TimeoutError); errors.As(err, &timeout) {
		return "", errors.New("no answer in time")
	}
	return m.Text(), err
}
