package parley_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

// lines is a writer whose content can be read at any time.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// Verifies: RUNTIME-39
func TestLogger(t *testing.T) {
	var std, log lines
	defer func(l *slog.Logger) { slog.SetDefault(l) }(slog.Default())
	slog.SetDefault(slog.New(slog.NewTextHandler(&std, nil)))
	for _, logged := range []bool{false, true} {
		life := newLife()
		srv := &parley.Server{Protocol: tinyproto.Protocol{}, MaxConns: 1, Hooks: life.hooks(), Plugins: stacked,
			Handler: parley.HandlerFunc(func(context.Context, *parley.Conn, parley.Message) error { panic("oops") })}
		if logged {
			srv.Logger = slog.New(slog.NewTextHandler(&log, nil))
		}
		addr := newServer(t, srv)
		peer := bareDial(t, addr)
		peer.say(tinyHello)
		peer.hear(tinyHello)
		c := life.conn(t)
		refused := bareDial(t, addr)
		refused.hear("\xfe")
		peer.say(tiny("no tag", "second\x02first\x01boom"))
		<-c.Done()
	}
	if s := std.String(); s != "" {
		t.Errorf("logged without a logger: %s", s)
	}
	for _, want := range []string{`connection open.*peer=127\.0\.0\.1.*protocol=tinyproto`, `connection refused.*peer=127\.0\.0\.1`,
		`message lost.*plugin second`, `panic.*peer=127\.0\.0\.1.*panic=oops.*stack=`, `connection closed.*peer=127\.0\.0\.1.*reason=.*panic`} {
		if !regexp.MustCompile(want).MatchString(log.String()) {
			t.Errorf("nothing like %s in:\n%s", want, log.String())
		}
	}
}

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

// An error of the peer names the peer, the byte and the rule.
//
// Verifies: RUNTIME-41, RUNTIME-42
func TestErrorTexts(t *testing.T) {
	kinds := []struct {
		name     string
		protocol parley.Protocol
		hello    string
		say      string
		offset   int64 // of a ProtocolError, MessageError or RefusedError
		kind     string
		words    string
	}{
		{"no hello", tinyproto.Protocol{}, "", "GET / HTTP/1.0\r\n", 0, "refused", "not a tinyproto peer"},
		{"refused", tinyproto.Protocol{}, "", "\xfe", 0, "refused", "connection limit"},
		{"an OK too many", tinyproto.Protocol{}, tinyHello, tiny("x") + tinyOK, 6, "protocol", "answers nothing"},
		{"too large for the wire", tinyproto.Protocol{}, tinyHello, "\xf1\x00\x00\x00", 1, "protocol", "4043309056"},
		{"cut in a message", tinyproto.Protocol{}, tinyHello, tiny("x") + tiny("abc")[:5], 11, "protocol", "1 of 3 bytes"},
		{"not oneline", oneline.Protocol{}, "", "SSH-2.0-OpenSSH\n", 0, "protocol", "does not speak oneline"},
		{"not UTF-8", oneline.Protocol{}, "pong\n", "\xff\n", 5, "message", "not UTF-8"},
		{"cut in a line", oneline.Protocol{}, "pong\n", "one\ntw", 11, "protocol", "inside a line"},
		{"bad base85", serpy.Protocol{}, "", "\x01SETMODE2\x1f\"\x1f", 10, "message", "base85"},
		{"bad checksum", serpy2.Protocol{}, "", serpy2Text("x") + strings.Replace(serpy2Text("abc"), "abc", "abd", 1), 15, "message", "checksum"},
		{"garbage", serpy2.Protocol{}, "", "garbage" + serpy2Text("x"), 0, "message", "belong to no block"},
	}
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			addr := l.Addr().String()
			go func() {
				nc, err := l.Accept()
				if err != nil {
					return
				}
				io.WriteString(nc, k.hello+k.say)
				nc.(*net.TCPConn).CloseWrite()
				io.Copy(io.Discard, nc)
				nc.Close()
			}()
			c, err := parley.Dial(newContext(t), k.protocol, addr)
			for err == nil {
				defer c.CloseNow()
				_, err = c.Receive(newContext(t))
			}
			var offset int64
			kind := ""
			if e := new(*parley.ProtocolError); errors.As(err, e) {
				kind, offset = "protocol", (*e).Offset
			} else if e := new(*parley.MessageError); errors.As(err, e) {
				kind, offset = "message", (*e).Offset
			} else if e := new(*parley.RefusedError); errors.As(err, e) {
				kind, offset = "refused", (*e).Offset
			}
			if kind != k.kind || offset != k.offset {
				t.Errorf("got a %s error at byte %d, want a %s error at byte %d", kind, offset, k.kind, k.offset)
			}
			for _, words := range []string{k.protocol.Name(), addr, fmt.Sprintf("at byte %d", k.offset), k.words} {
				if !strings.Contains(err.Error(), words) {
					t.Errorf("%v does not say %q", err, words)
				}
			}
		})
	}
	t.Run("reset", func(t *testing.T) {
		c, peer := barePeer(t, &parley.Dialer{Protocol: serpy2.Protocol{}}, "")
		peer.say(serpy2Text("x"))
		expect(t, c, "x")
		peer.reset()
		_, err := c.Receive(newContext(t))
		if e := new(*parley.ConnError); !errors.As(err, e) || (*e).Offset != 15 || !strings.Contains(err.Error(), c.RemoteAddr().String()) {
			t.Errorf("got %v, want a ConnError at byte 15 with the peer's address", err)
		}
	})
	t.Run("nobody listens", func(t *testing.T) {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		addr := l.Addr().String()
		l.Close()
		if _, err := parley.Dial(newContext(t), serpy2.Protocol{}, addr); err == nil || !strings.Contains(err.Error(), addr) || !strings.Contains(err.Error(), "refused") {
			t.Errorf("got %v, want one that names the address", err)
		}
	})
}

