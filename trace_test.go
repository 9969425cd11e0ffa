package parley_test

// What a program can see of a connection: its trace and its statistics.

import (
	"bytes"
	"io"
	"net"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/tinyproto"
)

// The log of the wire: who, which way, what it means, the bytes. All bytes are
// in it, as they stand on the wire, in order.
//
// Verifies: RUNTIME-39
func TestTrace(t *testing.T) {
	for _, f := range forms {
		bubble(t, label(f.protocol), func(t *testing.T) {
			type side struct {
				in, out bytes.Buffer
				lines   lines
			}
			var server, client side
			tracer := func(s *side) func(parley.Trace) {
				print := parley.TraceTo(&s.lines)
				return func(x parley.Trace) {
					if x.Sent {
						s.out.Write(x.Bytes)
					} else {
						s.in.Write(x.Bytes)
					}
					if x.Time.IsZero() || x.Conn == nil {
						t.Errorf("incomplete: %v", x)
					}
					print(x)
				}
			}
			srv := &parley.Server{Protocol: f.protocol, Handler: parley.HandlerFunc(echo), Trace: tracer(&server)}
			d := &parley.Dialer{Protocol: f.protocol, Trace: tracer(&client)}
			l := newMemory()
			serve(t, srv, l)
			ours, theirs := net.Pipe()
			up, down := &tee{Conn: ours}, &tee{Conn: theirs}
			l.conns <- down
			c, err := d.NewConn(t.Context(), up)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range []string{"hello", strings.Repeat("x", 50_000), "bye"} {
				if _, err := c.Call(t.Context(), parley.Text(m)); err != nil {
					t.Fatal(err)
				}
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			synctest.Wait() // the server meets the end before it makes one of its own
			srv.Shutdown(t.Context())
			synctest.Wait() // a write may have ended, and not yet be noted
			compare := func(what string, traced, sent []byte) {
				if !bytes.Equal(traced, sent) {
					t.Errorf("%s: traced %d bytes, %d were on the wire: %.80q, %.80q", what, len(traced), len(sent), traced, sent)
				}
			}
			compare("sent by the client", client.out.Bytes(), up.written.Bytes())
			compare("sent by the server", server.out.Bytes(), down.written.Bytes())
			compare("received by the client", client.in.Bytes(), down.written.Bytes())
			compare("received by the server", server.in.Bytes(), up.written.Bytes())
			wants := []string{`> message text\[5\] "hello"`, `< message (text|bytes)(/2)?\[5\]`, `end of stream`}
			if f.protocol.Traits().Lockstep {
				wants = []string{`> message text\[5\] "hello"`, `< message text\[5\] "hello"`, `> farewell .* 64 69 73`, `< leave .* 64 69 73`}
			}
			for _, want := range wants {
				if !regexp.MustCompile(`(?m)^\d\d:\d\d:\d\d\.\d{6} #\d+ pipe .*` + want).MatchString(server.lines.String() + client.lines.String()) {
					t.Errorf("no line like %s in:\n%.2000s", want, client.lines.String())
				}
			}
		})
	}
	t.Run("stream", func(t *testing.T) {
		var traced bytes.Buffer
		srv := &parley.Server{Protocol: tinyproto.Protocol{}, Pull: true, Limits: parley.Limits{MaxMessage: 1000}}
		srv.Trace = func(x parley.Trace) {
			if !x.Sent {
				traced.Write(x.Bytes)
			}
		}
		peer := bareDial(t, newServer(t, srv))
		all := tinyHello + tinyHead(5000) + strings.Repeat("s", 5000) + tiny("behind")
		peer.say(all)
		s, err := srv.Accept(newContext(t))
		if err != nil {
			t.Fatal(err)
		}
		in, err := s.ReceiveStream(newContext(t))
		if err != nil {
			t.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, in); n != 5000 || err != nil {
			t.Errorf("got %d, %v", n, err)
		}
		expect(t, s, "behind")
		s.CloseNow()
		<-s.Done()
		if traced.String() != all {
			t.Errorf("traced %d bytes, want %d", traced.Len(), len(all))
		}
	})
}

// tee notes what is written.
type tee struct {
	net.Conn
	written bytes.Buffer
}

func (c *tee) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.written.Write(p[:n])
	return n, err
}

// Verifies: RUNTIME-40
func TestStats(t *testing.T) {
	each(t, all, func(t *testing.T, p parley.Protocol, pipe bool) {
		life := newLife()
		srv := &parley.Server{Protocol: p, Handler: parley.HandlerFunc(echo), Hooks: life.hooks()}
		c := connect(t, pipe, srv, &parley.Dialer{})
		s := life.conn(t)
		for range 10 {
			if _, err := c.Call(newContext(t), parley.Text("hello")); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		life.reason(t)
		<-s.Done()
		a, b := c.Stats(), s.Stats()
		if a.MessagesOut != 10 || a.MessagesIn != 10 || b.MessagesOut != 10 || b.MessagesIn != 10 {
			t.Errorf("messages: %+v, %+v", a, b)
		}
		if a.BytesOut != b.BytesIn || b.BytesOut != a.BytesIn || a.BytesOut < 50 || b.BytesOut < 50 {
			t.Errorf("bytes: %+v, %+v", a, b)
		}
		if a.Opened.IsZero() || time.Since(a.Opened) > time.Minute {
			t.Errorf("opened: %v", a.Opened)
		}
		if p.Name() == "tinyproto" && (a.Confirmed != 10 || b.Confirmed > 10) {
			t.Errorf("confirmed: %+v, %+v", a, b)
		}
		srv.Close()
		for srv.Stats().Open > 0 { // it is taken off the list in a moment
			runtime.Gosched()
		}
		total := srv.Stats()
		want := b
		want.Opened, want.Pending, want.Waiting = time.Time{}, 0, 0
		if total.Accepted != 1 || total.Refused != 0 || total.Total != want {
			t.Errorf("the server's: %+v, want %+v in total", total, want)
		}
	})
}
