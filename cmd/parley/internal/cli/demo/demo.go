// Package demo is the room of parley demo: five conversations inside one process,
// each checked.
package demo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/oneline"
)

func Command(a *app.App) *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Hold the originals' sample conversations on loopback",
		Long: `Starts a server of each protocol on a free loopback port, holds the sample
conversations of the original Python packages with it, checks every answer, and
prints a summary. With -v it goes on with all that both sides have said. It needs
nothing but this machine and ends by itself.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, cancel := context.WithTimeout(cmd.Context(), 30*time.Second)
			defer cancel()
			return demo(ctx, cmd.OutOrStdout(), a.Verbose > 0)
		},
	}
}

// demo runs the scenes and prints a summary, and then, if everything is wanted, all
// that was said.
func demo(ctx context.Context, w io.Writer, everything bool) error {
	scenes := []struct {
		name, what string
		play       func(context.Context, *stage) error
	}{
		{"oneline", "a device and its two clients", demoOneline},
		{"tinyproto", "echo, then chat", demoTinyproto},
		{"serpy", "a broadcast server and two clients", demoSerpy},
		{"serpy2", "typed ping-pong, an instrument's image", demoSerpy2},
		{"transfer", "a file up and down again, on tinyproto", demoTransfer},
	}
	start := time.Now()
	failed := 0
	var said bytes.Buffer
	for _, s := range scenes {
		fmt.Fprintf(&said, "\n%s: %s\n", s.name, s.what)
		st := &stage{w: &said}
		begin := time.Now()
		err := s.play(ctx, st)
		verdict := "ok"
		if err != nil {
			failed++
			verdict = "FAILED: " + err.Error()
			fmt.Fprintf(&said, "  %s\n", verdict)
		}
		fmt.Fprintf(w, "%-10s %-39s %3d messages %5.0f ms  %s\n", s.name, s.what, st.messages, time.Since(begin).Seconds()*1e3, verdict)
	}
	fmt.Fprintf(w, "%d of %d conversations as they should be, in %.1f s\n", len(scenes)-failed, len(scenes), time.Since(start).Seconds())
	if everything || failed > 0 {
		w.Write(said.Bytes())
	} else {
		fmt.Fprint(w, "\n\"parley demo -v\" shows what both sides said, \"parley cheat\" what to try.\n")
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d conversations failed", failed, len(scenes))
	}
	return nil
}

// stage prints both sides of a conversation as they happen.
type stage struct {
	w        io.Writer
	mu       sync.Mutex
	last     string // who did what last
	opened   chan struct{}
	messages int
}

// side returns a trace function that prints what who says and hears.
func (s *stage) side(who string) func(parley.Trace) {
	return func(t parley.Trace) {
		s.mu.Lock()
		defer s.mu.Unlock()
		verb := "hears"
		if t.Sent {
			verb = "says"
		}
		what := t.What
		if what == "message" || what == "end" {
			if !t.Sent {
				s.messages++
			}
		}
		if what == "message" {
			what = readable(t.Message).String()
		}
		again := s.last == who+t.What
		s.last = who + t.What
		if again && (what == "data" || what == "body") {
			return // more pieces of a large message
		}
		fmt.Fprintf(s.w, "  %9s %s %s%s\n", who, verb, what, hexed(t.Bytes))
	}
}

// readable shows bytes that are text as text: tinyproto knows no difference.
func readable(m parley.Message) parley.Message {
	text := func(r rune) bool { return r == utf8.RuneError || !unicode.IsPrint(r) }
	if m.Type() == parley.TypeBytes && m.Len() > 0 && bytes.IndexFunc(m.Bytes(), text) < 0 {
		return parley.Text(m.Text())
	}
	return m
}

// hexed shows the bytes of the wire, shortened.
func hexed(p []byte) string {
	const limit = 12
	switch {
	case len(p) == 0:
		return ""
	case len(p) <= limit:
		return fmt.Sprintf("   [% x]", p)
	}
	return fmt.Sprintf("   [% x … %d bytes]", p[:limit], len(p))
}

// serve starts srv, and returns its address and a function that waits for its
// end.
func (s *stage) serve(ctx context.Context, srv *parley.Server) (addr string, wait func() error, err error) {
	srv.Trace = s.side("server")
	s.opened = make(chan struct{}, 8)
	open := srv.Hooks.OnOpen
	srv.Hooks.OnOpen = func(ctx context.Context, c *parley.Conn) error {
		defer func() { s.opened <- struct{}{} }()
		if open == nil {
			return nil
		}
		return open(ctx, c)
	}
	if err := srv.Listen("127.0.0.1:0"); err != nil {
		return "", nil, err
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve() }()
	context.AfterFunc(ctx, func() { srv.Close() })
	return srv.Addrs()[0].String(), func() error {
		select {
		case err := <-ended:
			if err == parley.ErrServerClosed {
				return nil
			}
			return err
		case <-ctx.Done():
			srv.Close()
			<-ended
			return fmt.Errorf("the server did not end: %w", context.Cause(ctx))
		}
	}, nil
}

// dial connects a client that is shown as who, and waits until the server
// knows it.
func (s *stage) dial(ctx context.Context, d *parley.Dialer, addr, who string) (*parley.Conn, error) {
	d.Trace = s.side(who)
	c, err := d.Dial(ctx, addr)
	if err != nil {
		return nil, err
	}
	select {
	case <-s.opened:
		return c, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// meet starts srv and connects a client for each name, in their order.
func (s *stage) meet(ctx context.Context, srv *parley.Server, names ...string) (clients []*parley.Conn, wait func() error, err error) {
	addr, wait, err := s.serve(ctx, srv)
	for _, who := range names {
		if err != nil {
			return nil, nil, err
		}
		var c *parley.Conn
		c, err = s.dial(ctx, &parley.Dialer{Protocol: srv.Protocol}, addr, who)
		clients = append(clients, c)
	}
	return clients, wait, err
}

// asked sends a question and checks the answer.
func asked(ctx context.Context, c *parley.Conn, question, want parley.Message) error {
	got, err := c.Call(ctx, question)
	if err != nil {
		return err
	}
	return check(got, want)
}

// next checks the next message that arrives.
func next(ctx context.Context, c *parley.Conn, want parley.Message) error {
	got, err := c.Receive(ctx)
	if err != nil {
		return err
	}
	return check(got, want)
}

func check(got, want parley.Message) error {
	if got.Text() != want.Text() || !bytes.Equal(got.Bytes(), want.Bytes()) {
		return fmt.Errorf("got %v, want %v", got, want)
	}
	return nil
}

// steps runs fs until one fails.
func steps(fs ...func() error) error {
	for _, f := range fs {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

func demoOneline(ctx context.Context, s *stage) error {
	srv := &parley.Server{
		Protocol: oneline.Protocol{},
		Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			if m.Text() == "cmd01" {
				return c.Send(ctx, parley.Text("ack"))
			}
			return c.Send(ctx, parley.Text("nak - unknown cmd"))
		}),
	}
	addr, wait, err := s.serve(ctx, srv)
	if err != nil {
		return err
	}
	one, err := s.dial(ctx, &parley.Dialer{Protocol: srv.Protocol}, addr, "client 1")
	if err != nil {
		return err
	}
	if err := steps(
		func() error { return asked(ctx, one, parley.Text("ping"), parley.Text("pong")) },
		func() error { return asked(ctx, one, parley.Text("cmd01"), parley.Text("ack")) },
		func() error { return asked(ctx, one, parley.Text("junk"), parley.Text("nak - unknown cmd")) },
		one.Close,
	); err != nil {
		return err
	}
	two, err := s.dial(ctx, &parley.Dialer{Protocol: srv.Protocol}, addr, "client 2")
	if err != nil {
		return err
	}
	return steps(
		func() error { return asked(ctx, two, parley.Text("ping"), parley.Text("pong")) },
		func() error { return two.Send(ctx, parley.Text("shutdown")) },
		two.Close,
		wait,
	)
}
