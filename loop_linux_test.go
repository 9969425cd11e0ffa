package parley_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/parleytest"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

// dialLoop connects a client to addr until the test ends.
func dialLoop(t *testing.T, p parley.Protocol, addr string) *parley.Conn {
	t.Helper()
	c, err := parley.Dial(newContext(t), p, addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

// Each wire is spoken on an event loop, in pieces, several messages at a time,
// and after the peer has ended its stream.
//
// Verifies: RUNTIME-53
func TestEventLoopOnEachWire(t *testing.T) {
	for _, f := range forms {
		t.Run(label(f.protocol), func(t *testing.T) {
			addr := parleytest.NewServer(t, &parley.Server{Protocol: f.protocol, Handler: parley.HandlerFunc(echo), EventLoops: 1})
			c := dialLoop(t, f.protocol, addr)
			for n := range 3 {
				want := strings.Repeat("x", 1+n*30_000)
				m, err := c.Call(newContext(t), parley.Text(want))
				wantText(t, m, err, want)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			if _, ok := f.protocol.(serpy.Protocol); ok || f.protocol == (tinyproto.Protocol{Eager: tinyproto.Never}) {
				return // the peer would have to answer
			}
			peer := bareDial(t, addr)
			all := f.hello + f.text("one", "two", "three")
			peer.say(all[:len(all)-2])
			peer.say(all[len(all)-2:])
			peer.closeWrite()
			if heard, err := io.ReadAll(peer); err != nil || !strings.Contains(string(heard), "three") {
				t.Errorf("heard %q, %v", heard, err)
			}
		})
	}
}

// Verifies: RUNTIME-54
func TestEventLoopWithBlockingHandler(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	srv := &parley.Server{Protocol: serpy2.Protocol{}, EventLoops: 1,
		Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			if m.Text() == "block" {
				close(entered)
				<-release
			}
			return c.Send(ctx, m)
		})}
	addr := parleytest.NewServer(t, srv)
	blocked, other := dialLoop(t, serpy2.Protocol{}, addr), dialLoop(t, serpy2.Protocol{}, addr)
	if err := blocked.Send(newContext(t), parley.Text("block")); err != nil {
		t.Fatal(err)
	}
	next(t, entered, "the handler was not called")
	for n := range 10 {
		want := fmt.Sprint("meanwhile ", n)
		m, err := other.Call(newContext(t), parley.Text(want))
		wantText(t, m, err, want)
	}
	eventually(t, "the stall to be counted", func() bool { return srv.Stats().Stalls > 0 })
	close(release)
	m, err := blocked.Receive(newContext(t))
	wantText(t, m, err, "block")
	m, err = blocked.Call(newContext(t), parley.Text("as before"))
	wantText(t, m, err, "as before")
}

// Handlers of one loop wait for their own client and for another connection of
// the same loop.
//
// Verifies: RUNTIME-53, RUNTIME-25
func TestEventLoopWithHandlersThatCall(t *testing.T) {
	life := newLife()
	var other *parley.Conn // set before it is asked for
	srv := &parley.Server{Protocol: serpy2.Protocol{}, EventLoops: 1, Hooks: life.hooks(),
		Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			whom := c
			if m.Text() == "ask the other" {
				whom = other
			}
			answer, err := whom.Call(ctx, parley.Text("question"))
			if err != nil {
				return err
			}
			return c.Send(ctx, parley.Text("it says "+answer.Text()))
		})}
	addr := parleytest.NewServer(t, srv)
	first := dialLoop(t, serpy2.Protocol{}, addr)
	life.conn(t)
	second := dialLoop(t, serpy2.Protocol{}, addr)
	other = life.conn(t)
	for n := range 20 {
		ask, asked := "ask me", first
		if n%2 == 1 {
			ask, asked = "ask the other", second
		}
		if err := first.Send(newContext(t), parley.Text(ask)); err != nil {
			t.Fatal(err)
		}
		m, err := asked.Receive(newContext(t))
		wantText(t, m, err, "question")
		answer := fmt.Sprint("answer ", n)
		if err := asked.Send(newContext(t), parley.Text(answer)); err != nil {
			t.Fatal(err)
		}
		m, err = first.Receive(newContext(t))
		wantText(t, m, err, "it says "+answer)
	}
}

// Connections that wait have no goroutine, and the end of the server leaves
// nothing of them.
//
// Verifies: RUNTIME-55, RUNTIME-50
func TestEventLoopHoldsNothing(t *testing.T) {
	const conns = 100
	descriptors := func() int {
		names, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	srv := &parley.Server{Protocol: serpy2.Protocol{}, Handler: parley.HandlerFunc(echo), EventLoops: 2}
	goroutines, open := runtime.NumGoroutine(), descriptors()
	if err := srv.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve() }()
	var peers []net.Conn
	for range conns {
		peer := bareDial(t, srv.Addrs()[0].String())
		peers = append(peers, peer.Conn)
		peer.say(serpy2Text("hello"))
		peer.hear(serpy2Text("hello"))
	}
	eventually(t, "the connections to need no goroutines", func() bool { return runtime.NumGoroutine() < goroutines+conns/4 })
	srv.Close()
	if err := next(t, ended, "Serve did not return"); err != parley.ErrServerClosed {
		t.Error(err)
	}
	for _, peer := range peers {
		peer.Close()
	}
	eventually(t, "the goroutines to end", func() bool { return runtime.NumGoroutine() <= goroutines })
	eventually(t, "the descriptors to be closed", func() bool { return descriptors() <= open })
}

