//go:build unix

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// relaying starts a command that listens, and returns its port.
func relaying(t *testing.T, args ...string) (*proc, string) {
	t.Helper()
	p := beside(t, args...)
	found, err := p.stderr.await(ready)
	if err != nil {
		t.Fatalf("%v\n%s", err, p.stderr)
	}
	return p, found[1][strings.LastIndexByte(found[1], ':')+1:]
}

// One walk by a client that nobody has written for parley: a driver of pymeasure
// runs against the shipped power supply, over a tap that records it, and again
// against the recording. What it is told is the same to the last digit, although
// the supply's values are noisy and the supply is gone.
//
// Verifies: DEVICE-18
func TestWalkOfADriver(t *testing.T) {
	interpreter := instrumentPython(t, "pyvisa_py", "pymeasure")
	session := filepath.Join(t.TempDir(), "session.jsonl")

	supply, urls := serving(t, "scpi://127.0.0.1:0", "--replies", exampleDevice("power-supply"))
	tap, port := relaying(t, "tap", "scpi://127.0.0.1:0", strings.TrimPrefix(urls[0], "scpi://"), "--record", session)
	measured := python(t, interpreter, "walk.py", port)
	for _, p := range []*proc{tap, supply} {
		p.cmd.Process.Signal(syscall.SIGINT)
		p.finishes(t, 0)
	}
	if n := strings.Count(measured, "\n"); n != 14 || !strings.HasPrefix(measured, "KEYSIGHT TECHNOLOGIES,E36312A,") {
		t.Fatalf("%d lines:\n%s", n, measured)
	}
	recorded, err := os.ReadFile(session)
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{"c2s", "s2c"} {
		t.Logf("%d messages %s", strings.Count(string(recorded), `"dir":"`+dir+`","kind"`), dir)
	}

	for name, how := range map[string][]string{"as it went": nil, "at once, again and again": {"--speed", "0", "--loop"}} {
		t.Run(name, func(t *testing.T) {
			replay, port := relaying(t, append([]string{"replay", session, "--as-server", "scpi://127.0.0.1:0"}, how...)...)
			for range 1 + len(how)/2 {
				if again := python(t, interpreter, "walk.py", port); again != measured {
					t.Errorf("the instrument has said\n%sand its recording\n%s", measured, again)
				}
			}
			if how != nil {
				replay.cmd.Process.Signal(syscall.SIGINT)
			}
			replay.finishes(t, 0)
		})
	}
}

// Instruments that sinstruments simulates, at ports and at a serial port.
//
// Verifies: ASK-01, ASK-03, ASK-05
func TestAskSinstruments(t *testing.T) {
	interpreter := instrumentPython(t, "sinstruments")
	serialPort := filepath.Join(t.TempDir(), "port")
	cmd := exec.Command(interpreter, "-u", filepath.Join("testdata", "python", "sinstruments_devices.py"), serialPort)
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	devices := launched(t, cmd)
	ports, err := devices.stdout.await(regexp.MustCompile(`(?m)^(\d+) (\d+)$`))
	if err != nil {
		t.Fatalf("%v\n%s", err, devices.stderr)
	}
	scpi, cr, serial := "scpi://127.0.0.1:"+ports[1], "line://127.0.0.1:"+ports[2]+"?end=cr&send=cr", "scpi+serial://"+serialPort+"?baud=9600"
	for _, tt := range []struct {
		args []string
		want string
		code int
	}{
		{[]string{scpi, "*IDN?", "VOLT 1.5", "VOLT?", "*TST?"}, "ACME,SUPPLY,tcp,1.0\n1.5\n0\n", 0},
		{[]string{scpi, "VOLT?", "*TST?", "--pairs"}, "VOLT?\t1.5\n*TST?\t0\n", 0},  // of another connection: it has one state
		{[]string{scpi, "LOG?", "*TST?", "--answers", "3"}, "on\noff\nEND\n0\n", 4}, // *TST? has one
		{[]string{scpi, "LOG?", "--until", "END"}, "on\noff\nEND\n", 0},
		{[]string{scpi, "LOG?", "*IDN?", "--quiet", "500ms"}, "on\noff\nEND\nACME,SUPPLY,tcp,1.0\n", 0},
		{[]string{scpi, "CURV?", "--block"}, "\n\r#1", 0},
		{[]string{scpi, "NONE?", "*IDN?"}, "", 4},
		{[]string{scpi, "NONE?", "*IDN?", "--keep-going"}, "ACME,SUPPLY,tcp,1.0\n", 4},
		{[]string{cr, "*IDN?", "VOLT -2", "VOLT?", "--answers", "1"}, "ACME,SUPPLY,cr,1.0\n", 4}, // on line:// VOLT has an answer, too
		{[]string{cr, "LOG?", "--until", "END"}, "on\noff\nEND\n", 0},
		{[]string{serial, "*IDN?", "VOLT 3", "VOLT?"}, "ACME,SUPPLY,serial,1.0\n3\n", 0},
		{[]string{serial, "CURV?", "--block"}, "\n\r#1", 0},
		{[]string{serial, "LOG?", "--until", "END"}, "on\noff\nEND\n", 0},
	} {
		if tt.code == 4 {
			tt.args = append(tt.args, "--timeout", "1s")
		}
		code, stdout, stderr := runParley(t, "", append([]string{"ask"}, tt.args...)...)
		if code != tt.code || stdout != tt.want {
			t.Errorf("ask %q: exit code %d, %q; want %d, %q\n%s", tt.args, code, stdout, tt.code, tt.want, stderr)
		}
	}
}
