package parley_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy2"
)

// fullListener returns the address of a socket that listens and whose queue is
// full: the kernel answers no further connect.
func fullListener(t *testing.T) string {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	if err := unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := unix.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	addr := (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: sa.(*unix.SockaddrInet4).Port}).String()
	for range 20 {
		nc, err := net.DialTimeout("tcp", addr, 200*time.Millisecond)
		if e := net.Error(nil); errors.As(err, &e) && e.Timeout() {
			return addr
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { nc.Close() })
	}
	t.Fatal("the queue takes any number of connections")
	return ""
}

// Timeouts.Dial bounds connecting to a peer that does not answer, and is 5 s
// unless set otherwise.
//
// Verifies: RUNTIME-36, RUNTIME-41
func TestConnectTimesOut(t *testing.T) {
	addr := fullListener(t)
	for name, limit := range map[string]time.Duration{"as set": 50 * time.Millisecond, "by default": 0} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			d := parley.Dialer{Protocol: serpy2.Protocol{}, Timeouts: parley.Timeouts{Dial: limit}}
			_, err := d.Dial(ctx, addr)
			if e := new(*parley.TimeoutError); !errors.As(err, e) || !strings.Contains(err.Error(), addr) {
				t.Errorf("got %v, want a TimeoutError that names %s", err, addr)
			}
			if ctx.Err() != nil {
				t.Error("it did not end by itself")
			}
		})
	}
}
