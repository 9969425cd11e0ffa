package main

import (
	"bytes"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A link of 9600 baud brings 960 bytes a second: 45 kB take 47 s, in which something
// always moves, so the default --timeout of 30 s lets them pass, in either direction.
// It takes PARLEY_RELIABILITY=full, as these are 47 s of real time.
//
// Verifies: LIMITS-02
func TestSlowLinkByDefault(t *testing.T) {
	if os.Getenv("PARLEY_RELIABILITY") != "full" {
		t.Skip("skipped: 45 kB at 960 bytes a second, 47 s of real time; PARLEY_RELIABILITY=full runs it")
	}
	const size, pace = 45_000, 96 // in a tenth of a second
	large := strings.Repeat("x", size)
	for _, k := range []struct {
		name, url, message, want string
		serve                    func(*testing.T, net.Conn)
	}{
		{"answer", "line", "hi", large, func(t *testing.T, nc net.Conn) {
			nc.Read(make([]byte, 100))
			for left := []byte(large + "\n"); len(left) > 0; {
				n, err := nc.Write(left[:min(pace, len(left))])
				if err != nil {
					t.Errorf("the client has gone with %d bytes to come: %v", len(left), err)
					return
				}
				left = left[n:]
				time.Sleep(100 * time.Millisecond)
			}
		}},
		{"question", "line", large, "taken", func(t *testing.T, nc net.Conn) {
			var got []byte
			for b := make([]byte, pace); !bytes.HasSuffix(got, []byte("\n")); {
				n, err := nc.Read(b)
				if err != nil {
					t.Errorf("the client has gone, %d bytes have come: %v", len(got), err)
					return
				}
				got = append(got, b[:n]...)
				time.Sleep(100 * time.Millisecond)
			}
			nc.Write([]byte("taken\n"))
		}},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			small := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error { // else the kernel takes all at once
				return raw.Control(func(fd uintptr) { syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_RCVBUF, 4<<10) })
			}}
			l, err := small.Listen(t.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			go func() {
				nc, err := l.Accept()
				if err != nil {
					return
				}
				defer nc.Close()
				k.serve(t, nc)
				io.Copy(io.Discard, nc)
			}()
			began := time.Now()
			p := beside(t, "send", k.url+"://"+l.Addr().String(), k.message, "-n", "1")
			<-p.ended
			took := time.Since(began)
			t.Logf("%s: %d bytes at %d bytes a second took %v", k.name, size, 10*pace, took.Round(time.Second))
			if !p.cmd.ProcessState.Success() || !strings.Contains(p.stdout.String(), k.want) {
				t.Errorf("%v; %d bytes of output\n%s", p.cmd.ProcessState, len(p.stdout.String()), p.stderr)
			}
			if took < 40*time.Second {
				t.Errorf("it took only %v: the link was not slow", took)
			}
		})
	}
}
