package parley_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/tinyproto"
	"github.com/parley-net/parley/wire"
)

// lasting is serpy whose peers need not end their last block.
type lasting struct{ serpy.Protocol }

func (p lasting) New(role wire.Role, limits wire.Limits) wire.Machine {
	return lastingMachine{p.Protocol.New(role, limits)}
}

type lastingMachine struct{ wire.Machine }

func (m lastingMachine) ReceiveEOF(rest []byte, ev *wire.Event) error {
	if len(rest) == 0 {
		return m.Machine.ReceiveEOF(rest, ev)
	}
	_, err := m.Receive(append(slices.Clone(rest), 0x1f), ev)
	return err
}

// What the end of the stream ends is a message for the handler, which answers it.
//
// Verifies: WIRE-03
func TestLastMessageForHandler(t *testing.T) {
	var mu sync.Mutex
	for name, handler := range map[string]parley.HandlerFunc{
		"answers": func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			return c.Send(ctx, parley.Text(m.Text()))
		},
		"calls": func(ctx context.Context, c *parley.Conn, m parley.Message) error { // so that another one reads on
			two, err := c.Call(ctx, parley.Text("question"))
			if err != nil || two.Text() != "two" {
				t.Errorf("the answer is %v, %v", two, err)
			}
			if _, err = c.Call(ctx, parley.Text("two")); !errors.Is(err, parley.ErrPeerClosed) {
				t.Errorf("the second Call: %v, want that the peer has closed", err)
			}
			return nil
		},
		"waits for the second": func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			if m.Text() == "one" {
				if two, err := c.Receive(ctx); err != nil || two.Text() != "two" {
					t.Errorf("received %v, %v", two, err)
				}
				return c.Send(ctx, parley.Text("two"))
			}
			t.Errorf("%v was received twice", m)
			return nil
		},
	} {
		for _, whole := range []bool{true, false} {
			t.Run(name, func(t *testing.T) {
				life := newLife()
				var got []string
				srv := &parley.Server{Protocol: lasting{}, Hooks: life.hooks(), Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
					mu.Lock()
					got = append(got, m.Text())
					mu.Unlock()
					return handler(ctx, c, m)
				})}
				peer := bareDial(t, newServer(t, srv))
				life.conn(t)
				if whole {
					peer.say("one\x1ftwo")
				} else {
					peer.say("one\x1ft")
					if name == "answers" {
						peer.hear("one\x1f")
					}
					peer.say("wo")
				}
				peer.closeWrite()
				heard, err := io.ReadAll(peer)
				if err != nil || !strings.HasSuffix(string(heard), "two\x1f") {
					t.Errorf("heard %q, %v", heard, err)
				}
				if err := <-life.ended; !errors.Is(err, parley.ErrPeerClosed) {
					t.Errorf("ended with %v", err)
				}
				mu.Lock()
				defer mu.Unlock()
				if want := []string{"one", "two"}; name == "answers" && !slices.Equal(got, want) {
					t.Errorf("the handler got %q", got)
				}
			})
		}
	}
}

// So it is for a program that receives, also when its inbox is full.
//
// Verifies: WIRE-03
func TestLastMessageForReceive(t *testing.T) {
	for name, receive := range map[string]func(*testing.T, *parley.Conn) (string, error){
		"Receive": func(t *testing.T, c *parley.Conn) (string, error) {
			m, err := c.Receive(t.Context())
			return m.Text(), err
		},
		"ReceiveStream": func(t *testing.T, c *parley.Conn) (string, error) {
			s, err := c.ReceiveStream(t.Context())
			if err != nil {
				return "", err
			}
			b, err := io.ReadAll(s)
			return string(b), err
		},
	} {
		for _, early := range []bool{false, true} {
			bubble(t, name, func(t *testing.T) {
				l := newMemory()
				d := &parley.Dialer{Protocol: lasting{}, Limits: parley.Limits{MaxQueue: 1}}
				accepted := make(chan *bare)
				go func() { accepted <- l.dial(t) }()
				nc, _ := l.Accept()
				peer := <-accepted
				c, err := d.NewConn(t.Context(), nc)
				if err != nil {
					t.Fatal(err)
				}
				defer c.CloseNow()
				go func() {
					if !early {
						time.Sleep(time.Second)
					}
					go io.Copy(io.Discard, peer)
					peer.say("a\x1fb\x1fc")
					time.Sleep(time.Second)
					peer.Close()
				}()
				if early {
					time.Sleep(time.Minute)
				}
				for _, want := range []string{"a", "b", "c"} {
					got, err := receive(t, c)
					if err != nil || got != want {
						t.Fatalf("got %q, %v, want %q", got, err, want)
					}
				}
				if got, err := receive(t, c); !errors.Is(err, parley.ErrPeerClosed) {
					t.Errorf("behind the end: %q, %v", got, err)
				}
			})
		}
	}
}

