package main

import (
	"os"
	"regexp"
	"syscall"
	"testing"
	"time"

	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
)

// hostile is what a peer would send that wants the terminal for itself. Every
// control sequence in it is one that the screen does not know, or clears it.
const hostile = "\x1b]0;owned\x07\x1b[2J\x1b[5i\u009b5i\x0e\u202edrow\x7f"

// hostileShown is how it must look.
const hostileShown = `\x1b]0;owned\a\x1b[2J\x1b[5i\u009b5i\x0e\u202edrow\x7f`

func TestConnectAtATerminal(t *testing.T) {
	server, urls := serving(t, "serpy://127.0.0.1:0", "--relay", "-v")
	other := beside(t, "send", urls[0]+"?encoding=utf-8", "--lines", "--hold", "--json")
	hears(t, server.stderr, `"connection open" conn=1 `) // what comes before that is not relayed to it
	term := atTerminal(t, "connect", urls[0])
	hears(t, server.stderr, `"connection open" conn=2 `)
	term.shows(`^connected to serpy://127\.0\.0\.1:\d+; /help lists the commands\n>$`)

	// What is typed is sent, and what arrives does not break the line.
	term.types("hello\r")
	hears(t, other.stdout, `"text":"hello"`)
	term.types("half a li")
	term.shows(`^> hello\n> half a li$`)
	other.say(t, "incoming")
	term.shows(`^> hello\nincoming\n> half a li$`)
	term.types("ne\r")
	hears(t, other.stdout, `"text":"half a line"`)

	// Nothing that a peer sends reaches the terminal as it is.
	other.say(t, hostile)
	term.shows(regexp.QuoteMeta(hostileShown))

	// Completion, commands, typed values.
	term.types("/m\t3\ri\t")
	term.shows(`^sending in mode 3$`)
	term.shows(`^> int:$`)
	term.types("5\r")
	hears(t, other.stdout, `"text":"5","mode":3`)
	term.types("int:x\r")
	term.shows(`^int:x: want an integer`)
	term.types("/rtt\rping\r")
	hears(t, other.stdout, `"text":"ping"`)
	other.say(t, "pong")
	term.shows(`^\d+\.\d{6} pong$`)

	// Another size, and the line goes on.
	term.types("a line of forty characters or so, typed")
	term.resize(50, 12)
	term.types(" on a narrower one\r")
	hears(t, other.stdout, `"text":"a line of forty characters or so, typed on a narrower one"`)

	// Recalling: the last but one line.
	term.types("\x1b[A\x1b[A\r")
	hears(t, other.stdout, `"text":"ping"`)
	term.types("\x04")
	term.ends(0)
}

func TestConnectKeepsItsHistory(t *testing.T) {
	_, urls := serving(t, "serpy2://127.0.0.1:0", "--echo")
	state := t.TempDir()
	env := []string{"XDG_STATE_HOME=" + state}
	term := atTerminalWith(t, env, "connect", urls[0])
	term.shows(`/help lists`)
	term.types("to be kept\r secret\r")
	term.shows(`^ secret$`)
	term.types("/quit\r")
	term.ends(0)

	term = atTerminalWith(t, env, "connect", urls[0], "--no-history")
	term.shows(`/help lists`)
	term.types("not kept\r")
	term.shows(`^not kept$`)
	term.types("\x1b[A\x1b[A\x1b[A") // nothing from before
	term.shows(`^> not kept$`)
	term.types("\x15\x04")
	term.ends(0)

	b, err := os.ReadFile(state + "/parley/connect-history")
	if want := "to be kept\n/quit\n"; err != nil || string(b) != want {
		t.Errorf("the history is %q, %v; want %q", b, err, want)
	}
	term = atTerminalWith(t, env, "connect", urls[0])
	term.shows(`/help lists`)
	term.types("\x1b[A\x1b[A")
	term.shows(`^> to be kept$`)
	term.types("\r")
	term.shows(`^to be kept$`)
	term.types("\x04")
	term.ends(0)

	// Where there can't be one, connect works all the same.
	term = atTerminalWith(t, []string{"XDG_STATE_HOME=/dev/null"}, "connect", urls[0])
	term.shows(`there is no history`)
	term.shows(`/help lists`)
	term.types("hello\r")
	term.shows(`^hello$`)
	term.types("\x04")
	term.ends(0)
}

