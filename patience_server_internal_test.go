package parley

// Patience as slow and idle peers of a server meet it.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley/frame"
	"github.com/parley-net/parley/internal/session"
	"github.com/parley-net/parley/line"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

// pipes is a listener whose connections are pipes, of which a server is told that the
// kernel knows whether their peers live.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (l *pipes) Accept() (net.Conn, error) {
	select {
	case nc := <-l.conns:
		return nc, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *pipes) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipes", Net: "unix"} }

// dial returns the peer's end of a new connection, which has said something.
func (l *pipes) dial(t *testing.T, said string) net.Conn {
	ours, theirs := net.Pipe()
	t.Cleanup(func() { ours.Close() })
	l.conns <- theirs
	if said != "" { // a pipe waits for who reads nothing
		io.WriteString(ours, said)
	}
	return ours
}

// patientServer serves on pipes as if they were sockets of Listen.
func patientServer(t *testing.T, s *Server) *pipes {
	l := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
	if err := s.init(); err != nil {
		t.Fatal(err)
	}
	s.cfg.tells = func(net.Conn) session.Vital { return session.VitalAlways }
	s.add([]net.Listener{l}, originListen)
	ended := make(chan error, 1)
	go func() { ended <- s.Serve() }()
	t.Cleanup(func() {
		s.Close()
		<-ended
	})
	return l
}

// slowPeers are peers that begin a message and bring a byte a second, on every wire.
var slowPeers = []struct {
	protocol Protocol
	begin    string
}{
	{tinyproto.Protocol{}, "\xff\x00\x00\xff\xff"},
	{tinyproto.Protocol{}, "\xff\x00\xff\xff\xff"}, // above what is sent ahead
	{serpy.Protocol{}, "x"},
	{serpy2.Protocol{}, "\xde\xca\xfe\xca\xfe\x21\x00\x00\x00\x00\x00\x00\x01\x00"},
	{frame.Protocol{Size: frame.U32BE}, "\x00\x00\xff\xff"},
	{line.Protocol{}, "x"},
	{line.SCPI(), "x"},
	{oneline.Protocol{}, "ping\nx"},
}

// hello is what of the beginning opens the connection.
func hello(begin string) string {
	if begin[0] == 0xff {
		return begin[:1]
	}
	return ""
}

// idle has a peer open a connection and say nothing.
func (l *pipes) idle(t *testing.T, begin string) {
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	nc := l.dial(t, hello(begin))
	wg.Go(func() { io.Copy(io.Discard, nc) })
}

// dribble has a peer begin so, and then bring that every second until somebody closes.
func (l *pipes) dribble(t *testing.T, begin, more string) {
	var wg sync.WaitGroup
	t.Cleanup(wg.Wait)
	nc := l.dial(t, begin)
	wg.Go(func() { io.Copy(io.Discard, nc) })
	wg.Go(func() {
		for err := error(nil); err == nil; _, err = io.WriteString(nc, more) {
			time.Sleep(time.Second)
		}
	})
}

// Without a shortage nobody is cut: who brings a byte a second, and who takes nothing.
//
// Verifies: RUNTIME-85, RUNTIME-10, RUNTIME-13
func TestPatient(t *testing.T) {
	for i, p := range slowPeers {
		t.Run(fmt.Sprint(p.protocol.Name(), i), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opened := make(chan *Conn, 10)
				l := patientServer(t, &Server{Protocol: p.protocol, Pull: true, Hooks: Hooks{
					OnOpen: func(_ context.Context, c *Conn) error { opened <- c; return nil },
				}})
				l.dribble(t, p.begin, "x")
				slow := <-opened
				var deaf *Conn
				if p.protocol.Traits().Clients == 0 {
					l.dial(t, hello(p.begin))
					deaf = <-opened
					go deaf.Send(t.Context(), Text(strings.Repeat("x", 1000)))
				}
				time.Sleep(10 * time.Minute)
				if err := slow.Err(); err != nil {
					t.Errorf("who brings a byte a second was cut: %v", err)
				}
				if deaf != nil && p.protocol.Name() != "tinyproto" { // where it owes an answer by itself
					if err := deaf.Err(); err != nil {
						t.Errorf("who takes nothing was cut: %v", err)
					}
				}
				slow.CloseNow()
			})
		})
	}
}

// Once a newcomer finds fewer than a quarter of the places free the slow ones have 30
// s; then it is served. Who is idle stays.
//
// Verifies: RUNTIME-85, RUNTIME-10
func TestShortOfPlaces(t *testing.T) {
	for i, p := range slowPeers {
		if p.protocol.Traits().Clients > 0 {
			continue
		}
		t.Run(fmt.Sprint(p.protocol.Name(), i), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &Server{Protocol: p.protocol, Pull: true, MaxConns: 8}
				ends := make(chan error, 10)
				s.Hooks.OnClose = func(_ *Conn, err error) { ends <- err }
				l := patientServer(t, s)
				l.idle(t, p.begin)
				for range 6 {
					l.dribble(t, p.begin, "x")
				}
				time.Sleep(5 * time.Minute)
				if n := s.Stats().Open; n != 7 {
					t.Fatalf("%d are open, want 7", n)
				}
				start := time.Now()
				l.dribble(t, p.begin, "x") // it finds one of eight
				why := <-ends
				took := time.Since(start)
				if took < 30*time.Second || took > 31*time.Second {
					t.Errorf("the first one had to go after %v, want 30s", took)
				}
				if !errors.Is(why, os.ErrDeadlineExceeded) || !strings.Contains(why.Error(), "Timeouts.Progress") || !strings.Contains(why.Error(), "MaxConns") {
					t.Errorf("it says %v", why)
				}
				time.Sleep(time.Second)
				if n := s.Stats().Open; n != 6 {
					t.Errorf("%d are open, want 6", n)
				}
				if conns := s.Conns(); conns[0].ID() != 1 {
					t.Errorf("the first one that is left is %d, not the idle one: %v", conns[0].ID(), <-ends)
				}
				time.Sleep(time.Hour)
				if n := s.Stats().Open; n != 6 {
					t.Errorf("%d are open an hour later, want 6", n)
				}
			})
		})
	}
}

