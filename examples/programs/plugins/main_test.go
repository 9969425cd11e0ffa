package main

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/parleytest"
	"github.com/parley-net/parley/tinyproto"
	"github.com/parley-net/parley/wire/wiretest"
)

func TestConformance(t *testing.T) {
	for _, p := range plugins("secret") {
		t.Run(p.Name(), func(t *testing.T) {
			wiretest.PluginConformance(t, func() parley.Plugin { return p }, []byte("a sample"))
		})
	}
}

func TestTogether(t *testing.T) {
	srv := &parley.Server{Protocol: tinyproto.Protocol{}, Plugins: plugins("secret"), Handler: parley.HandlerFunc(
		func(ctx context.Context, c *parley.Conn, m parley.Message) error { return c.Send(ctx, m) })}
	dialer := func(key string) *parley.Dialer {
		return &parley.Dialer{Protocol: tinyproto.Protocol{}, Plugins: plugins(key)}
	}
	c, _ := parleytest.Pipe(t, srv, dialer("secret"))
	text := strings.Repeat("hello ", 10_000)
	if m, err := c.Call(t.Context(), parley.Text(text)); err != nil || m.Text() != text {
		t.Errorf("got %.20v, %v", m, err)
	}
	if st := c.Stats(); st.BytesOut > 2000 {
		t.Errorf("%d bytes for 60,000", st.BytesOut)
	}
	other, s := parleytest.Pipe(t, srv, dialer("another"))
	if err := s.Send(t.Context(), parley.Text("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := other.Receive(t.Context()); !errors.As(err, new(*parley.MessageError)) {
		t.Errorf("with another key: %v", err)
	}
}
