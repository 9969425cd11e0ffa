package parley_test

import (
	"context"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/parleytest"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

func echo(ctx context.Context, c *parley.Conn, m parley.Message) error {
	return c.Send(ctx, m)
}

func TestSkeleton(t *testing.T) {
	for _, p := range []parley.Protocol{oneline.Protocol{}, tinyproto.Protocol{}, serpy2.Protocol{}} {
		for _, pipe := range []bool{false, true} {
			t.Run(p.Name(), func(t *testing.T) {
				ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
				defer cancel()
				srv := &parley.Server{Protocol: p, Handler: parley.HandlerFunc(echo), Trace: parley.TraceTo(t.Output())}
				var c *parley.Conn
				var err error
				if pipe {
					c = parleytest.Pipe(t, srv, &parley.Dialer{Protocol: p})
				} else if c, err = parley.Dial(ctx, p, parleytest.NewServer(t, srv)); err != nil {
					t.Fatal(err)
				}
				for range 100 {
					m, err := c.Call(ctx, parley.Text("hello"))
					if err != nil || m.Text() != "hello" {
						t.Fatal(m, err)
					}
				}
				if err := c.Close(); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}
