package parley_test

import (
	"context"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/parleytest"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

// An original serpy2 peer drops what it has not yet handled when the stream
// ends, and can't tell. So a Close behind a message that nothing has answered
// waits for a moment, and no other Close does.
//
// Verifies: SERPY2-17
func TestSettle(t *testing.T) {
	cases := []struct {
		name     string
		protocol parley.Protocol
		settle   time.Duration
		answered bool
		want     time.Duration
	}{
		{"by default", serpy2.Protocol{}, 0, false, time.Second},
		{"as set", serpy2.Protocol{}, 3 * time.Second, false, 3 * time.Second},
		{"off", serpy2.Protocol{}, -1, false, 0},
		{"answered", serpy2.Protocol{}, 0, true, 0},
		{"a wire that confirms", tinyproto.Protocol{}, 0, false, 0},
	}
	for _, tt := range cases {
		bubble(t, tt.name, func(t *testing.T) {
			srv := &parley.Server{Protocol: tt.protocol, Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
				if tt.answered {
					return c.Send(ctx, m)
				}
				return nil
			})}
			c, _ := parleytest.Pipe(t, srv, &parley.Dialer{Protocol: tt.protocol, Timeouts: parley.Timeouts{Settle: tt.settle}})
			send := c.Send
			if tt.answered {
				send = func(ctx context.Context, m parley.Message) error { _, err := c.Call(ctx, m); return err }
			}
			if err := send(t.Context(), parley.Bytes([]byte("last"))); err != nil {
				t.Fatal(err)
			}
			begun := time.Now()
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			if took := time.Since(begun); took != tt.want {
				t.Errorf("Close took %v, want %v", took, tt.want)
			}
		})
	}
}
