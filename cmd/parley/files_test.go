//go:build unix

package main

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/parley-net/parley/internal/faultproxy"
	"github.com/parley-net/parley/internal/originals"
	"github.com/parley-net/parley/transfer"
)

// contents returns n bytes no two pieces of which are alike.
func contents(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i + i>>8 + i>>16)
	}
	return b
}

func written(t *testing.T, name string, b []byte) string {
	t.Helper()
	if err := os.WriteFile(name, b, 0o666); err != nil {
		t.Fatal(err)
	}
	return name
}

func holds(t *testing.T, name string, want []byte) {
	t.Helper()
	if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes, %v; want the %d that were sent", name, len(got), err, len(want))
	}
}

// addrOf is what put and get call the server of a URL.
func addrOf(url string) string { return strings.TrimPrefix(url, "tinyproto://") }

// slowly starts a proxy that forwards few bytes a second, so that a transfer
// through it can be met in the middle.
func slowly(t *testing.T, addr string) *faultproxy.Proxy {
	t.Helper()
	p, err := faultproxy.Listen(addr, faultproxy.Faults{Bandwidth: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

// begins waits until a file has some of what is to come.
func begins(t *testing.T, name string) {
	t.Helper()
	for late := time.Now().Add(patience); ; {
		if info, err := os.Stat(name); err == nil && info.Size() > 0 {
			return
		}
		if time.Now().After(late) {
			t.Fatalf("nothing comes into %s", name)
		}
		<-time.After(time.Millisecond)
	}
}

// finished runs parley to its end.
func finished(t *testing.T, args ...string) *proc {
	t.Helper()
	p := beside(t, args...)
	p.finishes(t, fault.OK)
	return p
}

// A transfer whose client or server is killed in the middle goes on where it
// was.
//
// Verifies: TPFT-16
func TestKilledTransfersGoOn(t *testing.T) {
	const size = 8 << 20
	data := contents(size)
	client := func(put, _ *proc) { put.kill() }
	server := func(put, srv *proc) {
		srv.kill()
		<-put.ended
		if code := put.cmd.ProcessState.ExitCode(); code != fault.Protocol && code != fault.Fail { // inside a message, or between two
			t.Error("exit code", code)
		}
		if !strings.Contains(put.stderr.String(), "the same command goes on from there") {
			t.Error(put.stderr)
		}
	}
	interrupt := func(put, _ *proc) {
		put.cmd.Process.Signal(syscall.SIGINT)
		put.finishes(t, fault.Interrupted)
		if log := put.stderr.String(); !strings.Contains(log, "the same command goes on from there") || !strings.Contains(log, "parley: interrupted") {
			t.Error(log)
		}
	}
	for name, end := range map[string]func(client, server *proc){"client": client, "server": server, "Ctrl-C": interrupt} {
		for _, verb := range []string{"put", "get"} {
			t.Run(verb+" "+name, func(t *testing.T) {
				served := t.TempDir()
				srv, urls := serving(t, "tinyproto://127.0.0.1:0", "--files", served, "--writable")
				addr := addrOf(urls[0])
				local, remote := filepath.Join(t.TempDir(), "f"), filepath.Join(served, "f")
				from, to := local, remote
				order := func(addr string) []string { return []string{"put", local, addr + ":f", "-v"} }
				if verb == "get" {
					from, to = remote, local
					order = func(addr string) []string { return []string{"get", addr + ":f", local, "-v"} }
				}
				written(t, from, data)
				proxy := slowly(t, addr)
				p := beside(t, order(proxy.Addr())...)
				begins(t, to+transfer.PartSuffix)
				end(p, srv)
				proxy.Close() // what it still holds is not to come
				if _, err := os.Stat(to); err == nil {
					t.Fatal("half a file has its name")
				}
				if info, err := os.Stat(to + transfer.PartSuffix); err != nil || info.Size() == 0 || info.Size() == size {
					t.Fatalf("%v, %v: want a part of the file", info, err)
				}
				if name == "server" {
					serving(t, urls[0], "--files", served, "--writable")
				}
				again := finished(t, order(addr)...)
				if log := again.stderr.String(); !strings.Contains(log, "resumed=") || strings.Contains(log, "resumed=0") {
					t.Error(log)
				}
				holds(t, to, data)
			})
		}
	}
}

// Verifies: TPFT-01, TPFT-02
func TestOriginalFileServer(t *testing.T) {
	served, dir := t.TempDir(), t.TempDir()
	const program = `
import sys, tpft, tinyproto
s = tpft.TpftServer(listen_addresses=[tinyproto.TinyProtoConnectionDetails('127.0.0.1', int(sys.argv[1]))], connection_handler=tpft.TpftServerConnection)
s.verbose, s.display_progress = False, False
s.start()
`
	l, err := net.Listen("tcp", "127.0.0.1:0") // the original can't choose a port
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	_, port, _ := net.SplitHostPort(addr)
	srv := launched(t, originalTpft(t, served, "-c", program, port))
	for late := time.Now().Add(patience); ; { // it does not tell when it listens
		c, err := net.Dial("tcp", addr)
		if err == nil {
			c.Close()
			break
		}
		if time.Now().After(late) {
			t.Fatalf("the original does not listen\n%s", srv.stderr)
		}
		<-time.After(10 * time.Millisecond)
	}
	data := contents(9<<20 + 1)
	up := written(t, filepath.Join(dir, "up"), data)
	name := "dätei €.bin"
	finished(t, "put", up, addr+":"+name)
	holds(t, filepath.Join(served, name), data)
	p := beside(t, "put", up, addr+":"+name)
	p.finishes(t, fault.Fail)
	if !strings.Contains(p.stderr.String(), "is there already, 9.0 MiB: --force replaces it") {
		t.Error(p.stderr)
	}
	finished(t, "put", written(t, filepath.Join(dir, "short"), data[:7]), addr+":"+name, "--force")
	holds(t, filepath.Join(served, name), data[:7])
	finished(t, "put", up, addr+":")
	finished(t, "get", addr+":up", addr+":"+name, dir, "--force")
	holds(t, up, data)
	holds(t, filepath.Join(dir, name), data[:7])
	p = beside(t, "get", addr+":missing", filepath.Join(dir, "missing"))
	p.finishes(t, fault.Fail)
	if !strings.Contains(p.stderr.String(), "[Errno 2] No such file or directory: 'missing'") {
		t.Error(p.stderr)
	}
}

// Verifies: TPFT-01, TPFT-02
func TestOriginalFileClient(t *testing.T) {
	served, dir := t.TempDir(), t.TempDir()
	original := func(args ...string) string {
		t.Helper()
		p := launched(t, originalTpft(t, dir, append([]string{tpftProgram(t), "-p"}, args...)...))
		p.finishes(t, 0)
		return p.stdout.String() + p.stderr.String()
	}
	data := contents(9<<20 + 1)
	up := written(t, filepath.Join(dir, "up"), data)
	written(t, filepath.Join(served, "there"), []byte("x"))
	_, urls := serving(t, "tinyproto://127.0.0.1:0", "--files", served, "--writable")
	addr := addrOf(urls[0])
	original(up, addr+":new")
	holds(t, filepath.Join(served, "new"), data)
	original(addr+":new", filepath.Join(dir, "down"))
	holds(t, filepath.Join(dir, "down"), data)
	if out := original(up, addr+":there"); !strings.Contains(out, "replaces none") {
		t.Error(out)
	}
	holds(t, filepath.Join(served, "there"), []byte("x"))
}

func tpftProgram(t *testing.T) string {
	t.Helper()
	path, err := originals.File("tpft/tpft.py")
	if err != nil {
		t.Skip(err)
	}
	return path
}

// originalTpft returns a command that runs Python with the original's modules.
func originalTpft(t *testing.T, dir string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(originals.Python(), append([]string{"-u"}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1",
		"PYTHONPATH="+findOriginals(t, "tpft"))
	return cmd
}
