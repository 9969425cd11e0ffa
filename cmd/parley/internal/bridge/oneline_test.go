package bridge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/wire"
)

// A command that can't be carried is answered with an error line, and the
// client goes on.
func TestCommandErrors(t *testing.T) {
	bubble(t, "to a oneline server", func(t *testing.T) {
		s := bridged(t, oneline.Protocol{UTF8: true}, one, echo, nil)
		c := s.client()
		for _, ask := range []struct{ command, answer string }{
			{"volt?", "volt?"},
			{"größer", "error: message not representable in this protocol: a oneline server takes ASCII only, unless the address says ?utf8=1"},
			{"curr?", "curr?"},
		} {
			send(t, c, parley.Text(ask.command))
			receive(t, c, "text "+ask.answer)
		}
		s.logged("a command could not be carried", "größer")
	})
	bubble(t, "too long for the target", func(t *testing.T) {
		s := bridged(t, one, oneline.Protocol{MaxLine: 10}, echo, nil)
		c := s.client()
		send(t, c, parley.Text("0123456789a"))
		receive(t, c, "text error: oneline: a line of 11 bytes exceeds MaxLine, 10: message too large")
		send(t, c, parley.Text("0123456789"))
		receive(t, c, "text 0123456789")
	})
	bubble(t, "not in the target's encoding", func(t *testing.T) {
		s := bridged(t, oneline.Protocol{UTF8: true}, ser, echo, nil)
		c := s.client()
		send(t, c, parley.Text("grün"))
		m, err := c.Receive(t.Context())
		if err != nil || !strings.HasPrefix(m.Text(), "error: ") || !strings.Contains(m.Text(), "ascii") {
			t.Error(m, err)
		}
	})
}

// A line that is no text is bytes, where there are bytes; nothing is dropped.
func TestInvalidLines(t *testing.T) {
	for _, to := range wires {
		bubble(t, to.Name(), func(t *testing.T) {
			got := make(chan string, 1)
			s := bridged(t, one, to, func(_ context.Context, _ *parley.Conn, m parley.Message) error {
				got <- m.Type().String() + " " + string(m.Bytes())
				return nil
			}, nil)
			ours, err := rawClient(s)
			if err != nil {
				t.Fatal(err)
			}
			go ours.Write([]byte("ping\nvolt \xff?\n"))
			answer := make([]byte, 200)
			if to.Name() == "oneline" {
				n, _ := ours.Read(answer)
				for !strings.Contains(string(answer[:n]), "UTF-8\n") {
					m, err := ours.Read(answer[n:])
					if n += m; err != nil {
						t.Fatalf("%q, %v", answer[:n], err)
					}
				}
				if !strings.HasPrefix(string(answer[:n]), "pong\nerror: ") {
					t.Errorf("%q", answer[:n])
				}
				return
			}
			go func() {
				for {
					if _, err := ours.Read(answer); err != nil {
						return
					}
				}
			}()
			if g := <-got; g != "bytes volt \xff?" {
				t.Errorf("%q", g)
			}
		})
	}
}

// rawClient returns a connection that nobody speaks for.
func rawClient(s *setup) (net.Conn, error) {
	at := serve(s.t, &parley.Server{Protocol: s.front.Protocol, Pull: true, Hooks: s.front.Hooks})
	ours, theirs := net.Pipe()
	s.t.Cleanup(func() { ours.Close() })
	at.conns <- theirs
	return ours, nil
}

// An answer that can't be carried is told the client as an error line; the
// target, which has no word for it, is closed, and the client with it.
func TestAnswerErrors(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		var reason error
		s := bridged(t, one, ser2, func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			return c.Send(ctx, parley.Bytes([]byte{0xFF, 0xFE}))
		}, func(s *setup) {
			s.target.Hooks.OnClose = func(_ *parley.Conn, err error) { reason = err }
		})
		c := s.client()
		send(t, c, parley.Text("image"))
		receive(t, c, "text error: the answer can't be carried: message not representable in this protocol: oneline carries text, and these bytes are not UTF-8")
		closed(t, c)
		synctest.Wait()
		if reason == nil {
			t.Error("the target's connection is still open")
		}
	})
}

// A reserved word is not a message to a oneline server.
func TestReservedWords(t *testing.T) {
	for _, word := range []string{"ping", "disconnect", "shutdown"} {
		bubble(t, word, func(t *testing.T) {
			s := bridged(t, tiny, one, echo, nil)
			c := s.client()
			send(t, c, parley.Text(word+"s"))
			receive(t, c, "bytes "+word+"s")
			send(t, c, parley.Text(word))
			closed(t, c)
			s.ended(`is no message to a oneline server`)
			s.client() // the server is still there
		})
	}
}

