package parley_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

// A connection whose peer has closed, and whose messages wait for Receive, can
// be closed like any other.
//
// Verifies: RUNTIME-27, RUNTIME-33, RUNTIME-50
func TestCloseBehindTheEndOfStream(t *testing.T) {
	closers := map[string]func(srv *parley.Server, s *parley.Conn){
		"CloseNow":     func(_ *parley.Server, s *parley.Conn) { s.CloseNow() },
		"Close":        func(_ *parley.Server, s *parley.Conn) { s.Close() },
		"Server.Close": func(srv *parley.Server, _ *parley.Conn) { srv.Close() },
	}
	for name, closer := range closers {
		bubble(t, name, func(t *testing.T) {
			life := newLife()
			srv := &parley.Server{Protocol: serpy2.Protocol{}, Pull: true, Hooks: life.hooks()}
			c := connect(t, true, srv, &parley.Dialer{})
			if err := c.Send(t.Context(), parley.Text("unread")); err != nil {
				t.Fatal(err)
			}
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			s := life.conn(t)
			synctest.Wait()
			if n := s.Buffered(); n != 1 {
				t.Errorf("%d messages wait, want 1", n)
			}
			closer(srv, s)
			<-s.Done()
			if err := life.reason(t); err == nil || err != s.Err() {
				t.Errorf("OnClose got %v, Err is %v", err, s.Err())
			}
			if len(life.ended) > 0 {
				t.Error("OnClose ran twice")
			}
		})
	}
}

// The last message and the end of the stream may come in one read.
//
// Verifies: RUNTIME-35, RUNTIME-04
func TestLastMessageAndEndTogether(t *testing.T) {
	cert, roots := certificate(t)
	for _, pull := range []bool{true, false} {
		t.Run(fmt.Sprintf("pull=%v", pull), func(t *testing.T) {
			got := make(chan string, 10)
			life := newLife()
			srv := &parley.Server{Protocol: serpy2.Protocol{}, Pull: pull, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}, Hooks: life.hooks()}
			if !pull {
				srv.Handler = parley.HandlerFunc(func(_ context.Context, _ *parley.Conn, m parley.Message) error {
					got <- m.Text()
					return nil
				})
			}
			peer := bareDial(t, newServer(t, srv))
			corked := &corked{Conn: peer.Conn}
			client := tls.Client(corked, &tls.Config{RootCAs: roots, ServerName: "localhost", MaxVersion: tls.VersionTLS12}) // 1.3 hides the end
			if err := client.Handshake(); err != nil {
				t.Fatal(err)
			}
			corked.cork()
			io.WriteString(client, serpy2Text("one"))
			io.WriteString(client, serpy2Text("two"))
			client.CloseWrite()
			corked.uncork()
			if pull {
				s := life.conn(t)
				expect(t, s, "one")
				expect(t, s, "two")
				if _, err := s.Receive(newContext(t)); !errors.Is(err, parley.ErrPeerClosed) {
					t.Errorf("at the end: %v, want ErrPeerClosed", err)
				}
			}
			if err := life.reason(t); !errors.Is(err, parley.ErrPeerClosed) {
				t.Errorf("the connection ended with %v, want ErrPeerClosed", err)
			}
			if !pull {
				if a, b := <-got, <-got; a != "one" || b != "two" {
					t.Errorf("got %q and %q", a, b)
				}
			}
		})
	}
}

// corked holds back what is written, so that it arrives in one piece.
type corked struct {
	net.Conn
	mu   sync.Mutex
	held []byte
	on   bool
}

func (c *corked) cork() { c.mu.Lock(); c.on = true; c.mu.Unlock() }

func (c *corked) uncork() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.on = false
	c.Conn.Write(c.held)
}

func (c *corked) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.on {
		c.held = append(c.held, p...)
		return len(p), nil
	}
	return c.Conn.Write(p)
}

