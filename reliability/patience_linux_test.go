package reliability

import (
	"context"
	"errors"
	"net"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/parley-net/parley"
)

// keepAlive is what these tests have the kernel ask peers with, and the span after
// which it gives up: the default in the full size.
func keepAlive() (each, span time.Duration) {
	each = time.Duration(scale(15, 1)) * time.Second
	if !full {
		each = time.Second // also with -race
	}
	return each, 5 * each
}

// A peer that has vanished while output waits for it is found within 90 s, by
// default, also if it had room for some of it, or none: its kernel answers nothing.
//
// Verifies: RUNTIME-86, RUNTIME-13
func TestVanishedWithOutput(t *testing.T) {
	each, span := keepAlive()
	eachDriver(t, func(t *testing.T, d driver) {
		for name, first := range map[string]int{"at once": 0, "with its window shut": 64 << 20} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				srv := &parley.Server{Protocol: formOf("serpy2").protocol, Pull: true, Timeouts: parley.Timeouts{KeepAlive: each}}
				nc := connect(t, start(t, d, srv))
				c, err := srv.Accept(bounded(t))
				if err != nil {
					t.Fatal(err)
				}
				sent := make(chan error, 1)
				send := func() { sent <- c.Send(context.Background(), parley.Bytes(make([]byte, 64<<20))) }
				if first > 0 {
					go send()
					time.Sleep(time.Second) // until nothing more is taken
				}
				vanish(t, nc)
				began := time.Now()
				if first == 0 {
					go send()
				}
				select {
				case err = <-sent:
				case <-time.After(within(4 * span)):
					t.Fatalf("not found within %v", 4*span)
				}
				took := time.Since(began)
				figure(t, "vanished %s, keep-alive gives up after %v: found after %v: %v", name, span, took.Round(time.Millisecond), err)
				if !errors.Is(err, syscall.ETIMEDOUT) {
					t.Errorf("it says %v", err)
				}
				if took < span-each || took > within(span+each) { // it was heard of shortly before
					t.Errorf("want %v to %v", span, span+each)
				}
			})
		}
	})
}

// vanish has nc's kernel take nothing that arrives for it any more, as if its cable
// had been cut: not even an acknowledgement leaves.
func vanish(t *testing.T, nc *net.TCPConn) {
	t.Helper()
	raw, err := nc.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	drop := []unix.SockFilter{{Code: unix.BPF_RET | unix.BPF_K, K: 0}}
	raw.Control(func(fd uintptr) {
		err = unix.SetsockoptSockFprog(int(fd), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop[0]})
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A peer whose process is stopped while output waits for it is kept, and takes the
// rest when it goes on.
//
// Verifies: RUNTIME-86, RUNTIME-13
func TestStoppedPeerIsKept(t *testing.T) {
	each, _ := keepAlive()
	lasting := time.Duration(scale(300, 15)) * time.Second
	if !full {
		lasting = 15 * time.Second
	}
	eachDriver(t, func(t *testing.T, d driver) {
		t.Parallel()
		srv := &parley.Server{Protocol: formOf("serpy2").protocol, Pull: true, Timeouts: parley.Timeouts{KeepAlive: each}}
		nc := connect(t, start(t, d, srv))
		c, err := srv.Accept(bounded(t))
		if err != nil {
			t.Fatal(err)
		}
		f, err := nc.File()
		if err != nil {
			t.Fatal(err)
		}
		reader := exec.Command("cat")
		reader.Stdin = f
		if err := reader.Start(); err != nil {
			t.Fatal(err)
		}
		f.Close()
		nc.Close() // the process has it
		defer reader.Wait()
		defer reader.Process.Kill()
		reader.Process.Signal(syscall.SIGSTOP)
		sent := make(chan error, 1)
		go func() { sent <- c.Send(context.Background(), parley.Bytes(make([]byte, 64<<20))) }()
		began := time.Now()
		select {
		case err := <-sent:
			t.Fatalf("after %v: %v", time.Since(began), err)
		case <-time.After(lasting):
		}
		reader.Process.Signal(syscall.SIGCONT)
		select {
		case err = <-sent:
		case <-time.After(patience):
			t.Fatal("it went on, and did not take the rest")
		}
		figure(t, "stopped for %v: kept, and took the rest: %v", lasting, err)
		if err != nil {
			t.Error(err)
		}
	})
}