// A terminal that can't move its cursor gets lines.
func TestDumbTerminal(t *testing.T) {
	_, urls := serving(t, "tinyproto://127.0.0.1:0", "--echo")
	for _, command := range []string{"connect", "chat"} {
		term := atTerminalWith(t, []string{"TERM=dumb"}, command, urls[0], "--wait", "1ms")
		term.types("hello\n")
		term.shows(`^(connected\n)?hello\n(connected\n)?(\w+: )?hello$`) // the terminal's own echo, and the answer
		term.types("\x04")
		term.ends(0)
	}
}

// Ctrl-C in the queue of a busy server: the farewell is said, the person is told what
// is waited for, and the queue moves on.
//
// Verifies: ONELINE-33
func TestInterruptInTheQueue(t *testing.T) {
	_, urls := serving(t, "oneline://127.0.0.1:0", "--echo")
	first := beside(t, "connect", urls[0])
	first.say(t, "hi")
	hears(t, first.stdout, "^hi$")
	for _, args := range [][]string{{"connect", urls[0]}, {"ask", urls[0], "x"}} {
		term := atTerminal(t, args...)
		term.shows(`waiting in the queue`)
		term.types("\x03")
		term.shows(`serves somebody else`)
		first.stdin.Close()
		term.ends(130)
		first.finishes(t, 0)
		first = beside(t, "connect", urls[0])
		first.say(t, "hi")
		hears(t, first.stdout, "^hi$")
	}
}

// The prompt is for the person, standard output for what arrives.
func TestConnectWithStdoutElsewhere(t *testing.T) {
	_, urls := serving(t, "tinyproto://127.0.0.1:0", "--echo")
	term := atTerminalWith(t, []string{"URL=" + urls[0]}, "-c", `parley connect "$URL" --hex | sed -u 's/^/payload: /'`)
	term.shows(`/help lists`)
	term.types("hello\r")
	term.shows(`payload: 68656c6c6f$`)
	term.types("/quit\r")
	term.ends(0)
}

func TestConnectTellsTheEnd(t *testing.T) {
	// Ctrl-C.
	server, urls := serving(t, "tinyproto://127.0.0.1:0", "--echo")
	term := atTerminal(t, "connect", urls[0])
	term.shows(`/help lists`)
	term.types("hello\r")
	term.shows(`^hello$`)
	term.types("half\x03")
	term.shows(`^parley: interrupted$`)
	term.ends(fault.Interrupted)

	// A signal.
	term = atTerminal(t, "connect", urls[0])
	term.shows(`/help lists`)
	term.cmd.Process.Signal(syscall.SIGTERM)
	term.shows(`^parley: interrupted$`)
	term.ends(fault.Interrupted)

	// The peer leaves.
	term = atTerminal(t, "connect", urls[0])
	term.shows(`/help lists`)
	term.types("hello\r")
	term.shows(`^hello$`)
	server.cmd.Process.Signal(syscall.SIGTERM)
	term.shows(`^the peer closed the connection: Enter connects again, Ctrl-D leaves$`)
	server.finishes(t, 0)
	term.types("\r")
	term.shows(`^Enter tries again, Ctrl-D leaves$`)
	server, _ = serving(t, urls[0], "--echo")
	term.types("again\r") // what is typed is for the new connection
	term.shows(`^again$`)
	term.types("\x04")
	term.ends(0)
	server.cmd.Process.Signal(syscall.SIGTERM)
	server.finishes(t, 0)

	// There is none.
	term = atTerminal(t, "connect", urls[0])
	term.shows(`nobody listens there`)
	term.ends(fault.Connect)

	// Not on a terminal.
	term = atTerminal(t, "connect", urls[0], "--raw")
	term.shows(`standard output elsewhere`)
	term.ends(fault.Usage)
}

