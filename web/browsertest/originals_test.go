package browsertest

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/parley-net/parley/internal/originals"
)

// The programs use the originals as their users do. They say what they hear, and say what
// they are told to.
const (
	serpyClient = `
import sys, threading, serpy
c = serpy.Connection(auto_restart=False)
c.connect("127.0.0.1", int(sys.argv[1]))
def hear():
    while True:
        print("heard", bytes(c.getData()).decode(), flush=True)
threading.Thread(target=hear, daemon=True).start()
print("ready", flush=True)
for line in sys.stdin:
    c.sendData(line.strip(), 1, 10)
`
	tinyprotoClient = `
import sys, queue, threading, tinyproto
class Connection(tinyproto.TinyProtoConnection):
    def pre_loop(self):
        self.say = say
        print("ready", flush=True)
    def loop_pass(self):
        while not self.say.empty():
            self.transmit(self.say.get())
    def transmission_received(self, msg):
        print("heard", bytes(msg).decode(), flush=True)
say = queue.Queue()
c = tinyproto.TinyProtoClient()
c.set_conn_handler(Connection)
c.connect_to("127.0.0.1", int(sys.argv[1]))
threading.Thread(target=c.start, daemon=True).start()
for line in sys.stdin:
    say.put(line.strip().encode())
`
)

// original is a Python program that runs.
type original struct {
	t     *testing.T
	name  string
	say   *os.File
	heard *bufio.Scanner
}

// python runs a program with the original of this name, or skips the test.
func python(t *testing.T, name, program, port string) *original {
	t.Helper()
	interpreter := originals.Python()
	cmd := exec.Command(interpreter, "-c", program, port)
	cmd.Env = os.Environ()
	path, err := originals.Path(name)
	if err == nil {
		cmd.Env = append(cmd.Env, "PYTHONPATH="+path)
	} else if exec.Command(interpreter, "-c", "import "+strings.TrimRight(name, "23")).Run() != nil {
		t.Skipf("left out: there is no original %s here: %v", name, err)
	}
	in, say, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stdin, cmd.Stderr = in, os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skipf("left out: Python can't be run: %v", err)
	}
	in.Close()
	t.Cleanup(func() { say.Close(); cmd.Process.Kill(); cmd.Wait() })
	o := &original{t, name, say, bufio.NewScanner(out)}
	o.hears("ready")
	return o
}

// hears waits for the next line.
func (o *original) hears(want string) {
	o.t.Helper()
	if !o.heard.Scan() {
		o.t.Fatalf("the original %s has ended before %q: %v", o.name, want, o.heard.Err())
	}
	if got := o.heard.Text(); got != want {
		o.t.Fatalf("the original %s says %q, want %q", o.name, got, want)
	}
}

func (o *original) says(text string) {
	o.t.Helper()
	if _, err := o.say.WriteString(text + "\n"); err != nil {
		o.t.Fatal(err)
	}
}

// An original serpy client, an original tinyproto client and a browser are in one room,
// and each hears the others.
func TestOriginalsAndABrowserInOneRoom(t *testing.T) {
	b := browse(t)
	p := start(t, "serve", "serpy://127.0.0.1:0", "tinyproto://127.0.0.1:0?turns=on", "--relay", "--room", "lab", "--monitor", "0")
	ports := p.all(`listening on \S+127\.0\.0\.1:(\d+)`, 2)
	s, tp := python(t, "serpy", serpyClient, ports[0]), python(t, "tinyproto2", tinyprotoClient, ports[1])
	b.do(chromedp.Navigate(p.url()))
	b.until(`document.querySelector("nav a")`)
	js[int](b, `import("/parley.js").then(async p => {
		window.c = p.connect();
		window.heard = [];
		(async () => { for await (const m of c.room("lab")) heard.push(m.proto + " " + (m.bytes ? new TextDecoder().decode(m.bytes) : m.text)); })();
		while ((await c.ask("who", { to: "lab" })).members.length < 3) await new Promise(f => setTimeout(f, 20));
		return 0;
	})`)
	for range 20 {
		s.says("from serpy")
		tp.hears("heard from serpy")
		b.until(`heard.splice(0).join() === "serpy from serpy"`)
		tp.says("from tinyproto")
		s.hears("heard from tinyproto")
		b.until(`heard.splice(0).join() === "tinyproto from tinyproto"`)
		js[int](b, `c.send("lab", "from the browser").then(() => 0)`)
		s.hears("heard from the browser")
		tp.hears("heard from the browser")
	}
	t.Log("measured: 20 rounds of three, each message heard by both others")
	for _, e := range b.wrong() {
		t.Error(e)
	}
}