// SetWriteDeadline does nothing: a tls.Conn that has said its last word sets
// one in the past.
func (c *corked) SetWriteDeadline(time.Time) error { return nil }

// A handler that waits for its peer learns that the peer has left.
//
// Verifies: RUNTIME-25, RUNTIME-43
func TestPeerLeavesAWaitingHandler(t *testing.T) {
	waits := map[string]func(ctx context.Context, c *parley.Conn) error{
		"Receive": func(ctx context.Context, c *parley.Conn) error { _, err := c.Receive(ctx); return err },
		"Call": func(ctx context.Context, c *parley.Conn) error {
			_, err := c.Call(ctx, parley.Text("question"))
			return err
		},
		"Confirm": func(ctx context.Context, c *parley.Conn) error { return c.Confirm(ctx, parley.Text("really?")) },
	}
	for _, f := range forms {
		for name, wait := range waits {
			if f.protocol.Traits().Lockstep || name == "Confirm" && !f.protocol.Traits().Confirms {
				continue
			}
			bubble(t, label(f.protocol)+"/"+name, func(t *testing.T) {
				life := newLife()
				waited := make(chan error, 1)
				srv := &parley.Server{Protocol: f.protocol, Hooks: life.hooks(), Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
					err := wait(ctx, c)
					waited <- err
					return err
				})}
				l := newMemory()
				serve(t, srv, l)
				peer := l.dial(t)
				go io.Copy(io.Discard, peer)
				peer.say(f.hello + f.text("go"))
				synctest.Wait()
				start := time.Now()
				peer.Close()
				if err := <-waited; err == nil {
					t.Error("the wait succeeded")
				}
				<-life.ended
				if took := time.Since(start); took > 0 {
					t.Errorf("the handler learned it after %v", took)
				}
			})
		}
	}
}

// A peer that has closed its sending side still gets its answers, from a
// handler, from one that has read ahead up to the end, and from a program that
// receives.
//
// Verifies: RUNTIME-45
func TestHalfClose(t *testing.T) {
	answer := func(ctx context.Context, c *parley.Conn, m parley.Message) error {
		return c.Send(ctx, parley.Text(m.Text()))
	}
	ahead := func(ctx context.Context, c *parley.Conn, m parley.Message) error {
		for {
			if err := answer(ctx, c, m); err != nil {
				return err
			}
			next, err := c.Receive(ctx)
			if err != nil { // the peer's end: nothing more comes, but we may go on
				return c.Send(ctx, parley.Text("end"))
			}
			m = next
		}
	}
	for _, f := range forms {
		if label(f.protocol) == "tinyproto-never" {
			continue // its answers wait for OKs, which the peer can't give any more
		}
		for _, kind := range []string{"handler", "reads ahead", "pull"} {
			t.Run(label(f.protocol)+"/"+kind, func(t *testing.T) {
				life := newLife()
				srv := &parley.Server{Protocol: f.protocol, Hooks: life.hooks()}
				want := []string{"aa", "bb", "cc"}
				switch kind {
				case "handler":
					srv.Handler = parley.HandlerFunc(answer)
				case "reads ahead":
					srv.Handler = parley.HandlerFunc(ahead)
					want = append(want, "end")
				case "pull":
					srv.Pull = true
				}
				peer := bareDial(t, newServer(t, srv))
				peer.say(f.hello + f.text("aa", "bb", "cc"))
				peer.closeWrite()
				if kind == "pull" {
					s := life.conn(t)
					for range 3 {
						m, err := s.Receive(newContext(t))
						if err != nil {
							t.Fatal(err)
						}
						if err := answer(newContext(t), s, m); err != nil {
							t.Fatal(err)
						}
					}
					s.Receive(newContext(t)) // the end
				}
				heard, err := io.ReadAll(peer)
				if err != nil {
					t.Error(err)
				}
				for _, m := range want {
					_, rest, found := bytes.Cut(heard, []byte(f.text(m)))
					if !found {
						t.Errorf("no answer %q, in order, in %q", m, heard)
					}
					heard = rest
				}
			})
		}
	}
}

