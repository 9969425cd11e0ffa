package examples_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"
)

// Three people with nothing but a socket: rooms keep apart, and a kick ends one.
//
// Verifies: RUNTIME-71, RUNTIME-72
func TestRooms(t *testing.T) {
	t.Parallel()
	addr := start(t, "line-rooms", anyPort).addr()
	type guest struct {
		net.Conn
		lines *bufio.Scanner
	}
	say := func(g guest, text string) { fmt.Fprint(g, text+"\n") }
	hear := func(g guest, want string) {
		t.Helper()
		if !g.lines.Scan() || !strings.Contains(g.lines.Text(), want) {
			t.Errorf("heard %q, %v, want %q", g.lines.Text(), g.lines.Err(), want)
		}
	}
	var guests [3]guest
	for i := range guests {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		nc.SetDeadline(time.Now().Add(time.Minute))
		guests[i] = guest{nc, bufio.NewScanner(nc)}
		say(guests[i], "/who") // an answer: it is in
		hear(guests[i], fmt.Sprint("guest", i+1))
	}
	a, b, c := guests[0], guests[1], guests[2]
	say(c, "/join den")
	for _, g := range []guest{a, b} {
		hear(g, "* guest3 goes to den")
	}
	hear(c, "* guest3 goes to den")
	hear(c, "* guest3 is here")
	say(a, "hello")
	hear(a, "guest1: hello")
	hear(b, "guest1: hello")
	say(c, "alone")
	hear(c, "guest3: alone") // and not "hello"
	say(a, "/kick guest2")
	hear(a, "* guest2 has gone: kicked by guest1")
	if b.lines.Scan() && strings.Contains(b.lines.Text(), "alone") || b.lines.Scan() {
		t.Errorf("kicked, and heard %q", b.lines.Text())
	}
}
