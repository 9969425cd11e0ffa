//go:build linux

package main

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// bare sends the folder as a tar archive over one connection, to be written out and
// to reach the disk.
func bare(ctx context.Context, from, dir string) (string, time.Duration, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", 0, err
	}
	defer l.Close()
	began := time.Now()
	sent := make(chan error, 1)
	go func() {
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			sent <- err
			return
		}
		defer c.Close()
		w := bufio.NewWriterSize(c, 256<<10)
		archive := tar.NewWriter(w)
		sent <- errors.Join(archive.AddFS(os.DirFS(from)), archive.Close(), w.Flush())
	}()
	c, err := l.Accept()
	if err != nil {
		return "", 0, err
	}
	defer c.Close()
	r := tar.NewReader(bufio.NewReaderSize(c, 256<<10))
	for {
		h, err := r.Next()
		if err == io.EOF {
			err := errors.Join(<-sent, synced(dir))
			return dir, time.Since(began), err
		}
		if err != nil {
			return "", 0, errors.Join(err, <-sent)
		}
		name := filepath.Join(dir, h.Name)
		if h.Typeflag == tar.TypeDir {
			err = os.MkdirAll(name, 0o777)
		} else {
			var b []byte
			if b, err = io.ReadAll(r); err == nil {
				err = os.WriteFile(name, b, 0o666)
			}
		}
		if err != nil {
			return "", 0, err
		}
	}
}

// synced brings the folder's file system to the disk, as parley does in the end.
func synced(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return unix.Syncfs(int(f.Fd()))
}

// parley puts the folder into a server of files, which runs already.
func parley(command string) func(ctx context.Context, from, dir string) (string, time.Duration, error) {
	return func(ctx context.Context, from, dir string) (string, time.Duration, error) {
		server := exec.CommandContext(ctx, command, "serve", "tinyproto://127.0.0.1:0", "--files", dir, "--writable")
		address, err := started(server, regexp.MustCompile(`tinyproto://(\S+)`))
		if err != nil {
			return "", 0, err
		}
		defer ended(server)
		began := time.Now()
		out, err := exec.CommandContext(ctx, command, "put", "-r", from, address+":").CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, out)
		}
		return filepath.Join(dir, filepath.Base(from)), time.Since(began), err
	}
}

// crocWay sends the folder over a relay of its own, which runs already, as does the
// sender: the time is the receiver's.
func crocWay(croc, work string) func(ctx context.Context, from, dir string) (string, time.Duration, error) {
	return func(ctx context.Context, from, dir string) (string, time.Duration, error) {
		ports, err := freePorts(5)
		if err != nil {
			return "", 0, err
		}
		env := append(os.Environ(), "HOME="+work, "CROC_SECRET=1234-folder-of-bench")
		start := func(re string, args ...string) (*exec.Cmd, error) {
			cmd := exec.CommandContext(ctx, croc, args...)
			cmd.Env = env
			_, err := started(cmd, regexp.MustCompile(re))
			return cmd, err
		}
		relay, err := start(`starting TCP server on \S+:(`+ports[0]+`)`, "relay", "--host", "127.0.0.1", "--ports", strings.Join(ports, ","))
		if err != nil {
			return "", 0, err
		}
		defer ended(relay)
		common := []string{"--yes", "--overwrite", "--disable-clipboard", "--ignore-stdin", "--relay", "127.0.0.1:" + ports[0]}
		sender, err := start(`(Code is|On the other)`, append(common, "send", "--no-local", "--code", "1234-folder-of-bench", from)...)
		if err != nil {
			return "", 0, err
		}
		defer ended(sender)
		time.Sleep(time.Second) // it says its code before it waits at the relay
		receiver := exec.CommandContext(ctx, croc, common...)
		receiver.Dir, receiver.Env = dir, env
		began := time.Now()
		out, err := receiver.CombinedOutput()
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, out)
		}
		return filepath.Join(dir, filepath.Base(from)), time.Since(began), err
	}
}

// started starts a program and waits until it says that it is ready.
func started(cmd *exec.Cmd, ready *regexp.Regexp) (found string, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return "", err
	}
	cmd.Stdout, cmd.Stderr = w, w
	err = cmd.Start()
	w.Close()
	if err != nil {
		r.Close()
		return "", err
	}
	said := make(chan string, 1)
	go func() {
		defer r.Close()
		defer close(said)
		lines := bufio.NewScanner(r)
		lines.Buffer(nil, 64<<20) // what overwrites itself is one line
		for told := false; lines.Scan(); {
			if m := ready.FindStringSubmatch(lines.Text()); m != nil && !told {
				said <- m[1]
				told = true
			}
		}
		io.Copy(io.Discard, r)
	}()
	select {
	case found = <-said:
	case <-time.After(2 * time.Minute):
	}
	if found == "" {
		ended(cmd)
		return "", fmt.Errorf("%q is not ready", cmd.Args)
	}
	return found, nil
}

// ended ends a program and waits for that.
func ended(cmd *exec.Cmd) {
	cmd.Process.Signal(syscall.SIGTERM)
	kill := time.AfterFunc(5*time.Second, func() { cmd.Process.Kill() })
	cmd.Wait()
	kill.Stop()
}

// freePorts returns ports that nobody has at the moment: croc takes no port 0.
func freePorts(n int) (ports []string, err error) {
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close()
		_, port, _ := net.SplitHostPort(l.Addr().String())
		ports = append(ports, port)
	}
	return ports, nil
}