// Verifies: WIRE-03
func TestLastMessageForCall(t *testing.T) {
	bubble(t, "Call", func(t *testing.T) {
		l := newMemory()
		go func() {
			peer := l.dial(t)
			peer.hear("?\x1f")
			peer.say("answer")
			peer.Close()
		}()
		nc, _ := l.Accept()
		c, err := (&parley.Dialer{Protocol: lasting{}}).NewConn(t.Context(), nc)
		if err != nil {
			t.Fatal(err)
		}
		if m, err := c.Call(t.Context(), parley.Text("?")); err != nil || m.Text() != "answer" {
			t.Errorf("%v, %v", m, err)
		}
		c.CloseNow()
	})
}

// few is a wire that serves few clients at a time.
type few struct {
	wire.Protocol
	clients int
}

func (p few) Traits() wire.Traits {
	t := p.Protocol.Traits()
	t.Clients = p.clients
	return t
}

// Verifies: WIRE-04
func TestTooManyClients(t *testing.T) {
	for _, tt := range []struct {
		clients, conns int
		ok             bool
	}{{1, 2, false}, {3, 4, false}, {3, 10_000, false}, {3, 3, true}, {3, 1, true}, {3, 0, true}, {3, -1, true}, {0, 10_001, true}} {
		srv := &parley.Server{Protocol: few{tinyproto.Protocol{}, tt.clients}, Handler: parley.HandlerFunc(echo), MaxConns: tt.conns}
		err := srv.Listen("127.0.0.1:0")
		if tt.ok != (err == nil) || !tt.ok && (!errors.Is(err, parley.ErrTooManyClients) || !strings.Contains(err.Error(), "tinyproto serves")) {
			t.Errorf("%+v: %v", tt, err)
		}
		srv.Close()
	}
}

// greeting is serpy whose peers first greet people with two lines, and then
// wait.
type greeting struct{ serpy.Protocol }

func (p greeting) New(role wire.Role, limits wire.Limits) wire.Machine {
	return &greetingMachine{Machine: p.Protocol.New(role, limits), lines: 2}
}

type greetingMachine struct {
	wire.Machine
	lines int
}

func (m *greetingMachine) Receive(p []byte, ev *wire.Event) (n int, err error) {
	if m.lines == 0 {
		return m.Machine.Receive(p, ev)
	}
	ev.Kind, ev.Owes = wire.EventNone, false
	if i := strings.IndexByte(string(p), '\n'); i >= 0 {
		m.lines--
		ev.Kind, ev.Data = wire.EventBanner, p[:i]
		return i + 1, nil
	}
	return 0, nil
}

func (m *greetingMachine) Hint([]byte) string { return "no second line has come" }

// Verifies: WIRE-05
func TestBanner(t *testing.T) {
	l := newMemory()
	var log strings.Builder
	var told []string
	d := &parley.Dialer{Protocol: greeting{}, Logger: slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Hooks: parley.Hooks{
			OnBanner: func(_ *parley.Conn, line []byte) { told = append(told, string(line)) },
			OnOpen:   func(context.Context, *parley.Conn) error { told = append(told, "open"); return nil },
		}}
	go func() {
		peer := l.dial(t)
		peer.say("Welcome\nto the device\nfirst\x1f")
	}()
	nc, _ := l.Accept()
	c, err := d.NewConn(t.Context(), nc)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := c.Receive(t.Context()); err != nil || m.Text() != "first" {
		t.Error(m, err)
	}
	c.CloseNow()
	<-c.Done()
	if want := []string{"Welcome", "to the device", "open"}; !slices.Equal(told, want) {
		t.Errorf("told %q, want %q", told, want)
	}
	if s := log.String(); !strings.Contains(s, `msg=banner`) || !strings.Contains(s, `line="to the device"`) {
		t.Errorf("the log says %s", s)
	}
}

// Verifies: WIRE-06
func TestHandshakeHint(t *testing.T) {
	bubble(t, "greeting", func(t *testing.T) {
		l := newMemory()
		go func() { l.dial(t).say("Welcome\n") }()
		nc, _ := l.Accept()
		_, err := (&parley.Dialer{Protocol: greeting{}}).NewConn(t.Context(), nc)
		var timeout *parley.TimeoutError
		if !errors.As(err, &timeout) || !strings.Contains(err.Error(), "no second line has come") {
			t.Error(err)
		}
	})
}
