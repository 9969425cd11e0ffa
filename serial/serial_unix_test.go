//go:build linux || darwin || freebsd

package serial_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/frame"
	"github.com/parley-net/parley/internal/leak"
	"github.com/parley-net/parley/serial"
)

func TestMain(m *testing.M) { leak.Main(m) }

var wire = frame.Protocol{Size: frame.U32BE, Strip: frame.Head}

func echo(ctx context.Context, c *parley.Conn, m parley.Message) error { return c.Send(ctx, m) }

// end is one end of a serial cable made of pseudo-terminals: what the test holds
// of it, and the name under which a program opens it, which stays the same when
// the device is plugged in again.
type end struct {
	master *os.File
	port   string
}

// plug makes a pseudo-terminal that has the name port.
func plug(t *testing.T, port string) end {
	t.Helper()
	blocking, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer blocking.Close()
	fd, err := unix.FcntlInt(blocking.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	unix.SetNonblock(fd, true) // so that Close ends a Read
	master := os.NewFile(uintptr(fd), "master")
	// Whoever opens the port makes it raw; until then it must not echo.
	if c, err := serial.Parse(slave.Name()); err != nil {
		t.Fatal(err)
	} else if nc, err := c.Open(t.Context()); err != nil {
		t.Fatal(err)
	} else {
		nc.Close()
	}
	os.Remove(port)
	if err := os.Symlink(slave.Name(), port); err != nil {
		t.Fatal(err)
	}
	unplug := sync.OnceFunc(func() { master.Close(); slave.Close() })
	t.Cleanup(unplug)
	return end{master, port}
}

// cable joins two ports.
func cable(t *testing.T) (a, b string) {
	dir := t.TempDir()
	one, other := plug(t, filepath.Join(dir, "ttyA")), plug(t, filepath.Join(dir, "ttyB"))
	join := func(to, from *os.File) {
		buf := make([]byte, 1000)
		for {
			n, err := from.Read(buf)
			if err != nil {
				return
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
	}
	go join(one.master, other.master)
	go join(other.master, one.master)
	return one.port, other.port
}

// serve serves one port until the test ends.
func serve(t *testing.T, srv *parley.Server, port string) {
	t.Helper()
	l, err := serial.Listen(port)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	t.Cleanup(func() {
		srv.Close()
		if err := <-ended; !errors.Is(err, parley.ErrServerClosed) {
			t.Errorf("Serve returned %v", err)
		}
	})
}

func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func dial(t *testing.T, d *parley.Dialer, port string) *parley.Conn {
	t.Helper()
	c, err := d.Dial(bounded(t), "serial://"+port+"?baud=115200")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c
}

// A server and a client at the two ends of a cable: short and long messages, and
// a second client when the first has gone.
//
// Verifies: SERIAL-02
func TestBothRoles(t *testing.T) {
	a, b := cable(t)
	srv := &parley.Server{Protocol: wire, Handler: parley.HandlerFunc(echo)}
	serve(t, srv, a)
	ctx := bounded(t)
	for range 3 {
		c := dial(t, &parley.Dialer{Protocol: wire, NetDial: serial.Dial}, b)
		if name := c.RemoteAddr().String(); name != b || c.RemoteAddr().Network() != "serial" {
			t.Errorf("the peer is %s", name)
		}
		for _, n := range []int{1, 100, 100_000} {
			want := bytes.Repeat([]byte{0, '\r', '\n', 3, 0x11, 0x13, 0xff}, n/7+1)
			if m, err := c.Call(ctx, parley.Bytes(want)); err != nil || !bytes.Equal(m.Bytes(), want) {
				t.Fatalf("%d bytes came back as %d, %v: %.20q", len(want), m.Len(), err, m.Bytes())
			}
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if st := srv.Stats(); st.Open != 1 || st.Accepted != 1 {
		t.Errorf("the server has seen a client go, which nobody can: %+v", st)
	}
}

// What has been sent when a connection is closed has left.
//
// Verifies: SERIAL-03
func TestSentBeforeClose(t *testing.T) {
	p := plug(t, filepath.Join(t.TempDir(), "ttyA"))
	c := dial(t, &parley.Dialer{Protocol: wire, NetDial: serial.Dial}, p.port)
	want := bytes.Repeat([]byte("0123456789"), 100)
	if err := c.Send(bounded(t), parley.Bytes(want)); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 4+len(want))
	if _, err := io.ReadFull(p.master, got); err != nil || !bytes.Equal(got[4:], want) {
		t.Errorf("read %q, %v", got, err)
	}
}

// A connection that the program ends is followed by another one on the same
// port.
//
// Verifies: SERIAL-02
func TestServedAgain(t *testing.T) {
	p := plug(t, filepath.Join(t.TempDir(), "ttyA"))
	ended := make(chan error, 9)
	enough := errors.New("enough")
	srv := &parley.Server{Protocol: wire,
		Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			if m.Text() == "end" {
				return enough
			}
			return c.Send(ctx, m)
		}),
		Hooks: parley.Hooks{OnClose: func(_ *parley.Conn, err error) { ended <- err }}}
	serve(t, srv, p.port)
	p.master.WriteString("\x00\x00\x00\x03end")
	if err := <-ended; !errors.Is(err, enough) {
		t.Errorf("ended with %v", err)
	}
	const hello = "\x00\x00\x00\x05hello"
	// What arrives while the port is closed may be lost: ask until it answers.
	answered := make(chan string, 1)
	go func() {
		got := make([]byte, len(hello))
		io.ReadFull(p.master, got)
		answered <- string(got)
	}()
	for {
		p.master.WriteString(hello)
		select {
		case got := <-answered:
			if got != hello {
				t.Errorf("answered %q", got)
			}
			return
		case <-time.After(200 * time.Millisecond):
		case <-bounded(t).Done():
			t.Fatal("it is not served again")
		}
	}
}

// A device that is unplugged ends the connection with the port's error, not as
// if a peer had closed it; when it is back a server and a Client go on.
//
// Verifies: SERIAL-04
func TestUnplugged(t *testing.T) {
	port := filepath.Join(t.TempDir(), "ttyA")
	for _, role := range []string{"server", "client"} {
		t.Run(role, func(t *testing.T) {
			first := plug(t, port)
			ended := make(chan error, 9)
			hooks := parley.Hooks{OnClose: func(_ *parley.Conn, err error) { ended <- err }}
			if role == "server" {
				serve(t, &parley.Server{Protocol: wire, Handler: parley.HandlerFunc(echo), Hooks: hooks}, port)
			} else {
				c := &parley.Client{Dialer: parley.Dialer{Protocol: wire, Handler: parley.HandlerFunc(echo), Hooks: hooks, NetDial: serial.Dial}, Addr: port}
				c.Start()
				defer c.Close()
			}
			ask := func(p end) error {
				const hello = "\x00\x00\x00\x05hello"
				if _, err := p.master.WriteString(hello); err != nil {
					return err
				}
				got := make([]byte, len(hello))
				_, err := io.ReadFull(p.master, got)
				return err
			}
			if err := ask(first); err != nil {
				t.Fatal(err)
			}
			first.master.Close()
			select {
			case err := <-ended:
				if errors.Is(err, parley.ErrPeerClosed) || !errors.As(err, new(*parley.ConnError)) || !strings.Contains(err.Error(), port) {
					t.Errorf("ended with %v, want a *ConnError that names the port", err)
				}
			case <-bounded(t).Done():
				t.Fatal("nobody has noticed")
			}
			second := plug(t, port)
			answered := make(chan error, 1)
			go func() { answered <- ask(second) }()
			select {
			case err := <-answered:
				if err != nil {
					t.Error(err)
				}
			case <-bounded(t).Done():
				t.Fatal("the device is back and nobody serves it")
			}
			second.master.Close()
		})
	}
}

// A device that has stopped the line holds up nobody for longer than the
// timeouts say, and the port is given back.
//
// Verifies: SERIAL-05
func TestStopped(t *testing.T) {
	p := plug(t, filepath.Join(t.TempDir(), "ttyA"))
	c := dial(t, &parley.Dialer{Protocol: wire, NetDial: serial.Dial, Timeouts: parley.Timeouts{Write: time.Second, Close: time.Second}}, p.port)
	began := time.Now()
	err := c.Send(bounded(t), parley.Bytes(make([]byte, 1<<20)))
	if err == nil || time.Since(began) > 30*time.Second {
		t.Errorf("sending a megabyte to nobody: %v after %v", err, time.Since(began))
	}
	c.Close()
	again := dial(t, &parley.Dialer{Protocol: wire, NetDial: serial.Dial}, p.port)
	again.CloseNow()
}

// An idle connection is shut down, and a read ended, at once.
//
// Verifies: SERIAL-05
func TestDeadlines(t *testing.T) {
	a, _ := cable(t)
	srv := &parley.Server{Protocol: wire, Handler: parley.HandlerFunc(echo)}
	l, err := serial.Listen(a)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	for end := time.Now().Add(time.Minute); len(srv.Conns()) == 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
	}
	began := time.Now()
	if err := srv.Shutdown(bounded(t)); err != nil || time.Since(began) > 30*time.Second {
		t.Errorf("Shutdown: %v after %v", err, time.Since(began))
	}
	<-ended

	nc, err := serial.Config{Name: a}.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	nc.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if n, err := nc.Read(make([]byte, 1)); n != 0 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("Read: %d, %v", n, err)
	}
	nc.SetReadDeadline(time.Time{})
	go func() { time.Sleep(10 * time.Millisecond); nc.Close() }()
	if n, err := nc.Read(make([]byte, 1)); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("Read while it is closed: %d, %v", n, err)
	}
	if n, err := nc.Write([]byte("x")); n != 0 || !errors.Is(err, net.ErrClosed) {
		t.Errorf("Write when it is closed: %d, %v", n, err)
	}
}

// What can't be opened says which port, why and what to do.
//
// Verifies: SERIAL-06
func TestCannotOpen(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	os.WriteFile(file, nil, 0o666)
	for port, want := range map[string]string{
		"/dev/nothing-here": "/dev/nothing-here",
		file:                "can't be set to",
	} {
		_, err := serial.Dial(t.Context(), "", port)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Dial %s: %v, want it to say %q", port, err, want)
		}
		if _, err := serial.Listen(port); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Listen %s: %v", port, err)
		}
	}
}
