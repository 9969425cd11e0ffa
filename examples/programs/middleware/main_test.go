package main

import (
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/parleytest"
)

func TestMiddleware(t *testing.T) {
	m := new(meter)
	srv := newServer(m)
	ann, _ := parleytest.Pipe(t, srv, nil)
	bob, _ := parleytest.Pipe(t, srv, nil)
	for _, step := range []struct {
		c    *parley.Conn
		size int
		want string
	}{
		{ann, 3, "welcome"},
		{bob, 4, "welcome"},
		{ann, 10, "aaa: a message of 10"},
		{bob, 2 << 20, "aaaa: a stream of 2097152"},
	} {
		b := make([]byte, step.size)
		for i := range b {
			b[i] = 'a'
		}
		if got, err := step.c.Call(t.Context(), parley.Bytes(b)); err != nil || got.Text() != step.want {
			t.Errorf("got %v, %v; want %s", got, err, step.want)
		}
	}
	if m.messages.Load() != 3 || m.streams.Load() != 1 || m.nanos.Load() == 0 {
		t.Errorf("measured %d messages and %d streams", m.messages.Load(), m.streams.Load())
	}
	eve, _ := parleytest.Pipe(t, srv, nil)
	if _, err := eve.Call(t.Context(), parley.Bytes(make([]byte, 2<<20))); err == nil {
		t.Error("a stream of who has not logged in is answered")
	}
}
