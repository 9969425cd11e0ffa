package main

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
)

// kinds of terminals: what is set, and whether there are colours and characters
// beyond ASCII.
var kindsOfTerminals = []struct {
	env             []string
	colour, unicode bool
}{
	{[]string{"TERM=xterm-256color", "LC_ALL=C.UTF-8"}, true, true},
	{[]string{"TERM=xterm-256color", "LC_ALL=C.UTF-8", "NO_COLOR=1"}, false, true},
	{[]string{"TERM=dumb", "LC_ALL=C.UTF-8"}, false, true},
	{[]string{"TERM=xterm-256color", "LC_ALL=C"}, true, false},
}

// everyTerminal calls f for each kind of terminal in each size.
func everyTerminal(t *testing.T, f func(t *testing.T, env []string, width, height int, colour, unicode bool)) {
	for _, size := range [][2]int{{80, 24}, {200, 60}} {
		for _, k := range kindsOfTerminals {
			t.Run(strings.Join(k.env, " "), func(t *testing.T) {
				f(t, k.env, size[0], size[1], k.colour, k.unicode)
			})
		}
	}
}

// coloured checks which of the colours 32, 36 (out, in) and 2 (times) were asked for.
func (term *terminal) coloured(want bool, styles ...string) {
	term.t.Helper()
	all := " " + strings.Join(term.screen.Styles(), " ") + " "
	for _, s := range styles {
		if strings.Contains(all, " "+s+" ") != want {
			term.t.Errorf("styles %q: is %s there? want %v", all, s, want)
		}
	}
}

// inASCII checks that the screen has nothing beyond ASCII where the locale has not.
func (term *terminal) inASCII(unicode bool) {
	term.t.Helper()
	text := term.screen.String()
	if !unicode && len(text) != utf8.RuneCountInString(text) {
		term.t.Errorf("not in ASCII:\n%s", text)
	}
}

// tap has a colour for each direction and for times.
func TestTapAtATerminal(t *testing.T) {
	_, urls := serving(t, "tinyproto://127.0.0.1:0", "--echo")
	everyTerminal(t, func(t *testing.T, env []string, width, height int, colour, unicode bool) {
		term := atTerminalOf(t, width, height, env, "tap", "tinyproto://127.0.0.1:0", urls[0], "-t")
		term.shows(`^listening on tinyproto://127\.0\.0\.1:\d+`)
		at := regexp.MustCompile(`tinyproto://127\.0\.0\.1:\d+`).FindString(term.screen.String())
		beside(t, "send", at, "hello"+hostile, "-n", "1").finishes(t, 0)
		term.shows(`^\d\d:\d\d:\d\d\.\d{6} #1 > hello\\x1b`)
		term.shows(`^\d\d:\d\d:\d\d\.\d{6} #1 < hello\\x1b`)
		term.coloured(colour, "2", "32", "36")
		term.inASCII(unicode)
		term.types("\x03")
		term.ends(0)
	})
}

// connect has a colour for what arrives.
func TestConnectAtEveryTerminal(t *testing.T) {
	_, urls := serving(t, "tinyproto://127.0.0.1:0", "--echo")
	everyTerminal(t, func(t *testing.T, env []string, width, height int, colour, unicode bool) {
		term := atTerminalOf(t, width, height, env, "connect", urls[0], "-t", "--wait", "1ms", "--no-history")
		if strings.Contains(env[0], "dumb") {
			term.types("hello\n")
		} else {
			term.shows(`/help lists`)
			term.types("hello\r")
		}
		term.shows(`^\d\d:\d\d:\d\d\.\d{6} hello$`)
		term.coloured(colour, "2", "36")
		term.inASCII(unicode)
		term.types("\x04")
		term.ends(0)
	})
}