// A lost message has its place among the others, for a program that receives
// and for a handler.
//
// Verifies: RUNTIME-42, RUNTIME-24
func TestLostMessageInItsPlace(t *testing.T) {
	all := serpy2Text("one") + strings.Replace(serpy2Text("two"), "two", "TWO", 1) + serpy2Text("three")
	want := "one, lost, three"
	t.Run("pull", func(t *testing.T) {
		c, peer := barePeer(t, &parley.Dialer{Protocol: serpy2.Protocol{}}, "")
		peer.say(all)
		peer.closeWrite()
		var got []string
		for m, err := range c.Messages(newContext(t)) {
			if errors.As(err, new(*parley.MessageError)) {
				got = append(got, "lost")
			} else {
				got = append(got, m.Text())
			}
		}
		if s := strings.Join(got, ", "); s != want {
			t.Errorf("got %s, want %s", s, want)
		}
		if s := c.Stats(); s.Lost != 1 || s.MessagesIn != 2 {
			t.Errorf("Stats: %+v", s)
		}
	})
	for _, busy := range []bool{false, true} { // also behind a handler that has another goroutine read
		t.Run(fmt.Sprintf("handler, busy=%v", busy), func(t *testing.T) {
			var got []string
			life := newLife()
			srv := &parley.Server{Protocol: serpy2.Protocol{}, Hooks: life.hooks()}
			srv.Handler = parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
				got = append(got, m.Text())
				if busy && m.Text() == "zero" {
					m, err := c.Receive(ctx)
					got = append(got, m.Text())
					return err
				}
				return nil
			})
			srv.Hooks.OnMessageError = func(_ *parley.Conn, err error) {
				if !errors.As(err, new(*parley.MessageError)) {
					t.Errorf("got %v", err)
				}
				got = append(got, "lost")
			}
			peer := bareDial(t, newServer(t, srv))
			if busy {
				peer.say(serpy2Text("zero"))
				want = "zero, " + want
			}
			peer.say(all)
			peer.closeWrite()
			life.reason(t)
			if s := strings.Join(got, ", "); s != want {
				t.Errorf("got %s, want %s", s, want)
			}
		})
	}
}

