package reliability

import (
	"context"
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/parley-net/parley"
)

// talk is what a peer of each wire says in the reset tests: its hello, then a
// message that arrives whole, then one that does not.
func talk(w form) (stream string, whole []int) {
	s := w.hello + w.text("first") // the message "first" ends here
	whole = append(whole, len(s))
	s += w.text("second one")
	return s, append(whole, len(s))
}

// A peer that resets the connection after each byte of a message: the error
// names the byte, nothing partial is delivered, and the next connection is
// served at once.
//
// Verifies: RUNTIME-44, ONELINE-25, ONELINE-26, TINYPROTO-17, RUNTIME-34
func TestResetAtEachByte(t *testing.T) {
	eachForm(t, func(t *testing.T, d driver, w form) {
		t.Run("server", func(t *testing.T) { resetServer(t, d, w) })
		t.Run("client", func(t *testing.T) { resetClient(t, w) })
	})
}

// observer notes what arrives on each connection and how it ends.
type observer struct {
	conns chan *parley.Conn
	ends  chan error
	texts chan string
}

func newObserver() observer {
	return observer{make(chan *parley.Conn, 10), make(chan error, 10), make(chan string, 10)}
}

func (o observer) hooks() parley.Hooks {
	return parley.Hooks{
		OnOpen:  func(_ context.Context, c *parley.Conn) error { o.conns <- c; return nil },
		OnClose: func(_ *parley.Conn, err error) { o.ends <- err },
	}
}

func (o observer) ServeMessage(ctx context.Context, c *parley.Conn, m parley.Message) error {
	o.texts <- m.Text()
	return nil
}

// check compares with what must have come of the first n bytes of a talk.
func (o observer) check(t *testing.T, n int, whole []int) {
	t.Helper()
	want := 0
	for _, end := range whole {
		if n >= end {
			want++
		}
	}
	for i, text := range []string{"first", "second one"}[:want] {
		select {
		case got := <-o.texts:
			if got != text {
				t.Errorf("reset after %d bytes: message %d is %q", n, i, got)
			}
		default:
			t.Errorf("reset after %d bytes: %q is missing", n, text)
		}
	}
	if len(o.texts) > 0 {
		t.Errorf("reset after %d bytes: %q was delivered", n, <-o.texts)
	}
}

// checkReset checks the error of a connection that was reset behind n bytes.
func checkReset(t *testing.T, err error, n int) {
	t.Helper()
	var lost *parley.ConnError
	if !errors.As(err, &lost) || lost.Offset != int64(n) {
		t.Errorf("reset after %d bytes: it ended with %v, want a *ConnError with that offset", n, err)
	}
}

func resetServer(t *testing.T, d driver, w form) {
	o := newObserver()
	srv := &parley.Server{Protocol: w.protocol, Handler: o, Hooks: o.hooks()}
	addr := start(t, d, srv)
	stream, whole := talk(w)
	slowest := time.Duration(0)
	for n := range len(stream) + 1 {
		nc := connect(t, addr)
		io.WriteString(nc, stream[:n])
		var c *parley.Conn
		if n >= w.opens {
			c = <-o.conns
			eventually(t, "the bytes to arrive", func() bool { return c.Stats().BytesIn == uint64(n) })
		}
		began := time.Now()
		nc.SetLinger(0)
		nc.Close()
		if c == nil { // never opened: the program does not hear of it
			eventually(t, "the connection to end", func() bool { return srv.Stats().Open == 0 })
		} else {
			checkReset(t, <-o.ends, n)
			<-c.Done()
		}
		o.check(t, n, whole)
		if next, err := parley.Dial(bounded(t), w.protocol, addr); err != nil {
			t.Fatalf("the next connection: %v", err)
		} else {
			slowest = max(slowest, time.Since(began))
			<-o.conns
			next.CloseNow()
			<-o.ends
		}
	}
	figure(t, "reset after each of %d bytes: all errors name the byte; the next one was served within %v", len(stream), slowest.Round(time.Microsecond))
	if slowest > within(2*time.Second) {
		t.Errorf("a next connection waited %v", slowest)
	}
}

func resetClient(t *testing.T, w form) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	o := newObserver()
	dialer := &parley.Dialer{Protocol: w.protocol, Handler: o, Hooks: o.hooks()}
	asServer := w
	asServer.hello = w.welcome
	stream, whole := talk(asServer)
	for n := range len(stream) + 1 {
		dialled := make(chan error, 1)
		go func() {
			_, err := dialer.Dial(bounded(t), l.Addr().String())
			dialled <- err
		}()
		nc, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if n < len(w.welcome) {
			io.WriteString(nc, stream[:n])
			time.Sleep(time.Millisecond) // nothing tells when it has been read
			nc.(*net.TCPConn).SetLinger(0)
			nc.Close()
			if err := <-dialled; err == nil {
				t.Errorf("Dial succeeded without the greeting")
			}
			continue
		}
		hear(nc, w.hello)
		io.WriteString(nc, stream[:n])
		if err := <-dialled; err != nil {
			t.Fatal(err)
		}
		c := <-o.conns
		eventually(t, "the bytes to arrive", func() bool { return c.Stats().BytesIn == uint64(n) })
		nc.(*net.TCPConn).SetLinger(0)
		nc.Close()
		checkReset(t, <-o.ends, n)
		o.check(t, n, whole)
	}
	figure(t, "reset after each of %d bytes: all errors name the byte, nothing partial was delivered", len(stream))
}
