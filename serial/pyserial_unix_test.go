//go:build linux || darwin || freebsd

package serial_test

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serial"
)

// python returns the interpreter that PARLEY_PYTHON names, or python3, if it has
// pyserial. Where PARLEY_REQUIRE asks for any live peer it must have it.
func python(t *testing.T) string {
	t.Helper()
	name := os.Getenv("PARLEY_PYTHON")
	if name == "" {
		name = "python3"
	}
	out, err := exec.Command(name, "-c", "import serial; print(serial.__version__)").CombinedOutput()
	if err == nil {
		t.Logf("pyserial %s", bytes.TrimSpace(out))
		return name
	}
	if os.Getenv("PARLEY_REQUIRE") != "" {
		t.Fatalf("%s has no pyserial: %v\n%s", name, err, out)
	}
	t.Skipf("%s has no pyserial (pip install pyserial): %v", name, err)
	return ""
}

// frames are the frames of the tests, in Python.
const frames = `
import serial, struct, sys
p = serial.Serial(sys.argv[1], 115200, timeout=20)
def read():
    head = p.read(4)
    return p.read(struct.unpack(">I", head)[0]) if len(head) == 4 else None
def write(m):
    p.write(struct.pack(">I", len(m)) + m)
    p.flush()
`

// A parley client asks a device that is written with pyserial.
func TestPyserialDevice(t *testing.T) {
	python := python(t)
	a, b := cable(t)
	device := exec.Command(python, "-c", frames+`
print("ready", flush=True)
while (m := read()) != b"end":
    write(m[::-1])
`, a)
	out, err := device.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := device.Start(); err != nil {
		t.Fatal(err)
	}
	out.Read(make([]byte, 8)) // "ready": before, what arrives is thrown away
	c := dial(t, &parley.Dialer{Protocol: wire, NetDial: serial.Dial}, b)
	for _, text := range []string{"*IDN?", "\r\n\x11\x13\x00", strings.Repeat("0123456789", 2000)} {
		m, err := c.Call(bounded(t), parley.Bytes([]byte(text)))
		want := []byte(text)
		for i, j := 0, len(want)-1; i < j; i, j = i+1, j-1 {
			want[i], want[j] = want[j], want[i]
		}
		if err != nil || !bytes.Equal(m.Bytes(), want) {
			t.Errorf("%.20q: %.20q, %v", text, m.Bytes(), err)
		}
	}
	c.Send(bounded(t), parley.Text("end"))
	c.Close()
	if err := device.Wait(); err != nil {
		t.Error(err)
	}
}

// A program that is written with pyserial asks a parley server.
func TestPyserialClient(t *testing.T) {
	python := python(t)
	a, b := cable(t)
	serve(t, &parley.Server{Protocol: wire, Handler: parley.HandlerFunc(echo)}, a)
	out, err := exec.CommandContext(bounded(t), python, "-c", frames+`
for m in b"*IDN?", bytes(range(256)), b"0123456789" * 2000:
    write(m)
    assert read() == m, "not the same"
print("ok")
`, b).CombinedOutput()
	if err != nil || string(out) != "ok\n" {
		t.Errorf("%v\n%s", err, out)
	}
}
