package bridge

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/line"
)

// Text goes there and back on all pairs of wires, one by one and pipelined, and
// with several clients where the wires have several.
//
// Verifies: CARRY-01
func TestAllPairs(t *testing.T) {
	for _, from := range wires {
		for _, to := range wires {
			bubble(t, from.Name()+" to "+to.Name(), func(t *testing.T) {
				s := bridged(t, from, to, echo, nil)
				kind := "text "
				untold := func(p parley.Protocol) bool { // it does not tell text from bytes
					return slices.Contains([]string{"tinyproto", "serpy", "frame"}, p.Name())
				}
				if untold(from) || untold(to) && from.Name() == "serpy2" {
					kind = "bytes "
				}
				clients := []*parley.Conn{s.client()}
				if from.Traits().Clients == 0 && to.Traits().Clients == 0 {
					clients = append(clients, s.client())
				}
				for i, c := range clients {
					send(t, c, parley.Text(fmt.Sprint("first of ", i)))
					receive(t, c, fmt.Sprint(kind, "first of ", i))
				}
				for i, c := range clients {
					for j := range 100 {
						send(t, c, parley.Text(fmt.Sprint(i, " sends ", j)))
					}
					for j := range 100 {
						receive(t, c, fmt.Sprint(kind, i, " sends ", j))
					}
				}
				for _, c := range clients {
					if err := c.Close(); err != nil {
						t.Error(err)
					}
				}
				for _, c := range s.targets { // each client's leaves with it
					<-c.Done()
				}
			})
		}
	}
}

// When the target leaves, what it has sent before still arrives.
func TestTargetLeaves(t *testing.T) {
	for _, from := range wires {
		for _, to := range wires {
			bubble(t, from.Name()+" to "+to.Name(), func(t *testing.T) {
				s := bridged(t, from, to, func(ctx context.Context, c *parley.Conn, m parley.Message) error {
					if err := c.Send(ctx, parley.Text("bye")); err != nil {
						return err
					}
					return fmt.Errorf("enough")
				}, nil)
				c := s.client()
				send(t, c, parley.Text("leave"))
				m, err := c.Receive(t.Context())
				if err != nil || m.Text() != "bye" {
					t.Errorf("%v, %v", m, err)
				}
				closed(t, c)
			})
		}
	}
}

// When the client leaves right behind its message, that still arrives, and the
// target sees the end.
func TestClientLeaves(t *testing.T) {
	for _, from := range wires {
		for _, to := range wires {
			bubble(t, from.Name()+" to "+to.Name(), func(t *testing.T) {
				got, left := make(chan string, 1), make(chan error, 1)
				s := bridged(t, from, to, func(_ context.Context, _ *parley.Conn, m parley.Message) error {
					got <- m.Text()
					return nil
				}, func(s *setup) {
					s.target.Hooks.OnClose = func(_ *parley.Conn, err error) { left <- err }
				})
				c := s.client()
				send(t, c, parley.Text("last words"))
				c.Close()
				if g := <-got; g != "last words" {
					t.Error(g)
				}
				<-left
			})
		}
	}
}

// A target that can't be reached refuses the client.
func TestNoTarget(t *testing.T) {
	for _, from := range wires {
		bubble(t, from.Name(), func(t *testing.T) {
			s := bridged(t, from, tiny, echo, func(s *setup) {
				s.Target.Dial = func(context.Context, *parley.Dialer) (*parley.Conn, error) { return nil, fmt.Errorf("no luck") }
			})
			c, err := s.dial(&parley.Dialer{})
			if err == nil { // the wire's greeting was done
				closed(t, c)
			}
			s.ended("no luck")
		})
	}
}

// Clients of a target that serves one at a time wait for each other.
func TestOneAtATime(t *testing.T) {
	for _, from := range wires {
		bubble(t, from.Name(), func(t *testing.T) {
			s := bridged(t, from, one, echo, nil)
			first := s.client()
			send(t, first, parley.Text("a"))
			if m, err := first.Receive(t.Context()); err != nil || m.Text() != "a" {
				t.Fatal(m, err)
			}
			second := make(chan *parley.Conn)
			go func() {
				c, err := s.dial(&parley.Dialer{Timeouts: parley.Timeouts{Handshake: -1, Write: -1} /* a pipe buffers nothing */})
				if err != nil {
					t.Error(err)
				}
				second <- c
			}()
			<-time.After(time.Minute)
			if n := len(s.targets); n != 1 {
				t.Fatalf("%d connections with the target", n)
			}
			first.Close()
			c := <-second
			if c == nil {
				return
			}
			send(t, c, parley.Text("b"))
			if m, err := c.Receive(t.Context()); err != nil || m.Text() != "b" {
				t.Error(m, err)
			}
			c.Close()
		})
	}
}

// An answer of several lines, which a device ends with its prompt, reaches a client
// whose messages are lines one by one, and any other whole. What the device greets
// people with is no message.
//
// Verifies: CARRY-02
func TestPromptAnswer(t *testing.T) {
	device := line.Protocol{Prompt: "> ", Echo: true}
	for _, c := range []struct {
		from parley.Protocol
		want []string
	}{
		{lined, []string{"text 1", "text ", "text 2"}},
		{one, []string{"text 1", "text ", "text 2"}},
		{line.Protocol{End: line.Ends("\x03"), Send: "\x03"}, []string{"text 1\r\n\r\n2"}},
		{frames, []string{"bytes 1\r\n\r\n2"}},
		{tiny, []string{"bytes 1\r\n\r\n2"}},
		{ser2, []string{"text 1\r\n\r\n2"}},
	} {
		bubble(t, c.from.Name(), func(t *testing.T) {
			s := bridged(t, c.from, line.Protocol{Send: line.CRLF}, func(ctx context.Context, c *parley.Conn, m parley.Message) error {
				return c.Send(ctx, line.Verbatim(parley.Text(m.Text()+"\r\n1\r\n\r\n2\r\n> ")))
			}, func(s *setup) {
				s.Target.Protocol = device
				s.target.Hooks.OnOpen = func(ctx context.Context, c *parley.Conn) error {
					return c.Send(ctx, line.Verbatim(parley.Text("ACME\r\n> ")))
				}
			})
			conn := s.client()
			for range 3 {
				send(t, conn, parley.Text("meas?"))
				receive(t, conn, c.want...)
			}
			nothing(t, conn, time.Minute)
		})
	}
}
