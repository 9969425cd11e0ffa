package interop

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/frame"
)

// framePeer starts a program of ours around somebody else's frames and returns
// the port that it tells. What is missing is printed as left out, or fails the
// test if PARLEY_REQUIRE_FRAME names it.
func framePeer(t *testing.T, name string, command ...string) (port int) {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	stdout, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		leftOut(t, name, err.Error())
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if _, scan := fmt.Sscan(line, &port); scan != nil {
		cmd.Process.Kill()
		cmd.Wait()
		leftOut(t, name, fmt.Sprintf("%v %s", err, stderr.String()))
	}
	return port
}

func leftOut(t *testing.T, name, why string) {
	t.Helper()
	for required := range strings.SplitSeq(os.Getenv("PARLEY_REQUIRE_FRAME"), ",") {
		if required == name {
			t.Fatalf("%s is required: %s", name, why)
		}
	}
	fmt.Printf("interop: %s: left out, %.200s\n", name, strings.ReplaceAll(why, "\n", " "))
	t.Skip(name + " left out: " + why)
}

func framePython() string {
	if p := os.Getenv("PARLEY_PYTHON"); p != "" {
		return p
	}
	return "python3"
}

// echoes sends payloads to an echo, each with its head in front.
func echoes(t *testing.T, p frame.Protocol, port int, head int, sizes ...int) {
	t.Helper()
	c := dial(t, &parley.Dialer{Protocol: p}, port)
	for _, n := range sizes {
		b := make([]byte, head+n)
		for i := range b[head:] {
			b[head+i] = byte(i * 7)
		}
		send(t, c, parley.Bytes(b))
		got := receive(t, c)
		if len(got.Bytes()) != len(b) || !bytes.Equal(got.Bytes()[head:], b[head:]) {
			t.Fatalf("%d bytes came back as %v", n, got)
		}
	}
}

// Verifies: FRAME-15
func TestFrameCOBSOfPython(t *testing.T) {
	port := framePeer(t, "cobs", framePython(), "-u", "peers/frame_cobs.py")
	echoes(t, frame.Protocol{Marks: frame.COBS}, port, 0, 0, 1, 253, 254, 255, 256, 508, 509, 60_000)
}

var modbus = frame.Protocol{Size: frame.U16BE, Offset: 4, Max: 254}

// A device of pymodbus, asked by parley.
//
// Verifies: FRAME-02, FRAME-03
func TestFrameModbusDevice(t *testing.T) {
	c := dial(t, &parley.Dialer{Protocol: modbus}, framePeer(t, "pymodbus", framePython(), "-u", "peers/frame_modbus.py"))
	send(t, c, parley.Bytes([]byte{0, 9, 0, 0, 0, 0, 17, 3, 0, 0, 0, 3}))
	if got, want := fmt.Sprintf("% x", receive(t, c).Bytes()), "00 09 00 00 00 09 11 03 06 00 64 00 65 00 66"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// A client of pymodbus, answered by parley.
//
// Verifies: FRAME-02, FRAME-03
func TestFrameModbusClient(t *testing.T) {
	if out, err := exec.Command(framePython(), "-c", "import pymodbus").CombinedOutput(); err != nil {
		leftOut(t, "pymodbus", string(out))
	}
	port := serve(t, &parley.Server{Protocol: modbus, Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
		q := m.Bytes()
		return c.Send(ctx, parley.Bytes([]byte{q[0], q[1], 0, 0, 0, 0, q[6], 3, 6, 0, 7, 0, 8, 0, 9}))
	})})
	out, err := exec.Command(framePython(), "peers/frame_modbus.py", fmt.Sprint(port)).CombinedOutput()
	if strings.TrimSpace(string(out)) != "[7, 8, 9]" || err != nil {
		t.Errorf("pymodbus has read %s, %v", out, err)
	}
}

// Verifies: FRAME-02, FRAME-09
func TestFrameNetty(t *testing.T) {
	jars, _ := filepath.Glob("/usr/share/java/netty-all.jar")
	if len(jars) == 0 {
		leftOut(t, "netty", "there is no /usr/share/java/netty-all.jar: apt-get install libnetty-java default-jdk-headless")
	}
	classes := strings.Join(append(jars, "/usr/share/java/*"), string(os.PathListSeparator))
	start := func(args ...string) int {
		return framePeer(t, "netty", append([]string{"java", "-cp", classes, "peers/FrameNetty.java"}, args...)...)
	}
	echoes(t, frame.Protocol{Size: frame.U32BE, Offset: 2}, start("70000", "2", "4", "0"), 6, 0, 1, 255, 60_000)
	port := start("1000", "0", "2", "-2")
	echoes(t, frame.Protocol{Size: frame.U16BE, Adjust: -2}, port, 2, 0, 1, 900)
	// Both skip a frame that is too large, and go on.
	c := dial(t, &parley.Dialer{Protocol: frame.Protocol{Size: frame.U16BE, Adjust: -2}}, port)
	send(t, c, parley.Bytes(make([]byte, 2000)))
	send(t, c, parley.Bytes([]byte("__behind")))
	if got := receive(t, c); !strings.HasSuffix(got.Text(), "behind") {
		t.Errorf("behind a frame that is too large: %v", got)
	}
}

// Verifies: FRAME-02
func TestFrameTokio(t *testing.T) {
	target := t.TempDir()
	build := exec.Command("cargo", "build", "--quiet", "--target-dir", target, "--manifest-path", filepath.Join(target, "src", "Cargo.toml"))
	if err := os.CopyFS(filepath.Join(target, "src"), os.DirFS("peers/tokio")); err != nil {
		t.Fatal(err)
	}
	if out, err := build.CombinedOutput(); err != nil {
		leftOut(t, "tokio", fmt.Sprintf("%v %s", err, out))
	}
	port := framePeer(t, "tokio", filepath.Join(target, "debug", "frame-tokio"))
	echoes(t, frame.Protocol{Size: frame.U16LE, Adjust: -2, Strip: frame.Head}, port, 0, 0, 1, 255, 60_000)
}