// A client's shutdown is for the bridge, not for the target.
func TestShutdownIsForTheBridge(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		asked := false
		s := bridged(t, one, one, echo, func(s *setup) {
			s.target.OnShutdownRequest = func(*parley.Conn) error { asked = true; return nil }
		})
		c := s.client()
		send(t, c, parley.Text("shutdown"))
		<-c.Done()
		synctest.Wait()
		if asked {
			t.Error("the target was asked to end")
		}
	})
}

// What the target says before the first command, nobody has asked for.
func TestUnsolicited(t *testing.T) {
	greeting := func(s *setup) {
		s.target.Hooks.OnOpen = func(ctx context.Context, c *parley.Conn) error { return c.Send(ctx, parley.Text("hello")) }
	}
	bubble(t, "close", func(t *testing.T) {
		s := bridged(t, one, ser2, echo, greeting)
		c, err := s.dial(&parley.Dialer{})
		if err == nil {
			closed(t, c)
		}
		s.ended("")
	})
	bubble(t, "drop", func(t *testing.T) {
		s := bridged(t, one, ser2, echo, func(s *setup) { greeting(s); s.Unsolicited = DropUnsolicited })
		c := s.client()
		synctest.Wait()
		send(t, c, parley.Text("a"))
		receive(t, c, "text a")
		s.logged("unsolicited message dropped", "hello")
	})
	bubble(t, "queue", func(t *testing.T) {
		s := bridged(t, one, ser2, echo, func(s *setup) { greeting(s); s.Unsolicited = QueueUnsolicited })
		c := s.client()
		nothing(t, c, time.Hour)
		send(t, c, parley.Text("a"))
		receive(t, c, "text hello", "text a")
	})
	bubble(t, "behind the first command all is an answer", func(t *testing.T) {
		s := bridged(t, one, ser2, echo, nil)
		c := s.client()
		send(t, c, parley.Text("a"))
		receive(t, c, "text a")
		send(t, s.targetConn(), parley.Text("late"))
		receive(t, c, "text late")
	})
}

// With a known number of answers the next command waits for those of the one
// before, and what comes in between is unsolicited.
func TestKnownAnswers(t *testing.T) {
	// The target answers "n TEXT" with n messages, after a second.
	counted := func(ctx context.Context, c *parley.Conn, m parley.Message) error {
		var n int
		var text string
		if _, err := fmt.Sscan(m.Text(), &n, &text); err != nil {
			return err
		}
		<-time.After(time.Second)
		for i := range n {
			if err := c.Send(ctx, parley.Text(fmt.Sprint(text, i))); err != nil {
				return err
			}
		}
		return nil
	}
	two := func(s *setup) { s.Answers = 2 }
	bubble(t, "commands wait", func(t *testing.T) {
		s := bridged(t, oneline.Protocol{UTF8: true}, one, counted, two)
		c := s.client()
		// The error line has its place between the answers.
		send(t, c, parley.Text("2 a"), parley.Text("2 ü"), parley.Text("2 b"))
		receive(t, c, "text a0", "text a1")
		m, err := c.Receive(t.Context())
		if err != nil || !strings.HasPrefix(m.Text(), "error: ") {
			t.Error(m, err)
		}
		receive(t, c, "text b0", "text b1")
	})
	bubble(t, "one too many", func(t *testing.T) {
		s := bridged(t, one, ser2, counted, two)
		c := s.client()
		send(t, c, parley.Text("3 a"))
		receive(t, c, "text a0", "text a1")
		closed(t, c)
	})
	bubble(t, "one too many is dropped", func(t *testing.T) {
		s := bridged(t, one, ser2, counted, func(s *setup) { s.Answers, s.Unsolicited = 2, DropUnsolicited })
		c := s.client()
		send(t, c, parley.Text("3 a"))
		receive(t, c, "text a0", "text a1")
		nothing(t, c, time.Minute)
		s.logged("unsolicited message dropped", "a2")
		send(t, c, parley.Text("2 b"))
		receive(t, c, "text b0", "text b1")
	})
	bubble(t, "one too many answers the next command", func(t *testing.T) {
		s := bridged(t, one, ser2, counted, func(s *setup) { s.Answers, s.Unsolicited = 2, QueueUnsolicited })
		c := s.client()
		send(t, c, parley.Text("3 a"))
		receive(t, c, "text a0", "text a1")
		nothing(t, c, time.Minute)
		send(t, c, parley.Text("1 b"))
		receive(t, c, "text a2", "text b0")
	})
	bubble(t, "too few", func(t *testing.T) {
		s := bridged(t, one, ser2, counted, func(s *setup) { s.Answers, s.Timeout = 2, 10*time.Second })
		c := s.client()
		start := time.Now()
		send(t, c, parley.Text("1 a"))
		receive(t, c, "text a0", "text error: no answer within 10s")
		if took := time.Since(start); took < 11*time.Second || took > 12*time.Second { // since a0 came, after a second
			t.Errorf("after %v", took)
		}
		closed(t, c)
		s.logged("the target does not answer")
	})
	bubble(t, "none at all", func(t *testing.T) {
		s := bridged(t, one, ser2, counted, func(s *setup) { s.Answers, s.Unsolicited = 0, DropUnsolicited })
		c := s.client()
		send(t, c, parley.Text("1 a"), parley.Text("1 b"))
		nothing(t, c, time.Minute)
		s.logged("a0", "b0")
	})
	bubble(t, "a client that leaves is noticed while it waits", func(t *testing.T) {
		s := bridged(t, one, ser2, counted, two)
		c := s.client()
		send(t, c, parley.Text("0 a"))
		<-time.After(2 * time.Second)
		start := time.Now()
		c.Close()
		s.client() // one at a time: its place is free
		if took := time.Since(start); took > 8*time.Second {
			t.Errorf("the next client had to wait for %v", took)
		}
	})
	bubble(t, "the target leaves", func(t *testing.T) {
		s := bridged(t, one, ser2, counted, two)
		c := s.client()
		send(t, c, parley.Text("1 a"))
		receive(t, c, "text a0")
		s.targetConn().CloseNow()
		m, err := c.Receive(t.Context())
		if err != nil || !strings.HasPrefix(m.Text(), "error: the target is gone: ") {
			t.Error(m, err)
		}
		closed(t, c)
	})
}

