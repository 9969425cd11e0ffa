package parley_test

// What the log says, and that a flood of causes makes no flood of lines.

import (
	"bytes"
	"context"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/parley-net/parley"
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