// top fits its terminal: the last message begins within 80 columns, and 200 have
// more figures. A terminal that can't move its cursor gets the table once.
func TestTopAtEveryTerminal(t *testing.T) {
	server, urls := serving(t, "tinyproto://127.0.0.1:0", "--relay", "--monitor", "0")
	hears(t, server.stderr, `^monitor on`)
	monitor := regexp.MustCompile(`monitor on (\S+)`).FindStringSubmatch(server.stderr.String())[1]
	ann := beside(t, "send", urls[0], "--lines", "--hold")
	ann.say(t, "a long message, "+strings.Repeat("x", 300))
	everyTerminal(t, func(t *testing.T, env []string, width, height int, colour, unicode bool) {
		term := atTerminalOf(t, width, height, env, "top", monitor, "--every", "50ms")
		if strings.Contains(env[0], "dumb") {
			term.shows(`^ID +ADDRESS`)
			term.shows(`^1 open`)
			term.ends(0)
			return
		}
		term.shows(`^ +ID +ADDRESS .* LAST *$`)
		if width == 200 {
			term.shows(`^ +ID .*BYTES IN +BYTES OUT .*LAST`)
		}
		term.shows(`^ +1 +127.*a long message, x`)
		term.shows(`^1 open  in 1 .*\n.*1 connection by id  q leave`)
		rows := strings.Split(strings.TrimSuffix(term.screen.String(), "\n"), "\n")
		if len(rows) != height {
			t.Errorf("%d rows of %d are used:\n%s", len(rows), height, term.screen)
		}
		for _, row := range rows {
			if strings.Contains(row, "NAME") {
				t.Errorf("a column for names, where none is used: %s", row)
			}
		}
		if !colour {
			for _, s := range term.screen.Styles() {
				if s != "1" && s != "7" {
					t.Errorf("NO_COLOR, and style %s", s)
				}
			}
		}
		term.inASCII(unicode)
		term.types("q")
		term.ends(0)
	})
}

// bench shows how far it is where the cursor can be moved, and leaves only its result.
func TestBenchAtATerminal(t *testing.T) {
	_, urls := serving(t, "tinyproto://127.0.0.1:0", "--echo")
	everyTerminal(t, func(t *testing.T, env []string, width, height int, colour, unicode bool) {
		term := atTerminalOf(t, width, height, env, "bench", urls[0], "--duration", "1s", "--warmup", "0s", "--rate", "50")
		term.ends(0)
		if shown := strings.Contains(term.screen.String(), " of 1.0 s"); shown {
			t.Errorf("progress is left on the screen:\n%s", term.screen)
		}
		progress := regexp.MustCompile(`^[\d.]+ of 1\.0 s, \d+ messages, \d+ per second$`)
		if shown, dumb := slices.ContainsFunc(term.screen.Erased(), progress.MatchString), strings.Contains(env[0], "dumb"); shown == dumb {
			t.Errorf("progress was shown: %v; erased were %q", shown, term.screen.Erased())
		}
		term.inASCII(unicode)
	})
}

// At Ctrl-C in a transfer the whole message is there, broken at words.
func TestInterruptedTransferAtATerminal(t *testing.T) {
	served, dir := t.TempDir(), t.TempDir()
	_, urls := serving(t, "tinyproto://127.0.0.1:0", "--files", served)
	proxy := slowly(t, addrOf(urls[0]))
	written(t, served+"/large", contents(30<<20))
	everyTerminal(t, func(t *testing.T, env []string, width, height int, _, _ bool) {
		os.Remove(dir + "/large.parley.part")
		term := atTerminalOf(t, width, height, env, "get", proxy.Addr()+":large", dir)
		term.shows(`large +\[=*>? *\] +\d+ %`)
		term.types("\x03")
		term.ends(fault.Interrupted)
		// Where the rows end depends on the length of the folder's name.
		said := strings.Join(strings.Fields(term.screen.String()), "")
		want := "have moved; what came is in " + dir + "/large.parley.part, and the same command goes on from there parley: interrupted"
		if want = strings.ReplaceAll(want, " ", ""); !strings.Contains(said, want) {
			t.Errorf("%q, want %q in it", said, want)
		}
		if width == 80 && !strings.Contains(term.screen.String(), "what came is in\n  /") {
			t.Errorf("not broken at words:\n%s", term.screen)
		}
	})
}
