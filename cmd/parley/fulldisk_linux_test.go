package main

import (
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/oneline"
)

// smallDisk returns a folder on a disk of its own with so many bytes.
func smallDisk(t *testing.T, bytes int) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("none", dir, "tmpfs", 0, fmt.Sprintf("size=%d", bytes)); err != nil {
		t.Skipf("left out: a small disk needs root: %v", err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// The disk of a tap's store fills up: what is said goes on to be passed, /readyz says no
// and why, the log has it once, what was kept is there and whole, and the end is an error.
//
// Verifies: STORE-07
func TestTapOnAFullDisk(t *testing.T) {
	dir := smallDisk(t, 2<<20)
	path := filepath.Join(dir, "lab.db")
	server := startInside(t, true, "serve", "oneline://127.0.0.1:0", "--echo")
	tap := startInside(t, true, "tap", "oneline://127.0.0.1:0", server.addr(), "--store", path, "--monitor", "0")
	url := regexp.MustCompile(`monitor on (http://\S+)`).FindStringSubmatch(tap.stderr.String())[1]
	ready := func() (int, string) {
		res, err := http.Get(url + "readyz")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, _ := io.ReadAll(res.Body)
		return res.StatusCode, string(b)
	}
	if code, text := ready(); code != 200 {
		t.Fatalf("%d: %s", code, text)
	}
	c, err := parley.Dial(t.Context(), oneline.Protocol{}, tap.addr())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	say := func(i int) {
		t.Helper()
		text := fmt.Sprint(i, " ", strings.Repeat("x", 20_000))
		if m, err := c.Call(t.Context(), parley.Text(text)); err != nil || m.Text() != text {
			t.Fatalf("message %d does not pass: %v", i, err)
		}
	}
	i := 0
	code, text := 200, ""
	for ; code == 200; i++ {
		if i == 2000 {
			t.Fatal("the disk does not fill up")
		}
		say(i)
		code, text = ready()
	}
	if code != 503 || !strings.Contains(text, "no room left for the store: free some, then start again") {
		t.Errorf("readyz: %d %s", code, text)
	}
	for range 50 { // and service goes on
		i++
		say(i)
	}
	res, err := http.Get(url + "metrics")
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	res.Body.Close()
	if !strings.Contains(string(body), "\nparley_ready 0\n") {
		t.Error("parley_ready is not 0")
	}
	c.Close()
	tap.stop()
	if code := tap.wait(); code != fault.Fail {
		t.Errorf("exit code %d", code)
	}
	if n := strings.Count(tap.stderr.String(), "no room left"); n == 0 || n > 3 {
		t.Errorf("it is told %d times:\n%s", n, tap.stderr)
	}
	// What was kept is whole; a larger disk is enough to read it.
	if err := syscall.Mount("none", dir, "tmpfs", syscall.MS_REMOUNT, "size=64m"); err != nil {
		t.Fatal(err)
	}
	verify := startInside(t, false, "verify", path)
	if code := verify.wait(); code != 0 {
		t.Errorf("verify: %d %s %s", code, verify.stdout, verify.stderr)
	}
	find := startInside(t, false, "find", path, "--text", "0 xxx", "-n", "1")
	if code := find.wait(); code != 0 {
		t.Errorf("find: %d %s", code, find.stderr)
	}
}
