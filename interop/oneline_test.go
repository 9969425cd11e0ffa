package interop

import (
	"context"
	"errors"
	"testing"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/oneline"
)

// The line limit leaves room for the largest size class.
var longLines = oneline.Protocol{MaxLine: large}

// device is the original's sample: cmd01 is answered ack, all else nak.
const device = "lambda c: ['ack' if c == 'cmd01' else 'nak - unknown cmd']"

// A command that reaches the callback of an original server.
type command struct {
	Value   described
	Invalid bool
}

func commandOf(text string, invalid bool) command {
	return command{describe(parley.Text(text)), invalid}
}

func TestOnelineOriginalServer(t *testing.T) {
	each(t, onelineOriginalServer, "oneline")
}

func onelineOriginalServer(t *testing.T, o origin) {
	for _, c := range []struct {
		name, answer string
		send         parley.Message
		arrives      command
		responses    []string
	}{
		{"ping", device, parley.Text("ping"), command{}, []string{"pong"}},
		{"ack", device, parley.Text("cmd01"), commandOf("cmd01", false), []string{"ack"}},
		{"nak", device, parley.Text("junk"), commandOf("junk", false), []string{"nak - unknown cmd"}},
		{"empty line", device, parley.Text(""), commandOf("", false), []string{"nak - unknown cmd"}},
		{"carriage return", device, parley.Text("ping\r"), commandOf("ping\r", false), []string{"nak - unknown cmd"}},
		{"number", device, parley.Int(-5), commandOf("-5", false), []string{"nak - unknown cmd"}},
		{"many responses", "lambda c: ['1', '', 'three', '4']", parley.Text("x"), commandOf("x", false), []string{"1", "", "three", "4"}},
		{"no response", "lambda c: []", parley.Text("x"), commandOf("x", false), nil},
		{"non-ASCII", "lambda c: ['Grüße, 世界']", parley.Text("grüß"), commandOf("gr", true), []string{"Grüße, 世界"}},
		{"invalid", device, parley.Bytes([]byte("c\xffd")), commandOf("cd", true), []string{"nak - unknown cmd"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			p := o.start(t)
			conn := dial(t, &parley.Dialer{Protocol: oneline.Protocol{}}, get[int](p, "listen", args{"answer": c.answer}))
			send(t, conn, c.send)
			for _, want := range c.responses {
				if got := receive(t, conn).Text(); got != want {
					t.Errorf("response %q, want %q", got, want)
				}
			}
			if (c.arrives != command{}) {
				if got := get[command](p, "command", nil); got != c.arrives {
					t.Errorf("the original got %+v, want %+v", got, c.arrives)
				}
			}
			// Nothing else has come, and the conversation goes on.
			if got := call(t, conn, parley.Text("ping")).Text(); got != "pong" {
				t.Errorf("ping was answered %q", got)
			}
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
		})
	}

	t.Run("sizes", func(t *testing.T) {
		t.Parallel()
		p := o.start(t)
		conn := dial(t, &parley.Dialer{Protocol: longLines}, get[int](p, "listen", args{"answer": "lambda c: [c]"}))
		for _, size := range []int{0, 1, small, large} {
			s := letters(size)
			same(t, "echo", describe(call(t, conn, s.message)), describe(s.message))
			same(t, "command", get[command](p, "command", nil).Value, describe(s.message))
		}
	})

	t.Run("pipelined", func(t *testing.T) {
		t.Parallel()
		p := o.start(t)
		conn := dial(t, &parley.Dialer{Protocol: oneline.Protocol{}}, get[int](p, "listen", args{"answer": "lambda c: [c]"}))
		for i := range 200 {
			send(t, conn, parley.Int(int64(i)))
		}
		for i := range 200 {
			if got, want := receive(t, conn).Text(), parley.Int(int64(i)).Text(); got != want {
				t.Fatalf("response %q, want %q", got, want)
			}
		}
	})

	t.Run("disconnect and next client", func(t *testing.T) {
		t.Parallel()
		p := o.start(t)
		port := get[int](p, "listen", args{"answer": device})
		for range 3 {
			conn := dial(t, &parley.Dialer{Protocol: oneline.Protocol{}}, port)
			call(t, conn, parley.Text("cmd01"))
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
		}
	})

	// Closing with responses unread must not become a reset, which kills the
	// original.
	t.Run("disconnect with unread responses", func(t *testing.T) {
		t.Parallel()
		p := o.start(t)
		port := get[int](p, "listen", args{"answer": "lambda c: ['x' * 1000] * 100"})
		for range 3 {
			conn := dial(t, &parley.Dialer{Protocol: oneline.Protocol{}}, port)
			send(t, conn, parley.Text("much"))
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
		}
	})

	t.Run("second client waits", func(t *testing.T) {
		t.Parallel()
		p := o.start(t)
		port := get[int](p, "listen", args{"answer": device})
		first := dial(t, &parley.Dialer{Protocol: oneline.Protocol{}}, port)
		second := make(chan error, 1)
		go func() {
			d := parley.Dialer{Protocol: oneline.Protocol{}, Timeouts: parley.Timeouts{Handshake: patience}}
			conn, err := d.Dial(soon(t), address(port))
			if err == nil {
				_, err = conn.Call(soon(t), parley.Text("cmd01"))
				err = errors.Join(err, conn.Close())
			}
			second <- err
		}()
		for range 50 {
			call(t, first, parley.Text("junk"))
		}
		select {
		case err := <-second:
			t.Fatalf("the second client did not wait: %v", err)
		default:
		}
		if err := first.Close(); err != nil {
			t.Error(err)
		}
		if err := <-second; err != nil {
			t.Error(err)
		}
	})

	t.Run("shutdown", func(t *testing.T) {
		t.Parallel()
		p := o.start(t)
		conn := dial(t, &parley.Dialer{Protocol: oneline.Protocol{}}, get[int](p, "listen", args{"answer": device}))
		send(t, conn, parley.Text("shutdown"))
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		p.do("ended", nil)
	})
}