// Memory grows with what has arrived, never with what was announced.
//
// Verifies: RUNTIME-09
func TestAnnouncedMemory(t *testing.T) {
	announcements := map[string]struct {
		protocol parley.Protocol
		bytes    string
	}{
		"tinyproto": {tinyproto.Protocol{}, tinyHello + tinyHead(60<<20) + "x"},
		"serpy2":    {serpy2.Protocol{}, "\xde\xca\xfe\xca\xfe\x81\x00\x00\x00\x00\x00\x00\xc0\x03x"},
	}
	for name, a := range announcements {
		t.Run(name, func(t *testing.T) {
			life := newLife()
			srv := &parley.Server{Protocol: a.protocol, Handler: parley.HandlerFunc(echo), Hooks: life.hooks()}
			addr := newServer(t, srv)
			before := heap()
			const n = 100
			for range n {
				bareDial(t, addr).say(a.bytes)
				s := life.conn(t)
				for s.Stats().BytesIn < uint64(len(a.bytes)) {
					runtime.Gosched()
				}
			}
			if grown := heap() - before; grown > n*256<<10 {
				t.Errorf("%d announcements of 60 MiB cost %d KiB", n, grown>>10)
			}
		})
	}
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// What was received belongs to the program alone: a connection that idles keeps
// no message.
//
// Verifies: RUNTIME-19, RUNTIME-09
func TestReceivedMemory(t *testing.T) {
	c, peer := barePeer(t, &parley.Dialer{Protocol: serpy2.Protocol{}}, "")
	go peer.say(serpy2Text(strings.Repeat("x", 1000)))
	m, err := c.Receive(newContext(t))
	if err != nil {
		t.Fatal(err)
	}
	freed := make(chan struct{})
	runtime.AddCleanup(&m.Bytes()[0], func(struct{}) { close(freed) }, struct{}{})
	m = parley.Message{}
	for range 100 {
		runtime.GC()
		select {
		case <-freed:
			return
		default:
		}
	}
	t.Error("the connection keeps the message")
}

// An idle connection holds no buffer.
//
// Verifies: RUNTIME-09
func TestIdleMemory(t *testing.T) {
	for _, f := range forms {
		if f.protocol.Traits().Clients == 1 {
			continue
		}
		t.Run(label(f.protocol), func(t *testing.T) {
			srv := &parley.Server{Protocol: f.protocol, Handler: parley.HandlerFunc(discard), MaxConnsPerAddr: -1}
			addr := newServer(t, srv)
			const n = 200
			var peers []*bare
			for range n {
				peer := bareDial(t, addr)
				peer.say(f.hello + f.text("hello"))
				peers = append(peers, peer)
			}
			for srv.Stats().Total.MessagesIn < n {
				runtime.Gosched()
			}
			runtime.GC() // the pools, and what they have given up
			before := heap()
			srv.Close()
			for srv.Stats().Open > 0 {
				runtime.Gosched()
			}
			runtime.GC()
			loops := int64(*eventLoops) * (64<<10 + 4<<10) // what each loop reads into
			if each := (before - heap() - loops) / n; each > 4<<10 {
				t.Errorf("an idle connection held %d bytes", each)
			} else {
				t.Logf("an idle connection held %d bytes", each)
			}
			runtime.KeepAlive(peers)
		})
	}
}

// A peer whose every block is damaged, and clients that come to be turned away:
// what they have written to the log is bounded, and all of it is counted.
//
// Verifies: RUNTIME-75
func TestLogOfAFlood(t *testing.T) {
	var log lines
	srv := &parley.Server{Protocol: serpy2.Protocol{}, Handler: parley.HandlerFunc(echo), MaxConns: 1, EventLoops: *eventLoops,
		Logger: slog.New(slog.NewTextHandler(&log, nil))}
	if err := srv.Listen("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	served := make(chan error)
	go func() { served <- srv.Serve() }()
	addr := srv.Addrs()[0].String()
	peer := bareDial(t, addr)
	damaged := strings.Replace(serpy2Text("abc"), "abc", "abd", 1)
	const blocks, refused = 35_000, 300
	peer.say(strings.Repeat(damaged, blocks) + serpy2Text("done"))
	peer.hear(serpy2Text("done"))
	for range refused {
		r := bareDial(t, addr)
		r.hearEnd()
		r.Close()
	}
	srv.Close()
	<-served
	counted, logged := 0, 0
	for line := range strings.Lines(log.String()) {
		if m := regexp.MustCompile(`log lines left out" lines=(\d+)`).FindStringSubmatch(line); m != nil {
			n, _ := strconv.Atoi(m[1])
			counted += n
		} else if !strings.Contains(line, "event loop") { // which a busy machine may bring about
			logged++
		}
	}
	if lost := strings.Count(log.String(), `msg="message lost"`); lost != 3 {
		t.Errorf("%d lines of lost messages, want 3", lost)
	}
	if want := blocks + refused + 2; logged+counted != want { // and the beginning and the end
		t.Errorf("%d lines and %d counted, want %d:\n%s", logged, counted, want, log.String())
	}
	if n := len(log.String()); n > 64<<10 {
		t.Errorf("%d bytes of log", n)
	}
}
