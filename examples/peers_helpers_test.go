package examples_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parley-net/parley/internal/originals"
)

// sample runs an original sample program. Its servers listen on a port that
// the system chooses and say which; its clients connect to the port given.
// Three programs end with an error as they stand: these are mended.
const sample = `
import os, socket, sys
file, port = sys.argv[1], int(sys.argv[2])
class Socket(socket.socket):
    def bind(self, address):
        super().bind(('127.0.0.1', 0))
    def listen(self, *backlog):
        super().listen(*backlog)
        print('listening on %s:%d' % self.getsockname())
    def connect(self, address):
        super().connect(('127.0.0.1', port))
socket.socket = Socket
text = open(file).read()
for old, new in [("'localhost'", "'127.0.0.1'"), # or it may be IPv6
                 ('listen_addressess', 'listen_addresses'), # chat-server.py of tinyproto 3: misspelt
                 ("s.split(' ')[1:].join(' ')", "' '.join(s.split(' ')[1:])"), # simpleChat.py: a list has no join
                 ('def conn_init(self, conn_o)', 'def conn_init(self, conn_id, conn_o)'), # echo-server.py: written for version 1
                 ('def conn_shutdown(self, conn_o)', 'def conn_shutdown(self, conn_id, conn_o)'),
                 ('in self.active_connections:', 'in self.active_connections.values():')]:
    text = text.replace(old, new)
sys.argv = [file] + sys.argv[3:]
sys.path.insert(0, os.path.dirname(file))
exec(compile(text, file, 'exec'), {'__name__': '__main__', '__file__': file})
`

// echoClient does what the echo client of the README of tinyproto 2 does, on
// the connection's own thread. The README's program sends on another one, and
// loses every other OK to the thread that reads.
const echoClient = `
import queue, sys
from tinyproto import TinyProtoClient, TinyProtoConnection
entered = queue.Queue()
class Connection(TinyProtoConnection):
    def transmission_received(self, msg):
        print('Response from server: ' + msg.decode())
    def loop_pass(self):
        if not entered.empty():
            self.transmit(entered.get().encode())
client = TinyProtoClient()
client.set_conn_handler(Connection)
connection = client.active_connections[client.connect_to('127.0.0.1', int(sys.argv[1]))]
while connection.is_alive():
    line = input()
    entered.put(line)
    if line in ('QUIT', 'SRVQUIT'):
        connection.join()
`

// onelineClients is the client half of sample/main.py of socket-oneline, which
// would start the server, too.
const onelineClients = `
import sys
from sample.main import App
from sample.logger import Logger
from sample.services import Services
Services.logger = Logger()
Services.ip_port = int(sys.argv[1])
App().run()
`

// peers returns the folder with the originals, or skips the test.
func peers(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("PARLEY_PEERS")
	if dir == "" {
		t.Skip("PARLEY_PEERS is not set: the original Python programs are not here to talk to")
	}
	return dir
}

// interpreter returns the Python that runs the originals, or skips the test.
func interpreter(t *testing.T) string {
	t.Helper()
	python, err := exec.LookPath(originals.Python())
	if err != nil {
		t.Skipf("there is no Python interpreter, PARLEY_PYTHON can name one: %v", err)
	}
	return python
}

// needsNumpy skips the test if Python does not have numpy.
func needsNumpy(t *testing.T) {
	t.Helper()
	if err := exec.Command(interpreter(t), "-c", "import numpy").Run(); err != nil {
		t.Skipf("%s has no numpy, which the original needs", interpreter(t))
	}
}

// python runs a script that can import what is in the given folder of peers.
func python(t *testing.T, name, folder, script string, args ...string) *program {
	t.Helper()
	home, err := originals.Path(folder)
	if err != nil {
		t.Skip(err)
	}
	args = append([]string{"-u", "-W", "ignore", "-c", script}, args...)
	cmd := exec.CommandContext(limit(t), interpreter(t), args...)
	cmd.Env = append(os.Environ(), "PYTHONPATH="+home, "PYTHONIOENCODING=utf-8", "PYTHONDONTWRITEBYTECODE=1")
	cmd.Dir = t.TempDir()
	return launch(t, "the original "+name, cmd)
}

// originalServer runs an original server, for instance serpy/examples/simpleBroadcast.py.
func originalServer(t *testing.T, file string, args ...string) *program {
	t.Helper()
	return originalClient(t, file, ":0", args...)
}

// originalClient runs an original client and makes it connect to addr.
func originalClient(t *testing.T, file, addr string, args ...string) *program {
	t.Helper()
	folder, _, _ := strings.Cut(file, "/")
	path, err := originals.File(file)
	if err != nil {
		path = printed(t, file)
	}
	args = append([]string{path, portOf(addr)}, args...)
	return python(t, file, folder, sample, args...)
}

// printed returns a program that a README prints, as a file, or skips the test.
func printed(t *testing.T, file string) string {
	t.Helper()
	folder, _, _ := strings.Cut(file, "/")
	readme, err := originals.File(folder + "/README.md")
	if err != nil || file != "tinyproto2/example/echo-server.py" {
		t.Skipf("there is no original %s", file)
	}
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	_, program, _ := strings.Cut(string(text), "## Server\n```python\n")
	program, _, found := strings.Cut(program, "```")
	if !found {
		t.Fatalf("%s does not print the echo server any more", readme)
	}
	path := filepath.Join(t.TempDir(), "echo-server.py")
	if err := os.WriteFile(path, []byte(program), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func portOf(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }
