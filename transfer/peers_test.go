package transfer

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/internal/originals"
)

// The original, live; see package interop for where it is found.

// original returns a command that runs Python with the original's modules.
func original(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	path, err := originals.Path("tpft")
	if err != nil {
		t.Skip(err) // the transcripts cover the original's bytes
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, originals.Python(), append([]string{"-u"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1",
		"PYTHONPATH="+path)
	return cmd
}

// originalServer starts tpft's server in dir and returns its address.
func originalServer(t *testing.T, dir string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") // the original can't choose a port
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(addr)
	const program = `
import sys, tpft, tinyproto
class Server(tpft.TpftServer):
    def pre_loop(self):
        print('ready')
s = Server(listen_addresses=[tinyproto.TinyProtoConnectionDetails('127.0.0.1', int(sys.argv[1]))], connection_handler=tpft.TpftServerConnection)
s.verbose, s.display_progress = True, False
s.start()
`
	cmd := original(t, dir, "-c", program, port)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	if _, err := lines.ReadString('\n'); err != nil {
		cmd.Wait()
		t.Fatalf("the original does not start: %v\n%s", err, stderr.Bytes())
	}
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		lines.WriteTo(&bytes.Buffer{})
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-drained
		cmd.Wait()
		if t.Failed() {
			t.Logf("the original says:\n%s", stderr.Bytes())
		}
	})
	return addr
}

// originalClient runs tpft's client in dir and returns what it prints.
func originalClient(t *testing.T, dir string, args ...string) string {
	t.Helper()
	program, err := originals.File("tpft/tpft.py")
	if err != nil {
		t.Skip(err)
	}
	cmd := original(t, dir, append([]string{program, "-p"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("tpft.py %q: %v\n%s", args, err, out)
	}
	return string(out)
}

var peerNames = []string{"plain.bin", "dätei € 😀 \"q\" 'a' \\b <&>.bin", "not UTF-8 \xff\xe4.bin"}

// lineSeparator is in a name that an original takes, and our server does not
// for a new file.
const lineSeparator = "two\u2028lines.bin"

// Verifies: TPFT-01, TPFT-02, TPFT-03, TPFT-04, TPFT-05, TPFT-06, TPFT-15
func TestOriginalServer(t *testing.T) {
	dir := t.TempDir()
	addr := originalServer(t, dir)
	local := t.TempDir()
	for _, plain := range []bool{false, true} {
		cl, err := Dial(soon(t), addr)
		if err != nil {
			t.Fatal(err)
		}
		defer cl.Close()
		cl.Plain, cl.Overwrite = plain, true
		for _, n := range sizes {
			data := mix(n)
			data = append(data[n/3:], data[:n/3]...)
			up, down := write(t, filepath.Join(local, "up"), data), filepath.Join(local, "down")
			if err := cl.Upload(soon(t), up, "f"); err != nil {
				t.Fatal(n, err)
			}
			sameFile(t, filepath.Join(dir, "f"), data)
			write(t, down+PartSuffix, data[:n/2]) // which it can't use
			if err := cl.Download(soon(t), "f", down); err != nil {
				t.Fatal(n, err)
			}
			sameFile(t, down, data)
		}
		for _, name := range append(peerNames, lineSeparator) {
			data := []byte(name)
			if err := cl.UploadFrom(soon(t), bytes.NewReader(data), int64(len(data)), name); err != nil {
				t.Fatal(err)
			}
			sameFile(t, filepath.Join(dir, name), data)
			if err := cl.Download(soon(t), name, filepath.Join(local, "down")); err != nil {
				t.Fatal(err)
			}
			sameFile(t, filepath.Join(local, "down"), data)
		}
		for _, err := range []error{
			cl.Download(soon(t), "it's missing", filepath.Join(local, "down")),
			cl.UploadFrom(soon(t), strings.NewReader("x"), 1, "it's missing/x"),
		} {
			var rejected *RejectedError
			if !errors.As(err, &rejected) || !strings.HasPrefix(rejected.Reason, `[Errno 2] No such file or directory: "it's missing`) {
				t.Error(err)
			}
		}
		if err := cl.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "dir"), 0o755); err != nil {
		t.Fatal(err)
	}
	cl, err := Dial(soon(t), addr)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	cl.Stall = time.Second
	if err := cl.Download(soon(t), "dir", filepath.Join(local, "down2")); !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, parley.ErrPeerClosed) {
		t.Error(err)
	}
}

