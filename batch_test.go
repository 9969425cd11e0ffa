package parley_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/oneline"
)

// TestWhatDisturbsABatch sends many commands at once, and in the middle of them the
// handler does something else than answer: the answers are the same, in their order.
//
// Verifies: RUNTIME-16, RUNTIME-24, RUNTIME-26
func TestWhatDisturbsABatch(t *testing.T) {
	const commands, at = 64, 20
	all := func(upto int) (s string) {
		for i := range upto {
			s += fmt.Sprintf("answer %d\n", i)
		}
		return s
	}
	for _, k := range []struct {
		name string
		do   func(ctx context.Context, c *parley.Conn) error
		want string
	}{
		{"nothing", func(context.Context, *parley.Conn) error { return nil }, all(commands)},
		{"a look", func(_ context.Context, c *parley.Conn) error { c.Buffered(); return nil }, all(commands)},
		{"two answers", func(ctx context.Context, c *parley.Conn) error {
			return c.Send(ctx, parley.Text("first"))
		}, all(at) + "first\n" + all(commands)[len(all(at)):]},
		{"another goroutine", func(ctx context.Context, c *parley.Conn) error {
			sent := make(chan error)
			go func() { sent <- c.Send(context.Background(), parley.Text("aside")) }()
			return <-sent
		}, all(at) + "aside\n" + all(commands)[len(all(at)):]},
		{"a context that has ended", func(ctx context.Context, c *parley.Conn) error {
			ended, cancel := context.WithCancel(ctx)
			cancel()
			if err := c.Send(ended, parley.Text("no")); !errors.Is(err, context.Canceled) {
				return fmt.Errorf("sent with an ended context: %v", err)
			}
			return nil
		}, all(commands)},
		{"a refused message", func(ctx context.Context, c *parley.Conn) error {
			if err := c.Send(ctx, parley.Text("two\nlines")); !errors.Is(err, parley.ErrNotRepresentable) {
				return fmt.Errorf("two lines: %v", err)
			}
			return nil
		}, all(commands)},
		{"a long answer", func(ctx context.Context, c *parley.Conn) error {
			return c.Send(ctx, parley.Text(strings.Repeat("x", 100_000)))
		}, all(at) + strings.Repeat("x", 100_000) + "\n" + all(commands)[len(all(at)):]},
		{"an error", func(context.Context, *parley.Conn) error { return errors.New("enough") }, all(at)},
		{"a panic", func(context.Context, *parley.Conn) error { panic("enough") }, all(at)},
		{"Close", func(_ context.Context, c *parley.Conn) error { go c.Close(); <-c.Context().Done(); return nil }, all(at)},
	} {
		t.Run(k.name, func(t *testing.T) {
			n := 0
			nc := dialLines(t,
				func(ctx context.Context, c *parley.Conn, m parley.Message) error {
					i := n
					n++
					if i == at {
						if err := k.do(ctx, c); err != nil {
							return err
						}
					}
					err := c.Send(ctx, parley.Text(fmt.Sprintf("answer %d", i)))
					if c.Err() != nil {
						return nil
					}
					return err
				})
			if _, err := io.WriteString(nc, strings.Repeat("command\n", commands)+"ping\n"); err != nil {
				t.Fatal(err)
			}
			nc.CloseWrite()
			got, err := io.ReadAll(nc)
			if err != nil {
				t.Fatal(err)
			}
			want := k.want
			if strings.HasPrefix(want, all(commands)[:len(all(at))]) && strings.HasSuffix(want, fmt.Sprintf("answer %d\n", commands-1)) {
				want += "pong\n"
			}
			if strings.HasSuffix(want, "pong\n") != (n == commands) {
				t.Errorf("the handler was called %d times", n)
			}
			if string(got) != want {
				t.Errorf("got %d bytes, want %d:\n%.3000s", len(got), len(want), got)
			}
		})
	}
}

// TestSlowHandlerOfABatch: what the handler has answered leaves, even if it takes
// long over the next of the commands that have arrived together.
//
// Verifies: RUNTIME-24
func TestSlowHandlerOfABatch(t *testing.T) {
	const commands, at = 64, 20
	arrived, late := make(chan struct{}), make(chan struct{})
	n := 0
	nc := dialLines(t, func(ctx context.Context, c *parley.Conn, m parley.Message) error {
		if n++; n == at+1 {
			<-arrived
			err := c.Send(ctx, parley.Text("late")) // leaves at once, as the handler goes on
			select {
			case <-late:
			case <-ctx.Done():
			}
			return err
		}
		return c.Send(ctx, m)
	})
	if _, err := io.WriteString(nc, strings.Repeat("command\n", commands)); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(nc)
	for i := range commands {
		if !lines.Scan() {
			t.Fatalf("%d answers, then %v", i, lines.Err())
		}
		switch {
		case i == at-1:
			close(arrived)
		case lines.Text() == "late":
			close(late)
		}
	}
}

// dialLines connects a bare socket to a oneline server.
func dialLines(t *testing.T, handler parley.HandlerFunc) *net.TCPConn {
	t.Helper()
	srv := &parley.Server{Protocol: oneline.Protocol{}, Handler: handler}
	nc, err := net.Dial("tcp", newServer(t, srv))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	return nc.(*net.TCPConn)
}