// Likewise for who takes nothing, after ten seconds.
//
// Verifies: RUNTIME-85, RUNTIME-13
func TestShortOfPlacesForOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ends := make(chan error, 10)
		l := patientServer(t, &Server{Protocol: serpy2.Protocol{}, MaxConns: 4, Handler: HandlerFunc(func(ctx context.Context, c *Conn, m Message) error {
			return c.Send(ctx, m)
		}), Hooks: Hooks{OnClose: func(_ *Conn, err error) { ends <- err }}})
		for range 4 {
			l.dial(t, "\xde\xca\xfe\xca\xfe\x21\x78\x00\x00\x00\x01\x00\x00\x00x") // and does not read
		}
		time.Sleep(time.Hour)
		start := time.Now()
		l.dial(t, "") // refused
		why := <-ends
		if took := time.Since(start); took < 10*time.Second || took > 11*time.Second {
			t.Errorf("the first one had to go after %v, want 10s", took)
		}
		if !errors.Is(why, ErrSlowConsumer) || !strings.Contains(why.Error(), "Timeouts.Write") {
			t.Errorf("it says %v", why)
		}
		time.Sleep(time.Hour)
		if len(ends) > 0 {
			t.Errorf("one more had to go: %v", <-ends)
		}
	})
}

// Short of memory: of those who hold some the slowest goes, before the budget is full.
//
// Verifies: RUNTIME-85
func TestShortOfMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		type end struct {
			id  uint64
			why error
		}
		ends := make(chan end, 10)
		s := &Server{Protocol: serpy2.Protocol{}, Pull: true, MaxBuffered: 3 << 20, Hooks: Hooks{OnClose: func(c *Conn, err error) { ends <- end{c.ID(), err} }}}
		l := patientServer(t, s)
		head := "\xde\xca\xfe\xca\xfe\x21\x00\x00\x00\x00\x00\x00\x20\x00" + strings.Repeat("x", 200_000)
		for range 4 {
			l.dribble(t, head, "x") // each holds half a MiB
		}
		l.dribble(t, head, strings.Repeat("x", 2000)) // fast enough
		start := time.Now()
		e := <-ends
		if took := time.Since(start); took < 30*time.Second || took > 33*time.Second || e.id == 5 {
			t.Errorf("%d had to go after %v, want one of 1 to 4 after 30s", e.id, took)
		}
		if !errors.Is(e.why, os.ErrDeadlineExceeded) || !strings.Contains(e.why.Error(), "Timeouts.Progress") || !strings.Contains(e.why.Error(), "memory") {
			t.Errorf("it says %v", e.why)
		}
		if used := s.cfg.budget.Used(); used > 3<<20 {
			t.Errorf("%d bytes are used", used)
		}
	})
}

// An original serpy peer whose program leaves messages unread answers no change of mode
// behind them: that is waited for as long as the peer lives, if that is known.
//
// Verifies: RUNTIME-87, RUNTIME-43
func TestAnswerBehindThePeersProgram(t *testing.T) {
	const modeAck, ack = "\x01ACKMODCG\x1f", "\x01ACKEOT!!\x1f"
	for _, c := range []struct {
		name   string
		vital  session.Vital
		given  time.Duration
		answer string // to all that is sent
		cut    bool
	}{
		{"the first change of mode", session.VitalAlways, 0, "", true},
		{"behind an unread message", session.VitalAlways, 0, modeAck, false},
		{"behind one that was read", session.VitalAlways, 0, modeAck + ack, true},
		{"all answered", session.VitalAlways, 0, modeAck + ack + modeAck, false},
		{"Answer set", session.VitalAlways, 30 * time.Second, modeAck, true},
		{"nobody tells", session.VitalNothing, 0, modeAck, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				opened := make(chan *Conn, 1)
				s := &Server{Protocol: serpy.Protocol{}, Pull: true, Timeouts: Timeouts{Answer: c.given}, Hooks: Hooks{
					OnOpen: func(_ context.Context, c *Conn) error { opened <- c; return nil },
				}}
				l := patientServer(t, s)
				s.cfg.tells = func(net.Conn) session.Vital { return c.vital }
				var wg sync.WaitGroup
				t.Cleanup(wg.Wait)
				nc := l.dial(t, "hi\x1f")
				wg.Go(func() { io.Copy(io.Discard, nc) })
				conn := <-opened
				for _, mode := range []int{1, 0} {
					if err := conn.Send(t.Context(), serpy.WithMode(Text("x"), mode)); err != nil {
						t.Fatal(err)
					}
				}
				io.WriteString(nc, c.answer)
				time.Sleep(40 * time.Second)
				if err := conn.Err(); (err != nil) != c.cut {
					t.Errorf("after 40 s: %v, want cut %v", err, c.cut)
				}
				conn.CloseNow()
			})
		})
	}
}
