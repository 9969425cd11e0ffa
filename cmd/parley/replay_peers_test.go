package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/parley-net/parley/internal/originals"
)

// pythonPeer is a driver of interop/peers in a process of its own: an original
// Python program that a test can tell what to do.
type pythonPeer struct {
	t       *testing.T
	stdin   *bufio.Writer
	replies *bufio.Reader
	kill    func() error
}

// originals says where the originals are, or skips the test.
func findOriginals(t *testing.T, names ...string) string {
	t.Helper()
	path, err := originals.Path(names...)
	if err != nil {
		t.Skip(err)
	}
	return path
}

// startPython starts a driver.
func startPython(t *testing.T, folder, driver string) *pythonPeer {
	t.Helper()
	path := findOriginals(t, folder)
	var program bytes.Buffer
	for _, name := range []string{"driver", driver} {
		b, err := os.ReadFile(filepath.Join("..", "..", "interop", "peers", name+".py"))
		if err != nil {
			t.Fatal(err)
		}
		program.Write(b)
	}
	cmd := exec.Command(originals.Python(), "-u", "-c", program.String())
	cmd.Env = append(os.Environ(), "PYTHONPATH="+path, "PYTHONDONTWRITEBYTECODE=1", "PYTHONWARNINGS=ignore")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skipf("there is no Python interpreter, PARLEY_PYTHON can name one: %v", err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("standard error of %s:\n%s", folder, stderr.Bytes())
		}
	})
	return &pythonPeer{t: t, stdin: bufio.NewWriter(stdin), replies: bufio.NewReader(stdout), kill: cmd.Process.Kill}
}

type peerArgs map[string]any

// do calls a method of the driver and returns its result.
func (o *pythonPeer) do(method string, a peerArgs) any {
	o.t.Helper()
	request := maps.Clone(a)
	if request == nil {
		request = peerArgs{}
	}
	request["do"] = method
	line, err := json.Marshal(request)
	if err != nil {
		o.t.Fatal(err)
	}
	o.stdin.Write(append(line, '\n'))
	if err := o.stdin.Flush(); err != nil {
		o.t.Fatalf("%s: %v", line, err)
	}
	watch := time.AfterFunc(patience, func() { o.kill() })
	defer watch.Stop()
	reply, err := o.replies.ReadBytes('\n')
	if err != nil {
		o.t.Fatalf("%s: the driver has ended, or was killed after %v: %v", line, patience, err)
	}
	var r struct {
		OK    any
		Error string
	}
	if err := json.Unmarshal(reply, &r); err != nil || r.Error != "" {
		o.t.Fatalf("%s: %v %s", line, err, r.Error)
	}
	return r.OK
}

// peerValue is a value that an original sends, and its mode on serpy.
type peerValue struct {
	python string
	mode   int
}

// dialogue is a session between an original's client and its server.
type dialogue struct {
	folder, driver, proto string
	listen                peerArgs
	values                []peerValue
}

var dialogues = []dialogue{
	{"oneline", "oneline", "oneline", peerArgs{"answer": "lambda c: ['ack', ' second '] if c == 'cmd01' else ['nak - ' + c]"},
		[]peerValue{{python: "'cmd01'"}, {python: "'junk'"}, {python: "'cmd01'"}}},
	{"tinyproto2", "tinyproto", "tinyproto", peerArgs{"echo": true}, []peerValue{{python: "b'hello'"}, {python: "b''"}, {python: "mix(100000)"}}},
	{"tinyproto3", "tinyproto", "tinyproto", peerArgs{"echo": true}, []peerValue{{python: "b'hello'"}, {python: "b''"}, {python: "mix(100000)"}}},
	{"serpy", "serpy", "serpy", nil, []peerValue{
		{"'text'", 0}, {"'text'", 1}, {"mix(1000)", 2}, {"b'bytes'", 3}, {"{'k': [1, 2.5, None], 'a': 'b'}", 4},
		{"(1, {2})", 5}, {"'a str is sent as bytes'", 4}, {"12", 0},
	}},
	{"serpy", "serpy2", "serpy2", nil, []peerValue{{python: "-7"}, {python: "2.5"}, {python: "'grüß'"}, {python: "mix(1000)"}, {python: "float('nan')"}}},
}

// client has an original's client say its part to a server at port. The number
// of answers is that of the server.
func (d dialogue) client(o *pythonPeer, port int) {
	o.t.Helper()
	o.do("connect", peerArgs{"port": port})
	for _, v := range d.values {
		a := peerArgs{"value": v.python}
		if d.driver == "serpy" {
			a["mode"] = v.mode
		}
		o.do("send", a)
		o.do("recv", nil)
		if v.python == "'cmd01'" {
			o.do("recv", nil)
		}
	}
	if d.driver == "oneline" {
		o.do("disconnect", nil)
		return
	}
	o.do("close", nil)
}

// server has an original's server play its part, where it does not by itself.
// client is the pythonPeer that talks to it, or nil.
func (d dialogue) server(server *pythonPeer) {
	server.t.Helper()
	if d.listen != nil {
		return
	}
	server.do("accept", nil)
	for _, v := range d.values {
		server.do("recv", nil)
		a := peerArgs{"value": "got"}
		if d.driver == "serpy" {
			a["mode"] = v.mode
		}
		server.do("send", a)
	}
}

func portOf(t *testing.T, addr string) int {
	t.Helper()
	var n int
	if _, err := fmt.Sscanf(addr, "127.0.0.1:%d", &n); err != nil {
		t.Fatal(err)
	}
	return n
}

// A live session of the originals is recorded, then each side is played for the
// pythonPeer at the other.
func TestReplayOriginals(t *testing.T) {
	for _, d := range dialogues {
		t.Run(d.folder+"/"+d.driver, func(t *testing.T) {
			findOriginals(t, d.folder)
			t.Parallel()
			session := filepath.Join(t.TempDir(), "session.jsonl")
			url := d.proto + "://127.0.0.1:0"

			server, client := startPython(t, d.folder, d.driver), startPython(t, d.folder, d.driver)
			at := fmt.Sprintf("127.0.0.1:%v", server.do("listen", d.listen))
			tap := startInside(t, true, "tap", url, at, "-vv", "--record", session)
			served := make(chan struct{})
			go func() {
				defer close(served)
				d.server(server)
			}()
			d.client(client, portOf(t, tap.addr()))
			<-served
			tap.hears(`msg="end of stream" conn=1 client=\S+ from=client`) // the server of tinyproto 3 never closes
			tap.stop()
			tap.end(0)

			mock := startInside(t, true, "replay", session, "--as-server", url, "--timeout", "15s")
			d.client(startPython(t, d.folder, d.driver), portOf(t, mock.addr()))
			mock.end(0)

			server = startPython(t, d.folder, d.driver)
			at = fmt.Sprintf("127.0.0.1:%v", server.do("listen", d.listen))
			play := startInside(t, false, "replay", session, "--as-client", d.proto+"://"+at, "--timeout", "15s")
			d.server(server)
			play.end(0)
		})
	}
}
