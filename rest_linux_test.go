package parley_test

import (
	"context"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/tinyproto"
)

// A connection at rest on an event loop has given back all that it only needs
// while something is under way.
//
// Verifies: RUNTIME-56
func TestMemoryAtRest(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector's own memory is not the connections'")
	}
	const conns, most = 1000, 440 // bytes of the heap for each
	// What describes a goroutine is kept by the process for the next one and is no
	// connection's: let there be enough of them.
	var wg sync.WaitGroup
	end := make(chan struct{})
	for range 2 * conns {
		wg.Go(func() { <-end })
	}
	close(end)
	wg.Wait()
	for _, f := range forms {
		if f.protocol.Traits().Clients == 1 || label(f.protocol) == "tinyproto-never" {
			continue
		}
		t.Run(label(f.protocol), func(t *testing.T) {
			srv := &parley.Server{Protocol: f.protocol, Handler: parley.HandlerFunc(echo), EventLoops: 1, MaxConnsPerAddr: -1}
			addr := netip.MustParseAddrPort(newServer(t, srv))
			fds := make([]int, 0, conns+1)
			defer func() {
				for _, fd := range fds {
					unix.Close(fd)
				}
			}()
			open := func() {
				fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0) // nothing of Go's on this side
				if err != nil {
					t.Fatal(err)
				}
				fds = append(fds, fd)
				if err := unix.Connect(fd, &unix.SockaddrInet4{Port: int(addr.Port()), Addr: addr.Addr().As4()}); err != nil {
					t.Fatal(err)
				}
				if _, err := unix.Write(fd, []byte(f.hello+f.text("x"))); err != nil {
					t.Fatal(err)
				}
			}
			thanked := 0
			heap := func(n uint64) uint64 {
				eventually(t, "the answers", func() bool { return srv.Stats().Total.MessagesOut == n })
				thanks := map[string]string{"tinyproto": tinyOK, "serpy-0": serpyModed}[label(f.protocol)] // else something is under way
				for ; thanked < len(fds); thanked++ {
					unix.Write(fds[thanked], []byte(thanks))
				}
				eventually(t, "all to be taken", func() bool { return srv.Stats().Total.BytesIn == n*uint64(len(f.hello+f.text("x")+thanks)) })
				runtime.GC()
				runtime.GC() // the pools are empty after two
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				return m.HeapAlloc
			}
			open()
			before := heap(1)
			for range conns {
				open()
			}
			each := (heap(conns+1) - before) / conns
			t.Logf("%d bytes of the heap for each of %d connections", each, conns)
			if each > most {
				t.Errorf("want at most %d", most)
			}
		})
	}
}

// Every method may be called on a connection at rest, by anybody.
//
// Verifies: RUNTIME-56
func TestMethodsAtRest(t *testing.T) {
	opened := make(chan *parley.Conn, 1)
	srv := &parley.Server{Protocol: tinyproto.Protocol{}, Pull: true, EventLoops: 1}
	addr := newServer(t, srv)
	go func() {
		for {
			c, err := srv.Accept(context.Background())
			if err != nil {
				return
			}
			opened <- c
		}
	}()
	client := func() *parley.Conn { return dialLoop(t, tinyproto.Protocol{}, addr) }
	for name, call := range map[string]func(s, c *parley.Conn) error{
		"Send":       func(s, c *parley.Conn) error { return s.Send(newContext(t), parley.Text("x")) },
		"SendStream": func(s, c *parley.Conn) error { return s.SendStream(newContext(t), 1, strings.NewReader("x")) },
		"Confirm":    func(s, c *parley.Conn) error { return s.Confirm(newContext(t), parley.Text("x")) },
		"Call": func(s, c *parley.Conn) error {
			go func() { // not before the question: that would be no answer
				if _, err := c.Receive(newContext(t)); err == nil {
					c.Send(newContext(t), parley.Text("y"))
				}
			}()
			_, err := s.Call(newContext(t), parley.Text("x"))
			return err
		},
		"Receive": func(s, c *parley.Conn) error {
			go c.Send(newContext(t), parley.Text("y"))
			_, err := s.Receive(newContext(t))
			return err
		},
		"ReceiveStream": func(s, c *parley.Conn) error {
			go c.Send(newContext(t), parley.Text("y"))
			_, err := s.ReceiveStream(newContext(t))
			return err
		},
		"Stats":    func(s, c *parley.Conn) error { s.Stats(); return nil },
		"Buffered": func(s, c *parley.Conn) error { s.Buffered(); return nil },
		"Key":      func(s, c *parley.Conn) error { count.Get(s); count.Set(s, 1); return nil },
		"Err":      func(s, c *parley.Conn) error { return s.Err() },
		"Context":  func(s, c *parley.Conn) error { s.Context().Done(); return s.Context().Err() },
		"Done":     func(s, c *parley.Conn) error { s.Done(); return nil },
		"Close":    func(s, c *parley.Conn) error { return s.Close() },
		"CloseNow": func(s, c *parley.Conn) error { return s.CloseNow() },
		"Broadcast": func(s, c *parley.Conn) error {
			_, err := srv.Broadcast(parley.Text("x"))
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := client()
			s := next(t, opened, "the connection was not accepted")
			eventually(t, "the hello", func() bool { return s.Stats().BytesIn > 0 })
			if err := call(s, c); err != nil {
				t.Error(err)
			}
		})
	}
}