// Earlier lines and the requests of a replies file are completed, and colours are
// where the terminal has them.
func TestConnectCompletesAndColours(t *testing.T) {
	_, urls := serving(t, "oneline://127.0.0.1:0", "--echo")
	file := written(t, t.TempDir()+"/d.toml", []byte("[[reply]]\nrequest = \"MEASure:VOLT?\"\nresponse = \"1\"\n"))
	for _, size := range [][2]int{{80, 24}, {200, 60}} {
		for _, env := range []string{"TERM=xterm-256color", "NO_COLOR=1", "LC_ALL=C"} {
			term := atTerminalWith(t, []string{env}, "connect", urls[0], "--replies", file, "-t")
			term.resize(size[0], size[1])
			term.shows(`/help lists`)
			term.types("MEA\t\r")
			term.shows(`\d\d:\d\d:\d\d\.\d{6} MEASure:VOLT\?$`)
			term.types("longer line\r")
			term.shows(`\.\d{6} longer line$`)
			term.types("lon\t!\r")
			term.shows(`\.\d{6} longer line!$`)
			term.types("\x04")
			select {
			case <-term.ended:
			case <-time.After(patience):
				t.Fatal("it does not end")
			}
		}
	}
}

func TestConnectReconnectsAtATerminal(t *testing.T) {
	server, urls := serving(t, "tinyproto://127.0.0.1:0", "--echo")
	term := atTerminal(t, "connect", urls[0], "--reconnect", "--confirm")
	term.shows(`^connected$`)
	term.types("one\r")
	term.shows(`^one$`)
	term.types("typi")
	server.kill()
	term.shows(`^not connected, trying again: [^>]*\n> typi$`)
	serving(t, urls[0], "--echo")
	term.shows(`^connected\n> typi$`)
	term.types("ng\r")
	term.shows(`^typing$`)
	term.types("/quit\r")
	term.ends(0)
}

func TestChatAtATerminal(t *testing.T) {
	server, urls := serving(t, "serpy2://127.0.0.1:0", "--relay", "-v")
	ann := atTerminal(t, "chat", urls[0], "--name", "ann")
	ann.shows(`^ connected · serpy2://127\.0\.0\.1:\d+ · ann\n>$`)
	ann.shows(`│ ann \(you\)$`)
	bob := atTerminal(t, "chat", urls[0], "--name", "bob")
	bob.shows(`^ connected · `)
	hears(t, server.stderr, `"connection open" conn=2 `) // what comes before that is not relayed to both

	ann.types("hello bob\r")
	ann.shows(`ann: hello bob +│`) // sent: the … is gone
	bob.shows(`ann: hello bob`)
	bob.shows(`│ ann$`)
	ann.types("typing this")
	ann.shows(`^> typing this$`)
	bob.types("/name bert\rhi\r")
	ann.shows(`bert: hi`)
	ann.shows(`^> typing this$`)
	ann.types("\x15")

	// Nothing that a peer sends reaches the terminal as it is.
	evil := beside(t, "send", urls[0], "--lines")
	evil.say(t, "eve : "+hostile)
	ann.shows(regexp.QuoteMeta(hostileShown[:20]))
	bob.shows(regexp.QuoteMeta(hostileShown[:20]))
	evil.stdin.Close()

	// Another size.
	ann.resize(40, 8)
	ann.shows(`^ connected · serpy2://127\.0\.0\.1:\d+`)
	ann.resize(70, 12)
	ann.shows(`│ bert$`)

	// The connection is lost and made again; what was said is sent then.
	server.kill()
	ann.shows(`^ not connected, trying again: |^ connecting`)
	ann.types("still there?\r")
	ann.shows(`ann: still there\? …`)
	serving(t, urls[0], "--echo")
	ann.shows(`-- connected again`)
	ann.shows(`ann: still there\? +│`)

	ann.types("/stop\r")
	ann.ends(0)
	bob.types("\x03")
	bob.ends(fault.Interrupted)
}

