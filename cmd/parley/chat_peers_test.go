//go:build unix

package main

import (
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/parley-net/parley/internal/originals"
)

// The tests in this file run chat with the original chat programs, which
// PARLEY_PEERS and PARLEY_PYTHON tell where to find, as described in package
// interop.

// sample runs an original sample program: a server listens on a port that the
// system chooses and says which, a client connects to the port given. Two
// programs end with an error as they stand: these are mended.
const sample = `
import os, socket, sys
file, port = sys.argv[1], int(sys.argv[2])
class Socket(socket.socket):
    def bind(self, address):
        super().bind(('127.0.0.1', 0))
    def listen(self, *backlog):
        super().listen(*backlog)
        print('listening on %s:%d' % self.getsockname(), file=sys.stderr)
    def connect(self, address):
        super().connect(('127.0.0.1', port))
socket.socket = Socket
text = open(file).read()
for old, new in [("'localhost'", "'127.0.0.1'"), # or it may be IPv6
                 ('listen_addressess', 'listen_addresses'), # tinyproto 3 chat-server.py: misspelt
                 ("s.split(' ')[1:].join(' ')", "' '.join(s.split(' ')[1:])")]: # simpleChat.py: a list has no join
    text = text.replace(old, new)
sys.argv = [file]
sys.path.insert(0, os.path.dirname(file))
exec(compile(text, file, 'exec'), {'__name__': '__main__', '__file__': file})
`

// original runs an original program, for instance serpy/examples/simpleChat.py.
func original(t *testing.T, file, port string) *proc {
	t.Helper()
	folder, _, _ := strings.Cut(file, "/")
	home := findOriginals(t, folder)
	path, err := originals.File(file)
	if err != nil {
		t.Skip(err)
	}
	python, err := exec.LookPath(originals.Python())
	if err != nil {
		t.Skipf("there is no Python interpreter, PARLEY_PYTHON can name one: %v", err)
	}
	cmd := exec.Command(python, "-u", "-W", "ignore", "-c", sample, path, port)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+home, "PYTHONIOENCODING=utf-8", "PYTHONDONTWRITEBYTECODE=1")
	return launched(t, cmd)
}

// originalServer runs an original server and returns its port.
func originalServer(t *testing.T, file string) (*proc, string) {
	t.Helper()
	p := original(t, file, "0")
	found, err := p.stderr.await(regexp.MustCompile(`listening on \S+:(\d+)`))
	if err != nil {
		t.Fatalf("%s: %v\n%s", file, err, p.stderr)
	}
	return p, found[1]
}

// Two of ours and an original client on an original chat server of tinyproto.
func TestChatWithTinyprotoOriginals(t *testing.T) {
	for _, version := range []string{"tinyproto2", "tinyproto3"} {
		t.Run(version, func(t *testing.T) {
			server, port := originalServer(t, version+"/example/chat-server.py")
			url := "tinyproto://127.0.0.1:" + port
			ann := beside(t, "chat", url, "--name", "ann")
			hears(t, server.stdout, "New connection opened")
			bob := beside(t, "chat", url, "--name", "bob")
			hears(t, server.stdout, "New connection opened")
			hears(t, ann.stdout, `^\[\S+\] \*\*joined the chat$`)
			old := original(t, version+"/example/chat-client.py", port)
			hears(t, ann.stdout, `^\[\S+\] \*\*joined the chat$`)
			hears(t, old.stdout, `Connection established!`)

			ann.say(t, "grüße")
			hears(t, bob.stdout, `^\[\S+\] ann: grüße$`)
			hears(t, old.stdout, `^\[\S+\] ann: grüße$`)
			old.say(t, "from an original")
			hears(t, ann.stdout, `^\[\S+\] from an original$`)
			hears(t, bob.stdout, `^\[\S+\] from an original$`)
			bob.say(t, "/stop")
			bob.finishes(t, 0)
			hears(t, ann.stdout, `^\[\S+\] \*\*left the chat$`)
			ann.say(t, "still here")
			hears(t, old.stdout, `ann: still here$`)
		})
	}
}

// Two of ours and an original client on an original broadcast server of serpy
// and serpy2; /KTHXBYE stops it.
func TestChatWithSerpyOriginals(t *testing.T) {
	for _, test := range []struct{ protocol, server, client string }{
		{"serpy", "simpleBroadcast.py", "simpleChat.py"},
		{"serpy2", "simpleBroadcast2.py", "simpleChat2.py"},
	} {
		t.Run(test.protocol, func(t *testing.T) {
			server, port := originalServer(t, "serpy/examples/"+test.server)
			url := test.protocol + "://127.0.0.1:" + port
			ann := beside(t, "chat", url, "--name", "ann", "--reconnect=false")
			hears(t, ann.stderr, `^connected$`)
			old := original(t, "serpy/examples/"+test.client, port)
			hears(t, old.stdout, `Connected`)
			old.say(t, "/name eve")

			// Nobody is announced: they say something until the other hears it.
			bob := beside(t, "chat", url, "--name", "bob")
			hears(t, bob.stderr, `^connected$`)
			old.say(t, "hällo")
			hears(t, server.stdout, `\S`) // the server has it
			hears(t, ann.stdout, `^eve : hällo$`)
			ann.say(t, "grüße")
			hears(t, old.stdout, `>>> ann : grüße$`)
			bob.say(t, "and me")
			hears(t, old.stdout, `>>> bob : and me$`)
			hears(t, ann.stdout, `^bob : and me$`)
			old.say(t, "/stop")
			bob.say(t, "/KTHXBYE")
			hears(t, server.stdout, `Server closed`)
			server.finishes(t, 0)
			hears(t, ann.stderr, `^the server closed the connection$`)
			ann.finishes(t, 0)
			hears(t, bob.stderr, `^not connected, trying again: `)
			bob.say(t, "/quit")
			bob.finishes(t, 0)
		})
	}
}

// Original clients and ours on our relay.
func TestChatWithOriginalClientsOnOurRelay(t *testing.T) {
	for _, test := range []struct{ protocol, client, ours, theirs string }{
		{"tinyproto", "tinyproto2/example/chat-client.py", `ann: grüße$`, `^hällo$`},
		{"tinyproto", "tinyproto3/example/chat-client.py", `ann: grüße$`, `^hällo$`},
		{"serpy", "serpy/examples/simpleChat.py", `>>> ann : grüße$`, `^VOID : hällo$`},
		{"serpy2", "serpy/examples/simpleChat2.py", `>>> ann : grüße$`, `^no name \(use /name=NAME\) : hällo$`},
	} {
		t.Run(test.client, func(t *testing.T) {
			relay, urls := serving(t, test.protocol+"://127.0.0.1:0", "--relay", "-v")
			ann := beside(t, "chat", urls[0], "--name", "ann")
			hears(t, relay.stderr, `connection open`)
			old := original(t, test.client, urls[0][strings.LastIndexByte(urls[0], ':')+1:])
			hears(t, relay.stderr, `connection open`)
			ann.say(t, "grüße")
			hears(t, old.stdout, test.ours)
			old.say(t, "hällo")
			hears(t, ann.stdout, test.theirs)
		})
	}
}
