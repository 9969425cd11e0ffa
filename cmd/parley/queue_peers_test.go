//go:build unix

package main

import (
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/internal/originals"
	"github.com/parley-net/parley/oneline"
)

// onelineServer is an original server that answers ack, and says where it listens
// and when its thread has died.
const onelineServer = `
import socket, sys, threading, time
bound = threading.Event()
class Socket(socket.socket):
    def listen(self, *backlog):
        super().listen(*backlog)
        print('listening on %s:%d' % self.getsockname(), file=sys.stderr)
socket.socket = Socket
from socket_oneline import OnelineServer
server = OnelineServer()
server.start('127.0.0.1', 0, lambda cmd, invalid: server.send('ack'), None, False)
while server.is_running:
    time.sleep(0.05)
print('the server has died', file=sys.stderr)
`

// originalOneline runs one that pip has installed or PARLEY_PEERS has.
func originalOneline(t *testing.T) (*proc, string) {
	t.Helper()
	path, _ := originals.Path("oneline")
	cmd := exec.Command(originals.Python(), "-u", "-W", "ignore", "-c", onelineServer)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+path, "PYTHONDONTWRITEBYTECODE=1")
	probe := exec.Command(originals.Python(), "-c", "import socket_oneline")
	probe.Env = cmd.Env
	if err := probe.Run(); err != nil {
		why := "left out: " + originals.Python() + " has no socket_oneline: pip install socket-oneline==0.1.0, and name the interpreter in PARLEY_PYTHON"
		if slices.Contains(strings.Split(os.Getenv("PARLEY_REQUIRE"), ","), "oneline") {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	p := launched(t, cmd)
	found, err := p.stderr.await(regexp.MustCompile(`listening on \S+:(\d+)`))
	if err != nil {
		t.Fatalf("%v\n%s", err, p.stderr)
	}
	return p, "127.0.0.1:" + found[1]
}

// Three clients of one original server: the first is served, the second is ended
// while it waits in the queue, and the third still gets its answer. Without the
// farewell, or when the process ends with it, the original dies of its pong.
func TestQueueOfAnOriginal(t *testing.T) {
	for _, c := range []struct {
		name   string
		args   []string // URL is the server's
		signal syscall.Signal
		code   int
	}{
		{"send, Ctrl-C", []string{"send", "URL", "x"}, syscall.SIGINT, fault.Interrupted},
		{"send, SIGTERM", []string{"send", "URL", "x"}, syscall.SIGTERM, fault.Interrupted},
		{"send, hang-up", []string{"send", "URL", "x"}, syscall.SIGHUP, fault.Interrupted},
		{"send --timeout", []string{"send", "URL", "x", "--timeout", "1500ms"}, 0, fault.Timeout},
		{"send --reconnect", []string{"send", "URL", "x", "--reconnect"}, syscall.SIGINT, fault.Interrupted},
		{"ask", []string{"ask", "URL", "x"}, syscall.SIGINT, fault.Interrupted},
		{"ask --timeout", []string{"ask", "URL", "x", "--timeout", "1500ms"}, 0, fault.Timeout},
		{"connect", []string{"connect", "URL"}, syscall.SIGTERM, fault.Interrupted},
		{"connect --reconnect", []string{"connect", "URL", "--reconnect"}, syscall.SIGTERM, fault.Interrupted},
		{"bench", []string{"bench", "URL", "--duration", "1s"}, syscall.SIGINT, fault.Interrupted},
		{"record", []string{"record", "--store", "s.db", "URL"}, syscall.SIGINT, fault.Interrupted},
	} {
		t.Run(c.name, func(t *testing.T) {
			server, addr := originalOneline(t)
			url := "oneline://" + addr
			first, err := parley.Dial(t.Context(), oneline.Protocol{}, addr)
			if err != nil {
				t.Fatal(err)
			}
			defer first.CloseNow()
			args := slices.Clone(c.args)
			for i := range args {
				args[i] = strings.Replace(args[i], "URL", url, 1)
				args[i] = strings.Replace(args[i], "s.db", t.TempDir()+"/s.db", 1)
			}
			second := beside(t, args...)
			hears(t, second.stderr, `waiting in the queue of the server`)
			third := beside(t, "send", url, "y", "--timeout", "1m")
			if c.signal != 0 {
				second.cmd.Process.Signal(c.signal)
			}
			hears(t, second.stderr, `left the queue of the server`)
			select {
			case <-second.ended:
				t.Errorf("it did not wait for the server\n%s", second.stderr)
			case <-time.After(500 * time.Millisecond): // longer than what ends at once takes
			}
			if err := first.Close(); err != nil {
				t.Error(err)
			}
			second.finishes(t, c.code)
			third.finishes(t, 0)
			if got := third.stdout.String(); got != "ack\n" {
				t.Errorf("the third client got %q", got)
			}
			if s := second.stderr.String(); strings.Contains(s, "has not come to the farewell") {
				t.Error(s)
			}
			if strings.Contains(server.stderr.String(), "died") {
				t.Errorf("the original has died\n%s", server.stderr)
			}
		})
	}
}