func TestChatTellsTheEnd(t *testing.T) {
	server, urls := serving(t, "tinyproto://127.0.0.1:0", "--relay")
	term := atTerminal(t, "chat", urls[0], "--name", "ann", "--reconnect=false", "--trace")
	term.shows(`^ connected`)
	term.types("hello\r")
	term.shows(`message text\[10\] "ann: hello"`)
	server.cmd.Process.Signal(syscall.SIGTERM)
	term.shows(`^the server closed the connection$`)
	term.ends(0)

	term = atTerminal(t, "chat", urls[0], "--name", "ann")
	term.shows(`nobody listens there`)
	term.ends(fault.Connect)

	server, urls = serving(t, "tinyproto://127.0.0.1:0", "--relay")
	term = atTerminal(t, "chat", urls[0], "--name", "ann")
	term.shows(`^ connected`)
	term.cmd.Process.Signal(syscall.SIGTERM)
	term.shows(`^parley: interrupted$`)
	term.ends(fault.Interrupted)

	// What could not be sent is told.
	term = atTerminal(t, "chat", urls[0], "--name", "ann")
	term.shows(`^ connected`)
	server.kill()
	term.shows(`^ not connected, trying again: |^ connecting`)
	term.types("lost\r/quit\r")
	term.shows(`^parley: 1 lines? w.* not sent`)
	term.ends(fault.Fail)

	// Lines instead of a screen.
	server, urls = serving(t, "tinyproto://127.0.0.1:0", "--relay", "-v")
	term = atTerminal(t, "chat", urls[0], "--name", "ann", "--plain")
	term.shows(`^connected$`)
	hears(t, server.stderr, `"connection open"`)
	other := beside(t, "chat", urls[0], "--name", "eve")
	other.say(t, hostile)
	term.shows("^eve: " + regexp.QuoteMeta(hostileShown) + "$")
	term.types("hello\n")
	hears(t, other.stdout, `^ann: hello$`)
	term.types("\x04")
	term.ends(0)
}

// A terminal gets a bar for each file, with rate and time left; what else it
// shows of names can't act on it.
func TestBarsAtATerminal(t *testing.T) {
	served, dir := t.TempDir(), t.TempDir()
	_, urls := serving(t, "tinyproto://127.0.0.1:0", "--files", served)
	proxy := slowly(t, addrOf(urls[0]))
	written(t, served+"/first", contents(3<<20))
	written(t, served+"/evil\x1b[2J", contents(10))
	term := atTerminal(t, "get", proxy.Addr()+":first", proxy.Addr()+":evil\x1b[2J", dir)
	term.shows(`^   3\.0 MiB  127\.0\.0\.1:\d+:first → `)
	term.shows(`^   3\.0 MiB  in 2 files$`)
	term.shows(`^first +\[=+>? *\] +\d+ % +[\d.]+ [KM]iB/s +\d+s$`)
	term.shows(`^first +\[=+\] +100 % +[\d.]+ [KM]iB/s +done$`)
	term.shows(`^evil\\x1b\[2J +\[=+\] +100 %.* done$`)
	term.ends(0)
	holds(t, dir+"/first", contents(3<<20))

	// One that was there in part shows what was.
	os.Remove(dir + "/first")
	written(t, dir+"/first.parley.part", contents(2<<20))
	term = atTerminal(t, "get", proxy.Addr()+":first", dir)
	term.shows(`^first +\[-+=+\] +100 % .* done$`)
	term.ends(0)

	// One that ends early says so.
	written(t, served+"/large", contents(30<<20))
	term = atTerminal(t, "get", proxy.Addr()+":large", dir)
	term.shows(`^large +\[=+> +\] +\d+ %`)
	term.types("\x03")
	term.shows(`^large +\[=+>? *\] +\d+ % +stopped`)
	term.shows(`^parley: interrupted$`)
	term.ends(fault.Interrupted)
}
