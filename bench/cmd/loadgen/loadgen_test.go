package main

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// echoServer sends everything back, through spoil.
func echoServer(t *testing.T, spoil func(total int, p []byte)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			buf := make([]byte, 64<<10)
			for total := 0; ; {
				n, err := c.Read(buf)
				spoil(total, buf[:n])
				total += n
				if _, werr := c.Write(buf[:n]); err != nil || werr != nil {
					break
				}
			}
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}

// Of large answers every 16th read is compared whole, so all are spoilt here.
func TestContentsAreChecked(t *testing.T) {
	for _, wire := range []string{"line", "len4", "serpy", "serpy2"} {
		for _, size := range []int{16, 1 << 10, 64 << 10} {
			c := config{wire: wire, conns: 1, depth: 3, size: size, duration: time.Minute}
			c.addr = echoServer(t, func(total int, p []byte) {
				if at := 5*size + 100 - total; size <= 4096 && at >= 0 && at < len(p) || size > 4096 && total > 0 && len(p) > 0 {
					p[max(0, min(at, len(p)/2))] ^= 1
				}
			})
			if _, err := run(c); err == nil || !strings.Contains(err.Error(), "differs") {
				t.Errorf("%s, %d bytes: one changed bit: %v", wire, size, err)
			}
		}
	}
}

func TestSoundAnswers(t *testing.T) {
	for _, wire := range []string{"line", "len4", "serpy", "serpy2"} {
		c := config{wire: wire, conns: 1, depth: 3, size: 100, duration: time.Second}
		c.addr = echoServer(t, func(int, []byte) {})
		if _, err := run(c); err != nil {
			t.Errorf("%s: %v", wire, err)
		}
	}
}

func TestEndIsAnError(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			io.CopyN(io.Discard, c, 10)
			c.Close()
		}
	}()
	if _, err := run(config{wire: "line", conns: 1, depth: 1, size: 16, duration: time.Hour, addr: l.Addr().String()}); err == nil {
		t.Error("a connection that ends is no error")
	}
}
