package parley_test

import (
	"context"
	"io"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

// A peer that reads late, later than Timeouts.Linger and Close, and sends again
// before it does, loses nothing of what a server has sent that shuts down: as long
// as its kernel has not taken all, it is given up to Timeouts.Write. A reset used
// to destroy the rest.
//
// Verifies: RUNTIME-32
func TestLateReaderLosesNothing(t *testing.T) {
	const answers, size = 40, 2000
	srv := &parley.Server{
		Protocol: serpy2.Protocol{}, Timeouts: parley.Timeouts{Linger: 20 * time.Millisecond, Settle: -1, Close: 50 * time.Millisecond},
		Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			for range answers {
				if err := c.Send(ctx, parley.Text(strings.Repeat("a", size))); err != nil {
					return err
				}
			}
			return nil
		}),
		Hooks: parley.Hooks{OnOpen: func(_ context.Context, c *parley.Conn) error { // all of it waits in the server's kernel
			raw, err := c.NetConn().(syscall.Conn).SyscallConn()
			if err == nil {
				raw.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, syscall.SO_SNDBUF, 4<<20) })
			}
			return err
		}},
	}
	addr := newServer(t, srv)
	peer := bareDial(t, addr)
	peer.Conn.(*net.TCPConn).SetReadBuffer(4 << 10)
	peer.say(serpy2Text("go"))
	eventually(t, "the answers", func() bool { s := srv.Conns(); return len(s) == 1 && s[0].Stats().MessagesOut == answers })
	ended := make(chan error, 1)
	go func() { ended <- srv.Shutdown(newContext(t)) }()
	select {
	case err := <-ended:
		t.Errorf("Shutdown did not wait for the reader: %v", err)
	case <-time.After(200 * time.Millisecond):
	}
	peer.Write([]byte(serpy2Text("more")))
	n, err := io.Copy(io.Discard, peer)
	if want := int64(answers * len(serpy2Text(strings.Repeat("a", size)))); n != want || err != nil {
		t.Errorf("%d bytes of answers arrived, %v, want %d", n, err, want)
	}
	peer.Close()
	if err := next(t, ended, "Shutdown did not return"); err != nil {
		t.Error(err)
	}
}

// A connection that ends while an event loop serves it has no reader of its own;
// its end looks at the kernel all the same. (It used to panic.)
//
// Verifies: RUNTIME-33
func TestLoopedConnLingers(t *testing.T) {
	srv := &parley.Server{
		Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(echo), EventLoops: 1,
		Timeouts: parley.Timeouts{Linger: 20 * time.Millisecond},
	}
	addr := newServer(t, srv)
	for range 10 { // now and then the loop does not have it yet
		peer := bareDial(t, addr)
		peer.say(tinyHello + tiny("x"))
		peer.hear(tinyHello + tinyOK + tiny("x"))
		peer.say(tinyOK + tinyOK) // the second answers nothing
		peer.hear("\x00")
		peer.hearEnd() // but the peer does not close
	}
	eventually(t, "the end", func() bool { return srv.Stats().Open == 0 })
}
