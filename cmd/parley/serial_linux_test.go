package main

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"golang.org/x/sys/unix"
)

// cable joins two serial ports that are pseudo-terminals, and returns their
// names.
func cable(t *testing.T) (a, b string) {
	t.Helper()
	var masters [2]*os.File
	var names [2]string
	for i := range masters {
		// While nobody has it open the port would be gone, and it would echo.
		master, tty := openTerminal(t)
		masters[i], names[i] = master, tty.Name()
		settings, err := unix.IoctlGetTermios(int(tty.Fd()), unix.TCGETS)
		if err != nil {
			t.Fatal(err)
		}
		settings.Lflag &^= unix.ECHO | unix.ICANON
		if err := unix.IoctlSetTermios(int(tty.Fd()), unix.TCSETS, settings); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { masters[i].Close(); tty.Close() })
	}
	for i := range masters {
		go func() {
			buf := make([]byte, 1000)
			for {
				n, err := masters[i].Read(buf)
				if err != nil {
					return
				}
				masters[1-i].Write(buf[:n])
			}
		}()
	}
	return names[0], names[1]
}

// An instrument at one end of a serial cable, simulated by serve; send, tap and
// bridge at the other.
func TestSerialPorts(t *testing.T) {
	a, b := cable(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	replies := filepath.Join(t.TempDir(), "replies.toml")
	os.WriteFile(replies, []byte("[[reply]]\nrequest = \"*IDN?\"\nresponse = \"parley,serial,1\"\n"), 0o666)
	// start returns the address that the ready line of a command names.
	start := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(ctx, "parley", args...)
		cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
		stderr, err := cmd.StderrPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(stderr)
		t.Cleanup(func() {
			cmd.Process.Signal(os.Interrupt)
			cmd.Wait()
		})
		for lines.Scan() {
			if url, ok := strings.CutPrefix(lines.Text(), "listening on "); ok {
				go func() {
					for lines.Scan() { // or it would block
					}
				}()
				url, _, _ = strings.Cut(url, " ")
				return url
			}
			t.Log(lines.Text())
		}
		t.Fatalf("parley %q does not listen", args)
		return ""
	}
	ask := func(url string) {
		t.Helper()
		out, err := exec.CommandContext(ctx, "parley", "send", url, "*IDN?", "--count", "1", "--timeout", "20s").CombinedOutput()
		if err != nil || string(out) != "parley,serial,1\n" {
			t.Errorf("send %s: %q, %v", url, out, err)
		}
	}
	device := "line+serial://" + a + "?baud=115200"
	if url := start("serve", device, "--replies", replies); url != device {
		t.Errorf("it listens on %s", url)
	}
	port := "scpi+serial://" + b + "?baud=115200"
	ask(port)
	ask(port)
	ask(start("bridge", "scpi://127.0.0.1:0", port))

	out, err := exec.CommandContext(ctx, "parley", "send", "line+serial:///dev/nothing-here", "x").CombinedOutput()
	if e, ok := err.(*exec.ExitError); !ok || e.ExitCode() != fault.Connect || !strings.Contains(string(out), "is the device plugged in?") && !strings.Contains(string(out), "there are") {
		t.Errorf("a port that is not there: %v, %s", err, out)
	}
}
