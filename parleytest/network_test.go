package parleytest_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/parleytest"
	"github.com/parley-net/parley/serpy2"
)

// Several clients of one server, on each wire, outside and inside a bubble.
//
// Verifies: RUNTIME-80
func TestNetwork(t *testing.T) {
	for i, p := range protocols {
		test := func(t *testing.T) {
			n := parleytest.NewNetwork(t)
			srv := &parley.Server{Protocol: p, Handler: parley.HandlerFunc(echo)}
			n.Serve(srv, "device:5001")
			var wg sync.WaitGroup
			for k := range 5 {
				wg.Go(func() {
					c, err := n.Dialer(p).Dial(t.Context(), "device:5001") // oneline's wait for each other
					if err != nil {
						t.Error(err)
						return
					}
					defer c.Close()
					call(t, c, fmt.Sprint("hello ", k))
					if a := c.RemoteAddr().String(); a != "device:5001" {
						t.Errorf("the peer's address is %s", a)
					}
				})
			}
			wg.Wait()
			if st := srv.Stats(); st.Accepted != 5 {
				t.Errorf("%d connections, want 5", st.Accepted)
			}
		}
		t.Run(fmt.Sprint(p.Name(), i), test)
		t.Run(fmt.Sprint(p.Name(), i, "/virtual time"), func(t *testing.T) { synctest.Test(t, test) })
	}
}

// A Client survives that its server goes for an hour, and that the cable is cut.
//
// Verifies: RUNTIME-80
func TestNetworkRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := parleytest.NewNetwork(t)
		server := func() *parley.Server {
			return &parley.Server{Protocol: serpy2.Protocol{}, Handler: parley.HandlerFunc(echo)}
		}
		first := server()
		n.Serve(first, "device:5001")
		c := &parley.Client{Dialer: *n.Dialer(serpy2.Protocol{}), Addr: "device:5001"}
		defer c.Close()
		say := func(text string) {
			t.Helper()
			if m, err := c.Call(t.Context(), parley.Text(text)); err != nil || m.Text() != text {
				t.Errorf("%s: got %v, %v", text, m, err)
			}
		}
		say("one")
		first.Close()
		synctest.Wait()
		time.Sleep(time.Hour)
		if s, err := c.State(); s == parley.StateConnected || !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("without a server: %v, %v", s, err)
		}
		began := time.Now()
		n.Serve(server(), "device:5001")
		say("two")
		if d := time.Since(began); d > time.Minute {
			t.Errorf("it has taken %v to come back", d)
		}
		n.Cut()
		synctest.Wait()
		say("three")
		if st := c.Stats(); st.Connected != 3 {
			t.Errorf("%d connections, want 3", st.Connected)
		}
	})
}

// Nobody listens, somebody listens already, and what is no address.
//
// Verifies: RUNTIME-80
func TestNetworkErrors(t *testing.T) {
	n := parleytest.NewNetwork(t)
	if _, err := n.Dial(t.Context(), "tcp", "nobody:1"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("nobody listens: %v", err)
	}
	l, err := n.Listen("a:1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Listen("a:1"); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a second listener: %v", err)
	}
	if _, err := n.Listen("a"); err == nil {
		t.Error("an address without a port is taken")
	}
	nc, err := n.Dial(t.Context(), "tcp", "a:1")
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := l.Accept(); err == nil {
		t.Error("a closed listener accepts")
	}
	if _, err := nc.Read(make([]byte, 1)); err == nil {
		t.Error("a connection that nobody has accepted lives")
	}
	if _, err := n.Dial(t.Context(), "tcp", "a:1"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("nobody listens any more: %v", err)
	}
	full, err := n.Listen("b:1")
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	for err == nil {
		_, err = n.Dial(ctx, "tcp", "b:1")
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a full backlog: %v", err)
	}
}

// Pipe gives both ends when both are open.
//
// Verifies: RUNTIME-52
func TestPipeEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		opened := 0
		srv := &parley.Server{Protocol: serpy2.Protocol{}, Handler: parley.HandlerFunc(echo), Hooks: parley.Hooks{
			OnOpen: func(context.Context, *parley.Conn) error { time.Sleep(time.Minute); opened++; return nil },
		}}
		for i := range 3 {
			c, s := parleytest.Pipe(t, srv, nil)
			if opened != i+1 {
				t.Error("Pipe has returned before the server's end was open")
			}
			if err := s.Send(t.Context(), parley.Int(int64(i))); err != nil {
				t.Fatal(err)
			}
			if m, err := c.Receive(t.Context()); err != nil || m.Int() != int64(i) {
				t.Errorf("got %v, %v", m, err)
			}
		}
	})
}
