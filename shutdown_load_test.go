package parley_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/parley-net/parley"
)

// Every message that was accepted before a shutdown is answered.
//
// Verifies: RUNTIME-32
func TestShutdownUnderLoad(t *testing.T) {
	for _, p := range symmetric {
		for _, pull := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/pull=%v", label(p), pull), func(t *testing.T) {
				var accepted, answered atomic.Int64
				started := make(chan struct{})
				answer := func(ctx context.Context, c *parley.Conn, m parley.Message) error {
					if accepted.Add(1) == 1000 {
						close(started)
					}
					return c.Send(ctx, m)
				}
				srv := &parley.Server{Protocol: p, Pull: pull, Handler: parley.HandlerFunc(answer)}
				// On a busy machine the clients may stand still for a while.
				srv.Timeouts = parley.Timeouts{Close: 15 * time.Second, Linger: 10 * time.Second}
				var wg sync.WaitGroup
				if pull {
					srv.Handler = nil
					wg.Go(func() {
						for {
							c, err := srv.Accept(context.Background())
							if err != nil {
								return
							}
							wg.Go(func() {
								for m, err := range c.Messages(context.Background()) {
									if err != nil {
										if !errors.Is(err, parley.ErrServerClosed) {
											t.Error(err)
										}
										return
									}
									if err := answer(context.Background(), c, m); err != nil {
										t.Errorf("an answer was not sent: %v", err)
										return
									}
								}
							})
						}
					})
				}
				addr := newServer(t, srv)
				for range 8 {
					c, err := parley.Dial(newContext(t), p, addr)
					if err != nil {
						t.Fatal(err)
					}
					defer c.CloseNow()
					wg.Go(func() { // it sends without a pause
						for c.Send(context.Background(), parley.Text("x")) == nil {
						}
					})
					wg.Go(func() {
						for {
							if _, err := c.Receive(context.Background()); err != nil {
								return
							}
							answered.Add(1)
						}
					})
				}
				next(t, started, "nothing was accepted")
				ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // what the kernel holds is answered, too
				err := srv.Shutdown(ctx)
				if cancel(); err != nil {
					t.Errorf("Shutdown: %v", err)
				}
				wg.Wait()
				if a, b := accepted.Load(), answered.Load(); a != b {
					t.Errorf("%d messages were accepted and %d answered", a, b)
				}
			})
		}
	}
}
