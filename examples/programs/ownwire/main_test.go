package main

import (
	"errors"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/parleytest"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

func TestConformance(t *testing.T) {
	wiretest.Conformance(t, Records{}, []wiretest.Stream{
		{Name: "two", Role: wire.Accepting, Bytes: []byte("@a=1\n@\n"), Messages: 2},
		{Name: "lost", Role: wire.Dialing, Bytes: []byte("nothing\n\n@a=1\n"), Messages: 1},
		{Name: "long", Role: wire.Accepting, Limits: wire.Limits{MaxMessage: 5}, Bytes: []byte("@12345\n@123456\n"), Messages: 1},
	}, wiretest.Messages(wire.Text("temperature=21.5"), wire.Text("")))
}

func TestLost(t *testing.T) {
	lost := make(chan error, 1)
	srv := &parley.Server{Protocol: Records{}, Pull: true, Hooks: parley.Hooks{OnMessageError: func(_ *parley.Conn, err error) { lost <- err }}}
	c, s := parleytest.Pipe(t, srv, nil)
	if err := c.Send(t.Context(), parley.Text("a\nb")); !errors.Is(err, parley.ErrNotRepresentable) {
		t.Errorf("two lines are sent: %v", err)
	}
	if err := c.Send(t.Context(), parley.Float(21.5)); err != nil {
		t.Error(err)
	}
	if m, err := s.Receive(t.Context()); err != nil || m.Text() != "21.5" {
		t.Errorf("got %v, %v", m, err)
	}
}
