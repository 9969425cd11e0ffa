package main

import (
	"context"
	"testing"
	"testing/synctest"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/parleytest"
)

func TestTunnel(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := parleytest.NewNetwork(t)
		l, err := network.Listen("inside:7005")
		if err != nil {
			t.Fatal(err)
		}
		srv := &parley.Server{Protocol: oneline.Protocol{}, Handler: parley.HandlerFunc(
			func(ctx context.Context, c *parley.Conn, m parley.Message) error { return c.Send(ctx, m) })}
		ended := make(chan error)
		go func() { ended <- serve(l, srv) }()
		c, err := through(network.Dial, password).Dial(t.Context(), "inside:7005")
		if err != nil {
			t.Fatal(err)
		}
		if m, err := c.Call(t.Context(), parley.Text("hello")); err != nil || m.Text() != "hello" {
			t.Errorf("got %v, %v", m, err)
		}
		c.Close()
		if _, err := through(network.Dial, "open sesame\n").Dial(t.Context(), "inside:7005"); err == nil {
			t.Error("another password is taken")
		}
		srv.Shutdown(t.Context())
		l.Close()
		<-ended
	})
}
