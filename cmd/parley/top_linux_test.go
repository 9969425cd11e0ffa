package main

import (
	"regexp"
	"testing"

	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
)

func TestTopAtATerminal(t *testing.T) {
	server, urls := serving(t, "tinyproto://127.0.0.1:0", "--relay", "--monitor", "0")
	hears(t, server.stderr, `^monitor on`)
	monitor := regexp.MustCompile(`monitor on (\S+)`).FindStringSubmatch(server.stderr.String())[1]
	term := atTerminal(t, "top", monitor, "--every", "50ms")
	term.resize(110, 8)
	term.shows(`^ +ID +ADDRESS .* LAST`)
	term.shows(`0 connections by id .* q leave`)
	ann := beside(t, "send", urls[0], "--lines", "--hold")
	term.shows(`1 connection by id`)
	bob := beside(t, "send", urls[0], "--lines", "--hold")
	term.shows(`2 connections by id`)
	ann.say(t, "a"+hostile)
	term.shows(`^ +1 +127.* [<>] bytes "a\\x1b\]0;owned`)

	// Sort, choose, close; only y is yes.
	term.types("s")
	term.shows(`by name `)
	term.types("\x1b[B")
	term.shows(`^> 1 +127`)
	term.types("\x1b[B\x1b[B")
	term.shows(`^> 2 +127`)
	term.types("k")
	term.shows(`^close connection 2\? y: yes`)
	term.types("n")
	term.shows(`2 connections by`)
	term.types("ky")
	term.shows(`1 connection by`)
	bob.finishes(t, 0)
	term.types("c")
	term.shows(`2 connections by`)
	term.shows(`^. 2 +127.* closed on request`)

	// The server is lost, and comes back.
	server.kill()
	term.shows(`^trying again: can't connect to 127`)
	back, _ := serving(t, urls[0], "--relay", "--monitor", monitor[len("http://"):len(monitor)-1])
	hears(t, back.stderr, `^monitor on`)
	term.shows(`0 connections by`)
	term.types("q")
	term.ends(0)

	term = atTerminal(t, "top", monitor)
	term.shows(`connections? by`)
	term.types("\x03")
	term.ends(fault.Interrupted)
	term = atTerminal(t, "top", monitor, "--once")
	term.shows(`^ID +ADDRESS`)
	term.ends(0)
}
