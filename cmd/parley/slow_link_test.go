package main

import (
	"bytes"
	"io"
	"net"
	"os"
	"strings"
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
		{"answer", "serpy", "hi", large, func(t *testing.T, nc net.Conn) {
			nc.Read(make([]byte, 100))
			for left := []byte(large + "\x1f"); len(left) > 0; {
				n, err := nc.Write(left[:min(pace, len(left))])
				if err != nil {
					t.Errorf("the client has gone with %d bytes to come: %v", len(left), err)
					return
				}
				left = left[n:]
				time.Sleep(100 * time.Millisecond)
			}
		}},
		{"question", "serpy", large, "taken", func(t *testing.T, nc net.Conn) {
			nc.(*net.TCPConn).SetReadBuffer(2 << 10) // else the kernel takes all at once
			var got []byte
			for b := make([]byte, pace); !bytes.HasSuffix(got, []byte{0x1f}); {
				n, err := nc.Read(b)
				if err != nil {
					t.Errorf("the client has gone, %d bytes have come: %v", len(got), err)
					return
				}
				got = append(got, b[:n]...)
				time.Sleep(100 * time.Millisecond)
			}
			nc.Write([]byte("taken\x1f"))
		}},
	} {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0")
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
			err = p.cmd.Wait()
			took := time.Since(began)
			t.Logf("%s: %d bytes at %d bytes a second took %v", k.name, size, 10*pace, took.Round(time.Second))
			if err != nil || !strings.Contains(p.stdout.String(), k.want) {
				t.Errorf("%v; %d bytes of output\n%s", err, len(p.stdout.String()), p.stderr)
			}
			if took < 40*time.Second {
				t.Errorf("it took only %v: the link was not slow", took)
			}
		})
	}
}