// An upload that is cancelled leaves the original a piece of the file, as
// always, but nothing that was not in it.
//
// Verifies: TPFT-16
func TestOriginalServerCancel(t *testing.T) {
	dir := t.TempDir()
	addr := originalServer(t, dir)
	data := mix(20 << 20)
	cl, err := Dial(soon(t), addr)
	if err != nil {
		t.Fatal(err)
	}
	defer cl.Close()
	ctx, cancel := context.WithCancel(soon(t))
	cl.OnProgress = func(tr Transfer) {
		if tr.Done > 10<<20 {
			cancel()
		}
	}
	if err := cl.UploadFrom(ctx, bytes.NewReader(data), int64(len(data)), "f"); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	again, err := Dial(soon(t), addr)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	if b := read(t, filepath.Join(dir, "f")); len(b) > len(data) || !bytes.Equal(b, data[:len(b)]) {
		t.Errorf("%d bytes, and not those of the file", len(b))
	}
	if err := again.UploadFrom(soon(t), bytes.NewReader(data), int64(len(data)), "f"); err != nil {
		t.Fatal(err)
	}
	sameFile(t, filepath.Join(dir, "f"), data)
}

// Verifies: TPFT-01, TPFT-02, TPFT-03, TPFT-04, TPFT-05, TPFT-07, TPFT-08
func TestOriginalClient(t *testing.T) {
	for name, limits := range map[string]parley.Limits{"in memory": {}, "streamed": {MaxMessage: MaxLetter}} {
		t.Run(name, func(t *testing.T) {
			ts := serve(t, limits, nil)
			local := t.TempDir()
			remote := ts.addr + ":"
			run := func(args ...string) string { return originalClient(t, local, args...) }
			for i, n := range sizes {
				if limits.MaxMessage == 0 && n%(4<<20) != 1 {
					continue // Python takes its time to start
				}
				file := fmt.Sprint("f", i)
				data := mix(n)
				write(t, filepath.Join(local, "up"), data)
				run("up", remote+file)
				if e := ts.end(t); e.err != nil || e.Done != int64(n) {
					t.Errorf("%+v", e)
				}
				sameFile(t, ts.path(file), data)
				run(remote+file, "down")
				if e := ts.end(t); e.err != nil || e.Done != int64(n) {
					t.Errorf("%+v", e)
				}
				sameFile(t, filepath.Join(local, "down"), data)
			}
			for _, file := range peerNames {
				write(t, filepath.Join(local, "up"), []byte(file))
				run("up", remote+file)
				sameFile(t, ts.path(file), []byte(file))
				run(remote+file, "down")
				sameFile(t, filepath.Join(local, "down"), []byte(file))
			}
			if err := os.Mkdir(ts.path("dir"), 0o755); err != nil {
				t.Fatal(err)
			}
			for path, want := range map[string]string{
				"missing/x": "[Errno 2] No such file or directory: 'missing/x'",
				"dir":       "[Errno 21] Is a directory: 'dir'",
				"../x":      `".." is not served, give a path inside the served folder: '../x'`,
				"/etc/x":    "absolute paths are not served, give one inside the served folder: '/etc/x'",
			} {
				for _, out := range []string{run("up", remote+path), run(remote+path, "nothing")} {
					if !strings.Contains(out, want) || strings.Contains(out, "Traceback") {
						t.Errorf("%s: %s\nwant %s", path, out, want)
					}
				}
			}
			if out := run("up", remote+lineSeparator); !strings.Contains(out, `control characters in the name of a new file: 'two\u2028lines.bin'`) {
				t.Error(out)
			}
			if _, err := os.Stat(filepath.Join(local, "nothing")); err == nil {
				t.Error("something was downloaded")
			}
		})
	}
}
