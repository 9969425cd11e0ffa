package bridge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/internal/socketdir"
	"github.com/parley-net/parley/parleytest"
	"github.com/parley-net/parley/serpy"
)

func latin1(t *testing.T) serpy.Protocol {
	t.Helper()
	e, err := serpy.LookupEncoding("latin-1")
	if err != nil {
		t.Fatal(err)
	}
	return serpy.Protocol{Encoding: e}
}

// A client must not be able to send faster than the target takes.
func TestBackpressure(t *testing.T) {
	const size, most = 70_000, 30
	for _, from := range wires {
		for _, to := range wires {
			bubble(t, from.Name()+" to "+to.Name(), func(t *testing.T) {
				goOn := make(chan struct{})
				n := 0
				s := bridged(t, from, to, func(context.Context, *parley.Conn, parley.Message) error {
					<-goOn
					n++
					return nil
				}, func(s *setup) {
					s.front.Limits = parley.Limits{MaxOutput: size, MaxInput: size, MaxQueue: 2}
					s.front.Timeouts = parley.Timeouts{Write: -1, Answer: -1}
					s.target.Limits = s.front.Limits
					configure := s.Target.Configure
					s.Target.Configure = func(d *parley.Dialer) error { d.Timeouts = s.front.Timeouts; return configure(d) }
				})
				c, err := s.dial(&parley.Dialer{Timeouts: s.front.Timeouts})
				if err != nil {
					t.Fatal(err)
				}
				sent := 0
				done := make(chan struct{})
				go func() {
					defer close(done)
					m := parley.Text(strings.Repeat("m", size))
					for ; sent < most; sent++ {
						if c.Send(context.Background(), m) != nil {
							return
						}
					}
				}()
				synctest.Wait() // everything is stuck
				if sent > 20 {
					t.Errorf("%d messages left while the target took none", sent)
				}
				close(goOn)
				<-done
				c.Close()
				for _, c := range s.targets {
					<-c.Done()
				}
				synctest.Wait()
				if n != most {
					t.Errorf("%d of %d messages arrived", n, most)
				}
			})
		}
	}
}

// Between two tinyproto peers a message may be larger than what is held in
// memory, both ways.
func TestStreams(t *testing.T) {
	const size = 5 << 20
	limits := func(s *setup) { s.front.Limits = parley.Limits{MaxMessage: 1 << 16} }
	bubble(t, "there and back", func(t *testing.T) {
		s := bridged(t, tiny, tiny, echo, limits)
		c := s.client()
		if err := c.SendStream(t.Context(), size, zeros(size)); err != nil {
			t.Fatal(err)
		}
		in, err := c.ReceiveStream(t.Context())
		if err != nil || in.Size() != size {
			t.Fatal(in, err)
		}
		if n, err := io.Copy(io.Discard, in); n != size || err != nil {
			t.Error(n, err)
		}
		// Not so large that it can't be copied, and small.
		for _, size := range []int64{100_000, 7} {
			if err := c.SendStream(t.Context(), size, zeros(size)); err != nil {
				t.Fatal(err)
			}
			in, err := c.ReceiveStream(t.Context())
			if err != nil || in.Size() != size {
				t.Fatal(in, err)
			}
			in.Close()
		}
		send(t, c, parley.Text("and on"))
		receive(t, c, "bytes and on")
	})
	bubble(t, "cut", func(t *testing.T) {
		whole := false
		s := bridged(t, tiny, tiny, func(context.Context, *parley.Conn, parley.Message) error { whole = true; return nil }, limits)
		c := s.client()
		conn := s.targetConn()
		if err := c.SendStream(t.Context(), size, zeros(size-1)); err == nil {
			t.Error("half a message was sent")
		}
		<-conn.Done()
		if reason := conn.Err(); whole || !errors.Is(reason, io.ErrUnexpectedEOF) {
			t.Errorf("the target has a message: %v; %v", whole, reason)
		}
	})
	bubble(t, "not where it would have to be in memory", func(t *testing.T) {
		s := bridged(t, tiny, ser2, echo, limits)
		c := s.client()
		if err := c.SendStream(t.Context(), size, zeros(size)); err == nil {
			t.Error("it was sent")
		}
		s.ended("message too large")
	})
}

func zeros(n int64) io.Reader { return io.LimitReader(zeroReader{}, n) }

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// reconnecting is a bridge whose target comes and goes, over real sockets.
type reconnecting struct {
	t      *testing.T
	front  string // where the bridge listens
	path   string // where the target does
	to     parley.Protocol
	states chan parley.State // of the bridge's clients
}

func reconnect(t *testing.T, from, to parley.Protocol, timeout time.Duration, answers int) *reconnecting {
	t.Helper()
	r := &reconnecting{t: t, path: "unix:" + filepath.Join(socketdir.New(t), "target"), to: to, states: make(chan parley.State, 100)}
	b := &Bridge{
		Answers: answers, Timeout: timeout, Log: slog.New(slog.DiscardHandler),
		Target: Target{
			Protocol:  to,
			Configure: func(*parley.Dialer) error { return nil },
			Client: func() *parley.Client {
				return &parley.Client{
					Addr: r.path, MinBackoff: time.Millisecond, MaxBackoff: 5 * time.Millisecond,
					OnState: func(s parley.State, _ error) {
						select {
						case r.states <- s:
						default:
						}
					},
				}
			},
		},
	}
	srv := &parley.Server{Protocol: from}
	b.Install(srv)
	r.front = parleytest.NewServer(t, srv)
	return r
}

