package poller_test

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/internal/leak"
	"github.com/parley-net/parley/internal/poller"
)

func TestMain(m *testing.M) { leak.Main(m) }

// owner echoes what its socket brings.
type owner struct {
	conn  *poller.Conn[*owner]
	most  int           // how much one serve may read
	block chan struct{} // if not nil: waited for before anything is read
	leave bool          // gives the loop away first
	ended chan struct{}
}

func (o *owner) serve(r *poller.Runner[*owner]) (more bool) {
	if o.leave {
		r.Leave()
	}
	if o.block != nil {
		<-o.block
	}
	p := r.Buffer[:min(o.most, cap(r.Buffer))]
	for {
		n, again, err := o.conn.TryRead(p)
		switch {
		case again:
			return false
		case err != nil:
			o.end()
			return false
		}
		if _, err := o.conn.TryWrite(p[:n]); err != nil {
			return false
		}
		if n == len(p) || o.conn.Ended() {
			return true // there may be more, but the others come first
		}
	}
}

// end tells that the stream has ended, which a loop may notice twice.
func (o *owner) end() {
	select {
	case <-o.ended:
	default:
		close(o.ended)
	}
}

// start makes a loop, and a listener whose sockets it can serve.
func start(t *testing.T, stalled func(time.Duration)) (*poller.Loop[*owner], net.Listener) {
	begin := func(r *poller.Runner[*owner]) func(*owner) bool {
		return func(o *owner) bool { return o.serve(r) }
	}
	l, err := poller.New(begin, stalled)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln, err := poller.Listener[*owner](plain, net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: time.Minute, Count: 4})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return l, ln
}

// pair returns both ends of a connection: of ours the Conn, which no loop serves.
func pair(t *testing.T, ln net.Listener) (*poller.Conn[*owner], *net.TCPConn) {
	peer, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	nc, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		peer.Close()
		nc.Close()
	})
	peer.SetDeadline(time.Now().Add(10 * time.Second))
	return nc.(*poller.Conn[*owner]), peer.(*net.TCPConn)
}

// serve has l serve o.
func serve(t *testing.T, l *poller.Loop[*owner], o *owner) {
	o.ended = make(chan struct{})
	if o.most == 0 {
		o.most = 1 << 20
	}
	if err := l.Add(o.conn, o); err != nil {
		t.Fatal(err)
	}
}

// echoes checks that the peer gets back what it says.
func echoes(t *testing.T, peer net.Conn, text string) {
	t.Helper()
	if _, err := io.WriteString(peer, text); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(text))
	if _, err := io.ReadFull(peer, got); err != nil || string(got) != text {
		t.Fatalf("got %.40q, %v, want %.40q", got, err, text)
	}
}

// A loop serves its sockets, also when less is read at once than has come, and
// tells of the end.
//
// Verifies: RUNTIME-53
func TestLoop(t *testing.T) {
	l, ln := start(t, nil)
	for _, most := range []int{1, 7, 1 << 20} {
		conn, peer := pair(t, ln)
		o := &owner{conn: conn, most: most}
		serve(t, l, o)
		echoes(t, peer, "hello")
		echoes(t, peer, strings.Repeat("hello again, ", 100))
		peer.CloseWrite()
		<-o.ended
		conn.Close()
	}
}

// While an owner has given the loop away, or blocks it without a word, the others
// are served; the latter is reported.
//
// Verifies: RUNTIME-54
func TestLoopGoesOn(t *testing.T) {
	stalls := make(chan time.Duration, 100)
	l, ln := start(t, func(d time.Duration) { stalls <- d })
	conn, other := pair(t, ln)
	serve(t, l, &owner{conn: conn})
	for _, leave := range []bool{true, false} {
		conn, peer := pair(t, ln)
		o := &owner{conn: conn, block: make(chan struct{}), leave: leave}
		serve(t, l, o)
		io.WriteString(peer, "blocked")
		for range 10 {
			echoes(t, other, "meanwhile")
		}
		if !leave {
			<-stalls
		}
		close(o.block)
		echoes(t, peer, "")
		got := make([]byte, len("blocked"))
		if _, err := io.ReadFull(peer, got); err != nil {
			t.Fatal(err)
		}
	}
}

// Blocking calls end with what comes, with their deadline, and with Close.
//
// Verifies: RUNTIME-53
func TestBlockingCalls(t *testing.T) {
	l, ln := start(t, nil)
	conn, peer := pair(t, ln)
	o := &owner{conn: conn, block: make(chan struct{})} // it leaves reading to us
	serve(t, l, o)
	close(o.block)
	t.Run("deadline", func(t *testing.T) {
		conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		if _, err := conn.Read(make([]byte, 10)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Read: %v", err)
		}
		conn.SetReadDeadline(time.Time{})
		conn.SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
		if _, err := conn.Write(make([]byte, 64<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Write: %v", err)
		}
		conn.SetWriteDeadline(time.Time{})
	})
	t.Run("close", func(t *testing.T) {
		ended := make(chan error, 1)
		go func() {
			_, err := conn.Write(make([]byte, 64<<20)) // the peer does not read
			ended <- err
		}()
		conn.Close()
		if err := <-ended; !errors.Is(err, net.ErrClosed) {
			t.Errorf("Write: %v", err)
		}
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("Read: %v", err)
		}
		if _, _, err := conn.TryRead(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("TryRead: %v", err)
		}
		if err := conn.Close(); !errors.Is(err, net.ErrClosed) {
			t.Errorf("a second Close: %v", err)
		}
		peer.SetReadDeadline(time.Now().Add(10 * time.Second))
		io.Copy(io.Discard, peer) // ends, by a close or a reset
	})
}

// A socket of package net's is taken over with its address.
//
// Verifies: RUNTIME-53
func TestAdopt(t *testing.T) {
	l, _ := start(t, nil)
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	peer, err := net.Dial("tcp", plain.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer peer.Close()
	nc, err := plain.Accept()
	if err != nil {
		t.Fatal(err)
	}
	conn := poller.Adopt[*owner](nc)
	if conn == nil {
		t.Fatal("a TCP socket was not adopted")
	}
	defer conn.Close()
	if got, want := conn.RemoteAddr().String(), peer.LocalAddr().String(); got != want {
		t.Errorf("the peer is %s, want %s", got, want)
	}
	if got, want := conn.LocalAddr().String(), plain.Addr().String(); got != want {
		t.Errorf("we are %s, want %s", got, want)
	}
	serve(t, l, &owner{conn: conn})
	echoes(t, peer, "hello")
	if again := poller.Adopt[*owner](conn); again != conn {
		t.Error("a Conn was adopted")
	}
	one, two := net.Pipe()
	defer one.Close()
	defer two.Close()
	if poller.Adopt[*owner](one) != nil {
		t.Error("a pipe was adopted")
	}
}