// A client that has asked and not been answered is told when the target goes.
func TestTargetLeavesBeforeTheAnswer(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		s := bridged(t, one, ser2, func(context.Context, *parley.Conn, parley.Message) error { return errors.New("enough") }, nil)
		c := s.client()
		send(t, c, parley.Text("a"))
		m, err := c.Receive(t.Context())
		if err != nil || !strings.HasPrefix(m.Text(), "error: the target is gone: ") {
			t.Error(m, err)
		}
		closed(t, c)
	})
	bubble(t, "after the answer it is just closed", func(t *testing.T) {
		s := bridged(t, one, ser2, echo, nil)
		c := s.client()
		send(t, c, parley.Text("a"))
		receive(t, c, "text a")
		s.targetConn().CloseNow()
		closed(t, c)
	})
}

// serpy says in which encoding its bytes are text.
func TestSerpyEncoding(t *testing.T) {
	latin := latin1(t)
	bubble(t, "", func(t *testing.T) {
		s := bridged(t, latin, oneline.Protocol{UTF8: true}, echo, nil)
		c := s.client()
		send(t, c, parley.Text("grün")) // FC on the wire
		m, err := c.Receive(t.Context())
		if err != nil || string(m.Bytes()) != "gr\xfcn" {
			t.Errorf("%v, %v", m, err)
		}
	})
	b := &Bridge{}
	if m, err := b.convert(parley.Bytes([]byte("gr\xfcn")), latin, one, wire.Accepting); err != nil || m.Text() != "grün" {
		t.Error(m, err)
	}
	if _, err := b.convert(parley.Bytes([]byte("gr\xfcn")), ser, one, wire.Accepting); !errors.Is(err, parley.ErrNotRepresentable) {
		t.Error(err)
	}
}

// A dropped message counts as taken, or the acknowledgement of the next one
// would be credited to it.
func TestDroppedMessagesAreAcknowledged(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		s := bridged(t, one, ser1, echo, func(s *setup) { s.Unsolicited = DropUnsolicited })
		s.client()
		target := s.targetConn()
		for _, text := range []string{"a", "b"} {
			if err := target.Confirm(t.Context(), parley.Text(text)); err != nil {
				t.Error(err)
			}
		}
		s.logged("unsolicited message dropped")
	})
}

// Whether a command that has failed is still to be told depends on whether it
// has been, not on what came for the one before.
func TestCorrelatorTellsOnce(t *testing.T) {
	never := func() { t.Error("it has expired") }
	d := newCorrelator(AnyAnswers)
	d.open(time.Hour, func() uint64 { return 0 }, never)
	d.open(time.Hour, func() uint64 { return 0 }, never)
	d.answered() // the first command
	if !d.cancel() {
		t.Error("the second command's client was not told")
	}
	d.open(time.Hour, func() uint64 { return 0 }, never)
	if !d.lost(true) || d.cancel() {
		t.Error("the client is told twice or never")
	}
	d.open(time.Hour, func() uint64 { return 0 }, never)
	if d.lost(false) || !d.cancel() {
		t.Error("the client is told twice or never")
	}
	d = newCorrelator(2)
	d.open(time.Hour, func() uint64 { return 0 }, never)
	if !d.lost(false) || d.cancel() || d.lost(true) {
		t.Error("the client is told twice or never")
	}
}

func TestErrorLine(t *testing.T) {
	for err, want := range map[error]string{
		errors.New("parley: a\nb\tc"):        "error: a b c",
		errors.New(strings.Repeat("ü", 400)): "error: " + strings.Repeat("ü", 146) + "…",
	} {
		if got := errorLine(err); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