// target starts the target and returns what stops it.
func (r *reconnecting) target(h handle) (stop func()) {
	r.t.Helper()
	srv := &parley.Server{Protocol: r.to, Handler: parley.HandlerFunc(h)}
	if err := srv.Listen(r.path); err != nil {
		r.t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve() }()
	stop = sync.OnceFunc(func() {
		srv.Close()
		<-ended
	})
	r.t.Cleanup(stop)
	return stop
}

// gone stops the target and waits until the bridge has noticed.
func (r *reconnecting) gone(stop func()) {
	for len(r.states) > 0 {
		<-r.states
	}
	stop()
	for <-r.states != parley.StateWaiting {
	}
}

func (r *reconnecting) client(p parley.Protocol) *parley.Conn {
	r.t.Helper()
	c, err := parley.Dial(r.t.Context(), p, r.front)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { c.CloseNow() })
	return c
}

// A client stays while its target comes and goes; what it says meanwhile waits.
func TestReconnect(t *testing.T) {
	for _, from := range wires {
		for _, to := range wires {
			t.Run(from.Name()+" to "+to.Name(), func(t *testing.T) {
				r := reconnect(t, from, to, time.Minute, AnyAnswers)
				c := r.client(from) // there is no target yet
				for i := range 3 {
					text := fmt.Sprint("message ", i)
					send(t, c, parley.Text(text))
					stop := r.target(echo)
					if m, err := c.Receive(t.Context()); err != nil || m.Text() != text {
						t.Fatalf("%v, %v", m, err)
					}
					r.gone(stop)
				}
			})
		}
	}
}

// A target that stays away is an error: a oneline client is told, any other
// is closed.
func TestReconnectGivesUpOnAMessage(t *testing.T) {
	r := reconnect(t, one, tiny, 20*time.Millisecond, AnyAnswers)
	c := r.client(one)
	send(t, c, parley.Text("a"))
	m, err := c.Receive(t.Context())
	if err != nil || !strings.HasPrefix(m.Text(), "error: ") || !strings.Contains(m.Text(), "not connected") {
		t.Errorf("%v, %v", m, err)
	}
	r.target(echo)
	for {
		if m, err = c.Call(t.Context(), parley.Text("b")); err != nil || m.Text() == "b" {
			break
		}
	}
	if err != nil {
		t.Error(err)
	}
	r = reconnect(t, ser2, tiny, 20*time.Millisecond, AnyAnswers)
	c = r.client(ser2)
	send(t, c, parley.Text("a"))
	closed(t, c)
}

// However short Bridge.Timeout is, and however slow the machine, the client is
// told.
func TestErrorsAreToldWhenTheTimeIsOver(t *testing.T) {
	r := reconnect(t, one, tiny, time.Nanosecond, AnyAnswers)
	c := r.client(one)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if m, err := c.Call(ctx, parley.Text("a")); err != nil || !strings.HasPrefix(m.Text(), "error: ") {
		t.Errorf("%v, %v", m, err)
	}
}

// A oneline client that waits for a known number of answers is told when the
// target goes away, and goes on.
func TestReconnectTellsWhoWaits(t *testing.T) {
	r := reconnect(t, one, tiny, time.Minute, 1)
	asked := make(chan struct{}, 1)
	stop := r.target(func(context.Context, *parley.Conn, parley.Message) error { asked <- struct{}{}; return nil })
	c := r.client(one)
	send(t, c, parley.Text("a"))
	<-asked
	stop()
	if m, err := c.Receive(t.Context()); err != nil || !strings.HasPrefix(m.Text(), "error: the target is gone") {
		t.Errorf("%v, %v", m, err)
	}
	r.target(echo)
	if m, err := c.Call(t.Context(), parley.Text("b")); err != nil || m.Text() != "b" {
		t.Errorf("%v, %v", m, err)
	}
}

// Two peers that both send large messages all the time do not block each
// other.
func TestBothDirectionsAtOnce(t *testing.T) {
	for _, from := range wires[1:] {
		for _, to := range wires[1:] {
			t.Run(from.Name()+" to "+to.Name(), func(t *testing.T) {
				const n, size = 20, 100_000
				flood := func(c *parley.Conn, into chan<- error) {
					go func() {
						for i := range n {
							b := make([]byte, size)
							b[0] = 'a' + byte(i%26) // no end of a line
							if err := c.Send(context.Background(), parley.Bytes(b)); err != nil {
								into <- err
								return
							}
						}
						into <- nil
					}()
					go func() {
						for i := range n {
							m, err := c.Receive(context.Background())
							if err == nil && (m.Len() != size || m.Bytes()[0] != 'a'+byte(i%26)) {
								err = fmt.Errorf("message %d is %v", i, m)
							}
							if err != nil {
								into <- err
								return
							}
						}
						into <- nil
					}()
				}
				ended := make(chan error, 4)
				little := parley.Limits{MaxInput: size} // of a connection's own, so that it is soon full
				target := &parley.Server{Protocol: to, Pull: true}
				addr := parleytest.NewServer(t, target)
				b := &Bridge{
					Answers: AnyAnswers, Timeout: time.Minute, Log: slog.New(slog.DiscardHandler),
					Target: Target{
						Protocol:  to,
						Configure: func(d *parley.Dialer) error { d.Limits = little; return nil },
						Dial:      func(ctx context.Context, d *parley.Dialer) (*parley.Conn, error) { return d.Dial(ctx, addr) },
					},
				}
				srv := &parley.Server{Protocol: from, Limits: little}
				b.Install(srv)
				c, err := parley.Dial(t.Context(), from, parleytest.NewServer(t, srv))
				if err != nil {
					t.Fatal(err)
				}
				other, err := target.Accept(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				flood(c, ended)
				flood(other, ended)
				for range 4 {
					if err := <-ended; err != nil {
						t.Fatal(err)
					}
				}
				c.CloseNow()
				other.CloseNow()
			})
		}
	}
}
