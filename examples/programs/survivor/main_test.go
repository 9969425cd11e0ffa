package main

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/parleytest"
	"github.com/parley-net/parley/tinyproto"
)

// station answers each subscription with news.
func station(news string) *parley.Server {
	return &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(
		func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			if m.Text() != "subscribe weather" {
				return errors.New("not a subscription")
			}
			return c.Send(ctx, parley.Text(news))
		})}
}

func TestRestarts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := parleytest.NewNetwork(t)
		c := subscriber(*network.Dialer(tinyproto.Protocol{}), "station:6000", "weather")
		defer c.Close()
		for _, news := range []string{"rain", "sun", "snow"} {
			srv := station(news)
			network.Serve(srv, "station:6000")
			m, err := c.Receive(t.Context())
			if err != nil || m.Text() != news {
				t.Fatalf("heard %v, %v; want %s", m, err, news)
			}
			srv.Close()
			time.Sleep(24 * time.Hour)
		}
		if s, err := c.State(); s == parley.StateConnected || err == nil {
			t.Errorf("without a server: %v, %v", s, err)
		}
		if st := c.Stats(); st.Connected != 3 || st.Failed == 0 {
			t.Errorf("%+v", st)
		}
	})
}
