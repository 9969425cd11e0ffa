package frame_test

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/frame"
	"github.com/parley-net/parley/internal/leak"
	"github.com/parley-net/parley/internal/socketdir"
	"github.com/parley-net/parley/parleytest"
)

func TestMain(m *testing.M) { leak.Main(m) }

var echo = parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error { return c.Send(ctx, m) })

// Options that make no sense are refused before anything is dialled or
// listened to.
//
// Verifies: FRAME-22
func TestRefusedBeforeListening(t *testing.T) {
	p := frame.Protocol{Size: frame.U8, Fixed: 3}
	const want = "parley: frame: size=u8 and fixed=3 exclude each other"
	check := func(what string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", what, err)
		}
	}
	srv := &parley.Server{Protocol: p, Handler: echo}
	check("Listen", srv.Listen("127.0.0.1:0"))
	check("Serve", srv.Serve())
	_, err := parley.Dial(t.Context(), p, "127.0.0.1:1")
	check("Dial", err)
	_, err = (&parley.Client{Dialer: parley.Dialer{Protocol: p}, Addr: "127.0.0.1:1", MaxAttempts: 1}).Call(t.Context(), parley.Text("x"))
	check("Client", err)
}

// Every form goes through both drivers, over a Unix socket.
//
// Verifies: FRAME-01, FRAME-18, FRAME-21
func TestDrivers(t *testing.T) {
	for _, f := range forms {
		for _, loops := range []int{0, 2} {
			if loops > 0 && runtime.GOOS != "linux" {
				continue
			}
			t.Run(f.name, func(t *testing.T) {
				srv := &parley.Server{Protocol: f.Protocol, Handler: echo, EventLoops: loops}
				addr := "unix:" + filepath.Join(socketdir.New(t), "s")
				if err := srv.Listen(addr); err != nil {
					t.Fatal(err)
				}
				served := make(chan error, 1)
				go func() { served <- srv.Serve() }()
				defer func() {
					srv.Close()
					if err := <-served; err != parley.ErrServerClosed {
						t.Error(err)
					}
				}()
				c, err := parley.Dial(t.Context(), f.Protocol, addr)
				if err != nil {
					t.Fatal(err)
				}
				defer c.CloseNow()
				for _, n := range []int{1, 100, 300, 60_000} {
					m := message(f.Protocol, []byte(strings.Repeat("\x00\x02\x10\xC0\xDBx", 1+n/6)[:n]))
					got, err := c.Call(t.Context(), m)
					if err != nil || got.Text() != m.Text() {
						t.Fatalf("%d bytes: %v, %v", n, got, err)
					}
				}
			})
		}
	}
}

// A message larger than is held in memory is received as a stream, and one is
// sent without holding it.
//
// Verifies: FRAME-18, FRAME-19
func TestStreams(t *testing.T) {
	p := frame.Protocol{Size: frame.U32BE, Strip: frame.Head}
	const size = 3 << 20
	srv := &parley.Server{Protocol: p, Pull: true, Limits: parley.Limits{MaxMessage: 1 << 20}}
	addr := parleytest.NewServer(t, srv)
	c, err := parley.Dial(t.Context(), p, addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	sent := make(chan error, 1)
	go func() {
		sent <- c.SendStream(t.Context(), size, zeros{})
	}()
	peer, err := srv.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	s, err := peer.ReceiveStream(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	n, err := io.Copy(io.Discard, s)
	if err := errors.Join(err, s.Close(), <-sent); n != size || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