func TestOnelineOriginalClient(t *testing.T) {
	each(t, onelineOriginalClient, "oneline")
}

// answers starts a parley server that answers every command with the given
// lines, and returns the commands that have come.
func answers(t *testing.T, lines ...string) (port int, commands <-chan parley.Message) {
	got := make(chan parley.Message, 100)
	port = serve(t, &parley.Server{
		Protocol: longLines,
		Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			got <- m.Clone()
			for _, line := range lines {
				if err := c.Send(ctx, parley.Text(line)); err != nil {
					return err
				}
			}
			return nil
		}),
	})
	return port, got
}

// connect connects an original client.
func connect(t *testing.T, p *process, port int) {
	t.Helper()
	if !get[bool](p, "connect", args{"port": port}) {
		t.Fatal("connect() returned False")
	}
}

func onelineOriginalClient(t *testing.T, o origin) {
	for _, c := range []struct {
		name, send string
		arrives    string
		invalid    bool
		answers    []string
		responses  []string
	}{
		{"ack", "'cmd01'", "cmd01", false, []string{"ack"}, []string{"ack"}},
		{"empty line", "''", "", false, []string{"nak"}, []string{"nak"}},
		{"carriage return", "'ping\\r'", "ping\r", false, []string{"nak"}, []string{"nak"}},
		{"number", "5", "5", false, []string{"nak"}, []string{"nak"}},
		{"many responses", "'x'", "x", false, []string{"1", "", " three ", "4"}, []string{"1", "", "three", "4"}},
		{"no response", "'x'", "x", false, nil, nil},
		{"non-ASCII", "'grüß'", "gr", true, []string{"Grüße, 世界"}, []string{"Grüße, 世界"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			port, commands := answers(t, c.answers...)
			p := o.start(t)
			connect(t, p, port)
			p.do("send", args{"value": c.send})
			m := <-commands
			if m.Text() != c.arrives || oneline.Invalid(m) != c.invalid {
				t.Errorf("command %v, want %q, invalid %v", m, c.arrives, c.invalid)
			}
			for _, want := range c.responses {
				same(t, "response", get[described](p, "recv", nil), describe(parley.Text(want)))
			}
			// Nothing else has come, and the conversation goes on.
			p.do("send", args{"value": "'ping'"})
			same(t, "ping", get[described](p, "recv", nil), describe(parley.Text("pong")))
			p.do("disconnect", nil)
		})
	}

	t.Run("non-ASCII with UTF8", func(t *testing.T) {
		t.Parallel()
		srv := &parley.Server{Protocol: oneline.Protocol{UTF8: true}, Pull: true}
		port := serve(t, srv)
		p := o.start(t)
		connect(t, p, port)
		p.do("send", args{"value": "'Grüße, 世界'"})
		if m := receive(t, accept(t, srv)); m.Text() != "Grüße, 世界" || oneline.Invalid(m) {
			t.Errorf("command %v, want all of the text", m)
		}
	})

	t.Run("sizes", func(t *testing.T) {
		t.Parallel()
		for _, size := range []int{0, 1, small, large} {
			s := letters(size)
			answer := s
			if size == large {
				answer = letters(1) // an original client reads in quadratic time
			}
			port, commands := answers(t, answer.message.Text())
			p := o.start(t)
			connect(t, p, port)
			p.do("send", args{"value": s.python})
			same(t, "command", describe(<-commands), describe(s.message))
			same(t, "response", get[described](p, "recv", nil), describe(answer.message))
		}
	})

	t.Run("disconnect and next client", func(t *testing.T) {
		t.Parallel()
		port, _ := answers(t, "ack")
		p := o.start(t)
		for range 3 {
			connect(t, p, port)
			p.do("send", args{"value": "'cmd01'"})
			same(t, "response", get[described](p, "recv", nil), describe(parley.Text("ack")))
			p.do("disconnect", nil)
		}
	})

	t.Run("killed client and next client", func(t *testing.T) {
		t.Parallel()
		port, _ := answers(t, "ack")
		for range 2 {
			p := o.start(t)
			connect(t, p, port)
			p.do("send", args{"value": "'cmd01'"})
			p.kill()
		}
		p := o.start(t)
		connect(t, p, port)
	})

	t.Run("second client waits", func(t *testing.T) {
		t.Parallel()
		port, _ := answers(t, "ack")
		first, second := o.start(t), o.start(t)
		connect(t, first, port)
		second.ask("connect", args{"port": port}) // it waits 3 s, no longer
		first.do("send", args{"value": "'x'"})
		first.do("recv", nil)
		first.do("disconnect", nil)
		if !decode[bool](second, second.answer()) {
			t.Error("the client that had to wait was not served")
		}
	})

	t.Run("shutdown", func(t *testing.T) {
		t.Parallel()
		srv := &parley.Server{Protocol: oneline.Protocol{}, Pull: true}
		port := serve(t, srv)
		p := o.start(t)
		connect(t, p, port)
		accept(t, srv)
		p.do("shutdown", nil)
		if _, err := srv.Accept(soon(t)); !errors.Is(err, parley.ErrServerClosed) {
			t.Errorf("after shutdown Accept returns %v, want ErrServerClosed", err)
		}
	})
}
