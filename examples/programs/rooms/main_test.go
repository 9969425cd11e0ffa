package main

import (
	"testing"
	"testing/synctest"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/parleytest"
)

func TestRooms(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newChat()
		ann, _ := parleytest.Pipe(t, c.srv, nil)
		bob, _ := parleytest.Pipe(t, c.srv, nil)
		eve, _ := parleytest.Pipe(t, c.srv, nil)
		say := func(who *parley.Conn, text string) {
			t.Helper()
			if err := who.Send(t.Context(), parley.Text(text)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		hear := func(who *parley.Conn, want string) {
			t.Helper()
			if m, err := who.Receive(t.Context()); err != nil || m.Text() != want {
				t.Errorf("heard %v, %v; want %s", m, err, want)
			}
		}
		say(ann, "/join physics")
		hear(ann, "* you are in physics")
		say(bob, "/join physics")
		hear(bob, "* you are in physics")
		say(ann, "hello")
		hear(bob, "guest1: hello")
		if eve.Buffered() != 0 || ann.Buffered() != 0 {
			t.Error("who is elsewhere, or has said it, hears it too")
		}
		say(ann, "/kick guest2")
		<-bob.Done()
		if err := bob.Err(); err != parley.ErrPeerClosed {
			t.Errorf("kicked: %v", err)
		}
		say(ann, "who is here?")
		if n := len(c.in("physics")); n != 1 {
			t.Errorf("%d are in the room, want 1", n)
		}
	})
}
