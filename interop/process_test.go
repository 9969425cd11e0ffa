package interop

import (
	"bufio"
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"os"
	"os/exec"
	"testing"
	"time"
)

// patience bounds every wait of a test. The originals are slow, and a machine
// may have other work.
const patience = 5 * time.Minute

//go:embed peers/*.py
var drivers embed.FS

// args are the arguments of a driver's method.
type args map[string]any

// process is an original in a Python process. One test goroutine may use it.
type process struct {
	t       *testing.T
	cmd     *exec.Cmd
	stdin   io.WriteCloser
	replies *bufio.Reader
	asked   string
}

// start starts the original. It is killed when the test ends.
func (o origin) start(t *testing.T) *process {
	t.Helper()
	cmd := exec.Command(o.python, "-u", "-c", source(t, "driver")+source(t, o.driver))
	cmd.Env = append(os.Environ(), "PYTHONPATH="+o.folder, "PYTHONDONTWRITEBYTECODE=1", "PYTHONWARNINGS=ignore")
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
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("standard error of %s:\n%s", o, stderr.Bytes())
		}
	})
	return &process{t: t, cmd: cmd, stdin: stdin, replies: bufio.NewReader(stdout)}
}

func source(t *testing.T, name string) string {
	b, err := drivers.ReadFile("peers/" + name + ".py")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// kill ends the process as the end of a machine would.
func (p *process) kill() {
	p.cmd.Process.Kill()
}

// ask tells the driver to call a method; answer waits for its result.
func (p *process) ask(method string, a args) {
	p.t.Helper()
	request := maps.Clone(a)
	if request == nil {
		request = args{}
	}
	request["do"] = method
	line, err := json.Marshal(request)
	if err == nil {
		_, err = p.stdin.Write(append(line, '\n'))
	}
	if err != nil {
		p.t.Fatalf("%s: %v", method, err)
	}
	p.asked = string(line)
}

// result is what the last method asked for has returned, or why it failed.
func (p *process) result() (json.RawMessage, error) {
	p.t.Helper()
	watch := time.AfterFunc(patience, p.kill)
	defer watch.Stop()
	line, err := p.replies.ReadBytes('\n')
	if err != nil {
		p.t.Fatalf("%s: the driver has ended, or was killed after %v: %v", p.asked, patience, err)
	}
	var reply struct {
		OK    json.RawMessage
		Error string
	}
	if err := json.Unmarshal(line, &reply); err != nil {
		p.t.Fatalf("%s: %v", p.asked, err)
	}
	if reply.Error != "" {
		return nil, errors.New(reply.Error)
	}
	return reply.OK, nil
}

// answer is the result of the method asked for, which must succeed.
func (p *process) answer() json.RawMessage {
	p.t.Helper()
	ok, err := p.result()
	if err != nil {
		p.t.Fatalf("%s: %v", p.asked, err)
	}
	return ok
}

// do is ask and answer.
func (p *process) do(method string, a args) json.RawMessage {
	p.t.Helper()
	p.ask(method, a)
	return p.answer()
}

// get is do for a method whose result is a T.
func get[T any](p *process, method string, a args) T {
	p.t.Helper()
	return decode[T](p, p.do(method, a))
}

func decode[T any](p *process, result json.RawMessage) (v T) {
	p.t.Helper()
	if err := json.Unmarshal(result, &v); err != nil {
		p.t.Fatalf("%s: %v", p.asked, err)
	}
	return v
}
