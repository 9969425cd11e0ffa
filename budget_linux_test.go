package parley_test

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy2"
)

// Clients that send much and read late are slowed down when the budget is nearly
// used up, before anybody would be cut: while their handlers wait for them to
// read, no more is read ahead.
//
// Verifies: RUNTIME-11
func TestBudgetSlowsDown(t *testing.T) {
	const clients, messages, size = 8, 128, 32 << 10 // 32 MiB under way
	reasons := make(chan error, clients)
	srv := &parley.Server{Protocol: serpy2.Protocol{}, Handler: parley.HandlerFunc(echo), MaxBuffered: 16 << 20,
		Limits: parley.Limits{MaxOutput: 64 << 10},
		Hooks: parley.Hooks{
			OnOpen: func(_ context.Context, c *parley.Conn) error { // what is not read waits in the server, not in its kernel
				raw, err := c.NetConn().(syscall.Conn).SyscallConn()
				if err == nil {
					raw.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, 16<<10) })
				}
				return err
			},
			OnClose: func(_ *parley.Conn, err error) { reasons <- err },
		}}
	addr := newServer(t, srv)
	var group sync.WaitGroup
	read := make(chan struct{})
	for range clients {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		nc.(*net.TCPConn).SetReadBuffer(16 << 10)
		nc.SetDeadline(time.Now().Add(time.Minute))
		defer nc.Close()
		all := strings.Repeat(serpy2Text(strings.Repeat("x", size)), messages)
		group.Go(func() {
			if _, err := io.WriteString(nc, all); err != nil {
				t.Error(err)
			}
		})
		group.Go(func() {
			<-read
			if n, err := io.CopyN(io.Discard, nc, int64(len(all))); err != nil {
				t.Errorf("%d bytes of %d came back: %v", n, len(all), err)
			}
		})
	}
	standing, since := uint64(0), time.Now()
	eventually(t, "all to stand still", func() bool {
		if in := srv.Stats().Total.BytesIn; in != standing {
			standing, since = in, time.Now()
		}
		return standing > 12<<20 && time.Since(since) > 200*time.Millisecond
	})
	close(read)
	group.Wait()
	if len(reasons) > 0 {
		t.Errorf("a client was cut: %v", <-reasons)
	}
}