// The program may learn of the peer's end, and be done, while OnOpen still runs:
// the connection ends all the same when that returns.
//
// Verifies: RUNTIME-45
func TestEndDuringOnOpen(t *testing.T) {
	opened, done := make(chan *parley.Conn, 1), make(chan bool)
	srv := &parley.Server{Protocol: serpy2.Protocol{}, Pull: true, Hooks: parley.Hooks{OnOpen: func(_ context.Context, c *parley.Conn) error {
		opened <- c
		<-done
		return nil
	}}}
	peer := bareDial(t, newServer(t, srv))
	peer.say(serpy2Text("x"))
	peer.closeWrite()
	c := next(t, opened, "the connection did not open")
	if m, err := c.Receive(newContext(t)); err != nil || m.Text() != "x" {
		t.Errorf("%v, %v", m, err)
	}
	if m, err := c.Receive(newContext(t)); err != parley.ErrPeerClosed {
		t.Errorf("%v, %v, want the end", m, err)
	}
	close(done)
	peer.hearEnd()
}

// Two peers that close at the same time, each with messages under way, do not
// wait for each other's confirmations.
//
// Verifies: RUNTIME-33
func TestBothClose(t *testing.T) {
	for _, p := range symmetric {
		bubble(t, label(p), func(t *testing.T) {
			srv := &parley.Server{Protocol: p, Pull: true}
			l := newMemory()
			serve(t, srv, l)
			ours, theirs := net.Pipe()
			l.conns <- slow{theirs} // so that their messages meet
			a, err := (&parley.Dialer{Protocol: p}).NewConn(t.Context(), slow{ours})
			if err != nil {
				t.Fatal(err)
			}
			b, err := srv.Accept(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			var wg sync.WaitGroup
			for _, c := range []*parley.Conn{a, b} {
				wg.Go(func() {
					go c.Send(t.Context(), parley.Text("x"))
					time.Sleep(time.Millisecond)
					// (Where they take turns one of them is refused.)
					if err := c.Close(); err != nil && label(p) != "tinyproto-never" {
						t.Errorf("Close: %v", err)
					}
				})
			}
			wg.Wait()
			if took := time.Since(start); took > 2500*time.Millisecond {
				t.Errorf("it took %v", took)
			}
			a.CloseNow()
			<-a.Done()
		})
	}
}

// slow is a line on which everything takes 10 ms.
type slow struct{ net.Conn }

func (s slow) Write(p []byte) (int, error) {
	time.Sleep(10 * time.Millisecond)
	return s.Conn.Write(p)
}

// A message that is still to be granted when we close is sent whole, with the
// status bytes that belong before it: those for what crossed it.
//
// Verifies: RUNTIME-33, TINYPROTO-09
func TestCloseBehindAHeldMessage(t *testing.T) {
	c, peer := barePeer(t, &parley.Dialer{Protocol: tinyproto.Protocol{}}, tinyHello)
	large := strings.Repeat("L", 100_000)
	sent, closed := make(chan error, 1), make(chan error, 1)
	go func() { sent <- c.Send(newContext(t), parley.Text(large)) }()
	peer.hear(tinyHello + tinyHead(100_000))
	go func() { closed <- c.Close() }()
	if err := c.Send(newContext(t), parley.Text("x")); err == nil { // it waits until Close has begun
		t.Fatal("a message went by one that is held")
	}
	peer.say(tiny("crossing") + tinyOK)
	peer.hear(tinyOK + large)
	peer.hearEnd()
	peer.Close()
	if err := next(t, sent, "Send did not return"); err != nil {
		t.Error(err)
	}
	if err := next(t, closed, "Close did not return"); err != nil {
		t.Error(err)
	}
}
