//go:build unix

package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// Clients that nobody has written for parley, with the devices of
// examples/replies and of pyvisa-sim. They are found in the interpreter that
// PARLEY_PYTHON names:
//
//	pip install pyvisa pyvisa-py pyvisa-sim pymeasure pyserial sinstruments
//
// PARLEY_REQUIRE=instruments makes their absence a failure, PARLEY_REQUIRE=ncat,socat
// that of these programs.

// instrumentPython returns an interpreter that has the modules, or skips the test.
func instrumentPython(t *testing.T, modules ...string) string {
	t.Helper()
	python := os.Getenv("PARLEY_PYTHON")
	if python == "" {
		python = "python3"
	}
	out, err := exec.Command(python, "-c", "import "+strings.Join(modules, ", ")).CombinedOutput()
	if err != nil {
		missing(t, "instruments", fmt.Sprintf("%s: %v: %s", python, err, bytes.TrimSpace(out[max(len(out)-200, 0):])))
	}
	return python
}

// missing leaves a test out that has no peer, unless it is required.
func missing(t *testing.T, name, why string) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("PARLEY_REQUIRE"), ","), name) {
		t.Fatalf("%s is required: %s", name, why)
	}
	t.Skipf("%s left out: %s", name, why)
}

// devicePort serves a device and returns its port.
func devicePort(t *testing.T, args ...string) string {
	t.Helper()
	_, urls := serving(t, append([]string{"scpi://127.0.0.1:0", "--replies"}, args...)...)
	return urls[0][strings.LastIndexByte(urls[0], ':')+1:]
}

// python runs a script of testdata/python.
func python(t *testing.T, interpreter, script string, args ...string) string {
	t.Helper()
	cmd := exec.Command(interpreter, append([]string{"-u", filepath.Join("testdata", "python", script)}, args...)...)
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	p := launched(t, cmd)
	p.finishes(t, 0)
	if t.Failed() {
		t.Logf("%s\n%s", p.stdout, p.stderr)
	}
	return p.stdout.String()
}

// All devices of the definition file that pyvisa-sim ships, and of files with
// what that one lacks, answer in parley as in pyvisa-sim.
//
// Verifies: DEVICE-16
func TestPyVISASim(t *testing.T) {
	interpreter := instrumentPython(t, "pyvisa_sim", "pyvisa_py")
	out, err := exec.Command(interpreter, "-c", "import pyvisa_sim, os; d = os.path.dirname(pyvisa_sim.__file__); print(d)").Output()
	if err != nil {
		t.Fatal(err)
	}
	shipped := strings.TrimSpace(string(out))
	for _, tt := range []struct {
		file    string
		devices []string
	}{
		{filepath.Join(shipped, "default.yaml"), []string{"device 1", "device 2", "device 3", "device 4", "device 5"}},
		{filepath.Join(shipped, "testsuite", "fixtures", "channels.yaml"), []string{"device 1", "device 2"}},
		{filepath.Join("testdata", "python", "odd.yaml"), []string{"psu", "other"}},
	} {
		t.Run(filepath.Base(tt.file), func(t *testing.T) {
			if _, err := os.Stat(tt.file); err != nil {
				missing(t, "instruments", err.Error())
			}
			args := []string{tt.file}
			for _, d := range tt.devices {
				args = append(args, d, devicePort(t, tt.file, "--device", d))
			}
			t.Log(python(t, interpreter, "visasim.py", args...))
		})
	}
}

// exampleDevice returns the path of a device of examples/replies.
func exampleDevice(name string) string {
	return filepath.Join("..", "..", "examples", "replies", name+".toml")
}

// PyVISA-py in its defaults, drivers of pymeasure, pyserial.
//
// Verifies: DEVICE-01, DEVICE-05, DEVICE-18
func TestPyMeasure(t *testing.T) {
	interpreter := instrumentPython(t, "pyvisa_py", "pymeasure", "serial")
	var args []string
	for _, name := range []string{"power-supply", "multimeter", "oscilloscope", "camera"} {
		args = append(args, name, devicePort(t, exampleDevice(name)))
	}
	t.Log(python(t, interpreter, "instruments.py", args...))
}

// PyVISA-py with each pair of what ends a question and what ends an answer.
//
// Verifies: DEVICE-18, LINE-01, LINE-03
func TestPyVISATerminators(t *testing.T) {
	interpreter := instrumentPython(t, "pyvisa_py")
	args, pairs := []string{"--replies", exampleDevice("multimeter")}, [][2]string{{"any", "same"}}
	for _, end := range []string{"any", "cr", "lf", "crlf"} {
		for _, send := range []string{"cr", "lf", "crlf"} {
			pairs = append(pairs, [2]string{end, send})
		}
	}
	for _, p := range pairs {
		args = append(args, "scpi://127.0.0.1:0?end="+p[0]+"&send="+p[1])
	}
	_, urls := serving(t, args...)
	var devices []string
	for i, p := range pairs {
		address, _, _ := strings.Cut(urls[i], "?")
		devices = append(devices, p[0], p[1], address[strings.LastIndexByte(address, ':')+1:])
	}
	if out := python(t, interpreter, "terminators.py", devices...); out != "21 pairs: ok\n" {
		t.Error(out)
	} else {
		t.Log(out)
	}
}

// Verifies: DEVICE-18
func TestPlainClients(t *testing.T) {
	port := devicePort(t, exampleDevice("multimeter"))
	const idn = "HEWLETT-PACKARD,34401A,0,parley"
	for _, tt := range []struct {
		name        string
		client      []string
		input, want string
	}{
		{"ncat", []string{"ncat", "127.0.0.1", port}, "*IDN?\n*OPC?\n", "^" + idn + "\n1\n$"},
		{"ncat, no end", []string{"ncat", "127.0.0.1", port}, "*IDN?", "^" + idn + "\r?\n$"},
		{"ncat -C", []string{"ncat", "-C", "127.0.0.1", port}, "*IDN?\n", "^" + idn + "\r\n$"},
		{"socat", []string{"socat", "-t", "60", "-", "TCP:127.0.0.1:" + port}, "*IDN?\r\n*OPC?", "^" + idn + "\r\n1\r\n$"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := exec.LookPath(tt.client[0]); err != nil {
				missing(t, tt.client[0], err.Error())
			}
			cmd := exec.Command(tt.client[0], tt.client[1:]...)
			cmd.Stdin = strings.NewReader(tt.input)
			out, err := cmd.CombinedOutput()
			if err != nil || !regexp.MustCompile(tt.want).Match(out) {
				t.Errorf("%q, %v, want %s", out, err, tt.want)
			}
		})
	}
}