// Verifies: RUNTIME-53, RUNTIME-04
func TestEventLoopWithTLS(t *testing.T) {
	own, roots := certificate(t)
	srv := &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(echo), EventLoops: 1,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{own}}}
	addr := parleytest.NewServer(t, srv)
	d := &parley.Dialer{Protocol: tinyproto.Protocol{}, TLSConfig: &tls.Config{RootCAs: roots, ServerName: "localhost"}}
	c, err := d.Dial(newContext(t), addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	m, err := c.Call(newContext(t), parley.Text("hello"))
	wantText(t, m, err, "hello")
}

// What a loop reads into belongs to none of its connections: the budget is not
// charged with it.
//
// Verifies: RUNTIME-11, RUNTIME-53
func TestEventLoopAndBudget(t *testing.T) {
	srv := &parley.Server{Protocol: serpy2.Protocol{}, Handler: parley.HandlerFunc(echo), EventLoops: 1, MaxBuffered: 1 << 20}
	addr := parleytest.NewServer(t, srv)
	var cs []*parley.Conn
	for range 10 {
		cs = append(cs, dialLoop(t, serpy2.Protocol{}, addr))
	}
	for range 2 {
		for _, c := range cs {
			m, err := c.Call(newContext(t), parley.Text("hello"))
			wantText(t, m, err, "hello")
		}
	}
}

// A loop reads a large message into its place when the inbox comes to count as
// full, because nobody waits for a confirmation any more.
//
// Verifies: RUNTIME-19, RUNTIME-53
func TestEventLoopFullInsideAMessage(t *testing.T) {
	srv := &parley.Server{Protocol: tinyproto.Protocol{}, Pull: true, EventLoops: 1, Limits: parley.Limits{MaxQueue: 1}}
	addr := parleytest.NewServer(t, srv)
	peer := bareDial(t, addr)
	peer.say(tinyHello)
	peer.hear(tinyHello)
	c, err := srv.Accept(newContext(t))
	if err != nil {
		t.Fatal(err)
	}
	later := bareDial(t, addr)
	later.say(tinyHello + tiny("first"))
	last, err := srv.Accept(newContext(t))
	if err != nil {
		t.Fatal(err)
	}
	m, err := last.Receive(newContext(t))
	wantText(t, m, err, "first")
	ctx, cancel := context.WithCancel(newContext(t))
	confirm := func(m string) chan error {
		confirmed := make(chan error, 1)
		go func() { confirmed <- c.Confirm(ctx, parley.Text(m)) }()
		peer.hear(tiny(m))
		return confirmed
	}
	first := confirm("first")
	large := strings.Repeat("0123456789abcdef", 1<<16)
	peer.say(tiny("one", "two") + tinyHead(uint32(len(large))))
	peer.hear(tinyOK + tinyOK + tinyOK)
	second := confirm("second")
	peer.say(tinyOK + large[:300_000])
	if err := next(t, first, "Confirm did not return"); err != nil {
		t.Fatal(err)
	}
	begun := uint64(len(tinyHello+tiny("one", "two")+tinyHead(0)+tinyOK) + 300_000)
	eventually(t, "the beginning to be read", func() bool { return c.Stats().BytesIn == begun })
	cancel()
	if err := next(t, second, "Confirm did not return"); err == nil {
		t.Fatal("the second Confirm succeeded")
	}
	peer.say(large[300_000:])
	later.say(tiny("later")) // the loop comes to it behind the other one
	m, err = last.Receive(newContext(t))
	wantText(t, m, err, "later")
	for _, want := range []string{"one", "two", large} {
		m, err := c.Receive(newContext(t))
		if err != nil || m.Text() != want {
			t.Fatalf("received %v, %v, want %.20q", m, err, want)
		}
	}
}

// A handler that waits for another connection gives its loop away, but not its
// own connection: a stream behind its message is read on the same goroutine. (It
// used to have nothing to read with.)
//
// Verifies: RUNTIME-54
func TestStreamBehindAWaitingHandler(t *testing.T) {
	const size = 100_000
	other := dialLoop(t, tinyproto.Protocol{}, newServer(t, &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(echo)}))
	h := &streamCounter{other: other, read: make(chan int64, 1)}
	srv := &parley.Server{Protocol: tinyproto.Protocol{}, Handler: h, EventLoops: 1, Limits: parley.Limits{MaxMessage: 1000}}
	peer := bareDial(t, newServer(t, srv))
	peer.say(tinyHello)
	peer.hear(tinyHello)
	head := string(binary.BigEndian.AppendUint32(nil, size))
	peer.say(tiny("wait") + head + "the first bytes")
	peer.hear(tinyOK + tinyOK)
	peer.say(strings.Repeat("x", size-len("the first bytes")))
	if n := next(t, h.read, "the stream was not read"); n != size {
		t.Errorf("%d bytes were read, want %d", n, size)
	}
}

// streamCounter counts the bytes of streams, and asks another connection about
// each message.
type streamCounter struct {
	other *parley.Conn
	read  chan int64
}

func (h *streamCounter) ServeMessage(ctx context.Context, c *parley.Conn, m parley.Message) error {
	_, err := h.other.Call(ctx, m)
	return err
}

func (h *streamCounter) ServeStream(ctx context.Context, c *parley.Conn, s *parley.Stream) error {
	n, err := io.Copy(io.Discard, s)
	h.read <- n
	return err
}
