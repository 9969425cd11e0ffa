package bridge

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/frame"
	"github.com/parley-net/parley/internal/leak"
	"github.com/parley-net/parley/line"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

func TestMain(m *testing.M) { leak.Main(m) }

// The wires.
var (
	one    = oneline.Protocol{}
	tiny   = tinyproto.Protocol{}
	ser    = serpy.Protocol{}
	ser1   = serpy.Protocol{Mode: 1}
	ser2   = serpy2.Protocol{}
	lined  = line.Protocol{}
	frames = frame.Protocol{Size: frame.U32BE, Strip: frame.Head}
	wires  = []parley.Protocol{one, tiny, ser, ser2, lined, line.SCPI(), frames}
)

type handle = func(ctx context.Context, c *parley.Conn, m parley.Message) error

func echo(ctx context.Context, c *parley.Conn, m parley.Message) error { return c.Send(ctx, m) }

func silent(context.Context, *parley.Conn, parley.Message) error { return nil }

// setup is a bridge with its two sides, in memory.
type setup struct {
	*Bridge
	t      *testing.T
	front  *parley.Server // the bridge's
	target *parley.Server

	dial, dialTarget func(*parley.Dialer) (*parley.Conn, error)

	mu      sync.Mutex
	log     bytes.Buffer
	targets []*parley.Conn // the bridge's connections with the target
	reasons []string       // why clients' connections have ended, as the bridge sees it
}

// bridged returns a bridge from one wire to a target with a handler. change
// may change it before it starts; it may be nil.
func bridged(t *testing.T, from, to parley.Protocol, h handle, change func(*setup)) *setup {
	t.Helper()
	s := &setup{t: t}
	s.target = &parley.Server{Protocol: to, Handler: parley.HandlerFunc(h)}
	s.front = &parley.Server{Protocol: from}
	s.Bridge = &Bridge{
		Answers: AnyAnswers,
		Timeout: 30 * time.Second,
		Log:     slog.New(slog.NewTextHandler(s, nil)),
		Target: Target{
			Protocol:  to,
			Configure: func(d *parley.Dialer) error { d.Protocol, d.Limits = to, s.front.Limits; return nil },
			Dial: func(_ context.Context, d *parley.Dialer) (*parley.Conn, error) {
				c, err := s.dialTarget(d)
				if err == nil {
					s.mu.Lock()
					s.targets = append(s.targets, c)
					s.mu.Unlock()
				}
				return c, err
			},
		},
	}
	if change != nil {
		change(s)
	}
	at := serve(t, s.target)
	s.dialTarget = func(d *parley.Dialer) (*parley.Conn, error) { return at.dial(t, d) }
	s.Install(s.front)
	closed := s.front.Hooks.OnClose
	s.front.Hooks.OnClose = func(c *parley.Conn, err error) {
		s.mu.Lock()
		s.reasons = append(s.reasons, err.Error())
		s.mu.Unlock()
		closed(c, err)
	}
	front := serve(t, s.front)
	s.dial = func(d *parley.Dialer) (*parley.Conn, error) {
		if d.Limits = s.front.Limits; d.Protocol == nil {
			d.Protocol = from
		}
		return front.dial(t, d)
	}
	return s
}

// Write takes what the bridge logs.
func (s *setup) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.log.Write(p)
}

// logged checks that the log has each of the given texts.
func (s *setup) logged(texts ...string) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, text := range texts {
		if !strings.Contains(s.log.String(), text) {
			s.t.Errorf("the log has no %q:\n%s", text, &s.log)
		}
	}
}

// ended checks that the only client's connection has ended, and that its end
// or the log says why.
func (s *setup) ended(text string) {
	s.t.Helper()
	synctest.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.reasons) != 1 || !strings.Contains(s.reasons[0]+s.log.String(), text) {
		s.t.Errorf("the connections ended with %q, want one with %q; the log:\n%s", s.reasons, text, &s.log)
	}
}

// client returns a new client.
func (s *setup) client() *parley.Conn {
	s.t.Helper()
	c, err := s.dial(&parley.Dialer{})
	if err != nil {
		s.t.Fatal(err)
	}
	return c
}

// bubble runs f in virtual time.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// send sends messages, which must be taken.
func send(t *testing.T, c *parley.Conn, ms ...parley.Message) {
	t.Helper()
	for _, m := range ms {
		if err := c.Send(t.Context(), m); err != nil {
			t.Fatalf("sending %v: %v", m, err)
		}
	}
}

// receive checks that the next messages are those, in the form of
// Message.String without the mode.
func receive(t *testing.T, c *parley.Conn, want ...string) {
	t.Helper()
	for _, w := range want {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		m, err := c.Receive(ctx)
		cancel()
		if err != nil {
			t.Fatalf("%v; want %s", err, w)
		}
		if got := plain(m); got != w {
			t.Fatalf("got %s, want %s", got, w)
		}
	}
}

// plain is Message.String without the mode, and with bytes that are text as
// text.
func plain(m parley.Message) string {
	kind, rest, _ := strings.Cut(m.String(), " ")
	kind, _, _ = strings.Cut(kind, "[")
	kind, _, _ = strings.Cut(kind, "/")
	if m.Type() == parley.TypeBytes || m.Type() == parley.TypeText {
		rest = m.Text()
	}
	return kind + " " + rest
}

// nothing checks that nothing comes for a while.
func nothing(t *testing.T, c *parley.Conn, d time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	if m, err := c.Receive(ctx); err == nil {
		t.Errorf("got %v, want nothing", m)
	} else if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v, want nothing", err)
	}
}

// closed checks that the peer closes the connection.
func closed(t *testing.T, c *parley.Conn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		m, err := c.Receive(ctx)
		switch {
		case err == nil:
			t.Errorf("got %v, want the end", m)
		case errors.Is(err, context.DeadlineExceeded):
			t.Fatal("the connection is still open")
		case c.Err() != nil:
			return
		}
	}
}

// listener accepts connections in memory. It is parleytest.Pipe with one
// listener for all connections, as a server that serves one at a time wants it.
type listener struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// serve serves srv in memory until the test ends.
func serve(t *testing.T, srv *parley.Server) *listener {
	l := &listener{conns: make(chan net.Conn), closed: make(chan struct{})}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(l) }()
	t.Cleanup(func() {
		srv.Close()
		<-ended
	})
	return l
}

// dial connects d with the server.
func (l *listener) dial(t *testing.T, d *parley.Dialer) (*parley.Conn, error) {
	ours, theirs := net.Pipe()
	go func() {
		select {
		case l.conns <- theirs:
		case <-l.closed:
			theirs.Close()
		}
	}()
	c, err := d.NewConn(context.Background(), ours)
	if c != nil {
		t.Cleanup(func() {
			c.CloseNow()
			<-c.Done()
		})
	}
	return c, err
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error   { l.once.Do(func() { close(l.closed) }); return nil }
func (l *listener) Addr() net.Addr { return &net.UnixAddr{Name: "pipe", Net: "pipe"} }

// targetConn returns the target's end of the only connection.
func (s *setup) targetConn() *parley.Conn {
	s.t.Helper()
	synctest.Wait()
	cs := s.target.Conns()
	if len(cs) != 1 {
		s.t.Fatalf("the target has %d connections", len(cs))
	}
	return cs[0]
}
