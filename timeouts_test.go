package parley_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

// Verifies: RUNTIME-08, RUNTIME-36, RUNTIME-41, ONELINE-17, TINYPROTO-03
func TestHandshakeTimeout(t *testing.T) {
	dialling := []struct {
		protocol parley.Protocol
		limit    time.Duration
		timeouts parley.Timeouts
	}{
		{oneline.Protocol{}, 3 * time.Second, parley.Timeouts{Handshake: 3 * time.Second, Close: time.Nanosecond}},
		{tinyproto.Protocol{}, 5 * time.Second, parley.Timeouts{}},
		{tinyproto.Protocol{}, time.Minute, parley.Timeouts{Handshake: time.Minute}},
	}
	for _, d := range dialling {
		bubble(t, "dialling/"+d.protocol.Name()+"/"+d.limit.String(), func(t *testing.T) {
			ours, theirs := net.Pipe()
			start := time.Now()
			go io.Copy(io.Discard, theirs)
			_, err := (&parley.Dialer{Protocol: d.protocol, Timeouts: d.timeouts}).NewConn(t.Context(), ours)
			wantTimeout(t, err, "the handshake of "+d.protocol.Name(), time.Since(start), d.limit)
			time.Sleep(time.Millisecond) // where there is a farewell, it is said first
			if _, err := theirs.Write([]byte("late")); err == nil {
				t.Error("the connection was left open")
			}
		})
	}
	bubble(t, "dialling/context", func(t *testing.T) {
		ours, theirs := net.Pipe()
		go io.Copy(io.Discard, theirs)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := (&parley.Dialer{Protocol: tinyproto.Protocol{}}).NewConn(ctx, ours)
		wantTimeout(t, err, "deadline", time.Since(start), time.Second)
	})
	bubble(t, "accepting", func(t *testing.T) {
		life := newLife()
		l := newMemory()
		serve(t, &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(echo), Hooks: life.hooks()}, l)
		peer := l.dial(t)
		start := time.Now()
		peer.hear(tinyHello)
		peer.hearEnd()
		if took := time.Since(start); took < 5*time.Second || took > 5500*time.Millisecond {
			t.Errorf("it took %v, the limit is 5s", took)
		}
		if len(life.opened)+len(life.ended) > 0 {
			t.Error("a connection without a handshake reached the hooks")
		}
	})
	cert, roots := certificate(t)
	accepting := func(t *testing.T) *bare {
		l := newMemory()
		serve(t, &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(echo),
			TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}}, l)
		return l.dial(t)
	}
	bubble(t, "accepting/TLS", func(t *testing.T) {
		peer := accepting(t)
		start := time.Now()
		peer.hearEnd()
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("it took %v, the limit is 5s", took)
		}
	})
	bubble(t, "accepting/TLS and wire together", func(t *testing.T) {
		peer := accepting(t)
		start := time.Now()
		time.Sleep(3 * time.Second)
		client := tls.Client(peer, &tls.Config{RootCAs: roots, ServerName: "localhost", Time: func() time.Time { return start }, InsecureSkipVerify: true})
		if err := client.Handshake(); err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, client)
		if took := time.Since(start); took < 5*time.Second || took > 5500*time.Millisecond {
			t.Errorf("it took %v, the limit is 5s", took)
		}
	})
}

// Over a socket, where TLS is the dialler's business.
//
// Verifies: RUNTIME-36, RUNTIME-41
func TestDialTimesOut(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // it accepts, by way of its queue, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dialers := map[string]*parley.Dialer{
		"TLS":       {Protocol: serpy2.Protocol{}, TLSConfig: &tls.Config{}, Timeouts: parley.Timeouts{Handshake: 20 * time.Millisecond}},
		"handshake": {Protocol: tinyproto.Protocol{}, Timeouts: parley.Timeouts{Handshake: 20 * time.Millisecond}},
	}
	for name, d := range dialers {
		t.Run(name, func(t *testing.T) {
			_, err := d.Dial(newContext(t), l.Addr().String())
			if !errors.Is(err, os.ErrDeadlineExceeded) || !strings.Contains(err.Error(), l.Addr().String()) {
				t.Errorf("got %v, want a timeout that names the address", err)
			}
		})
		t.Run(name+"/context", func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
			defer cancel()
			if _, err := d.Dial(ctx, l.Addr().String()); !errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("got %v, want a timeout", err)
			}
		})
	}
}

// Verifies: RUNTIME-14
func TestIdleTimeout(t *testing.T) {
	for _, p := range all {
		bubble(t, label(p), func(t *testing.T) {
			life := newLife()
			srv := &parley.Server{Protocol: p, Handler: parley.HandlerFunc(echo), Hooks: life.hooks(), Timeouts: parley.Timeouts{Idle: time.Minute}}
			c := connect(t, true, srv, &parley.Dialer{})
			for range 5 { // traffic keeps it alive
				time.Sleep(50 * time.Second)
				if _, err := c.Call(t.Context(), parley.Text("x")); err != nil {
					t.Fatal(err)
				}
			}
			start := time.Now()
			if _, err := c.Receive(t.Context()); !errors.Is(err, parley.ErrPeerClosed) {
				t.Error(err)
			}
			wantTimeout(t, <-life.ended, "no traffic for 1m0s", time.Since(start), time.Minute)
		})
		bubble(t, label(p)+"/none", func(t *testing.T) {
			c := connect(t, true, &parley.Server{Protocol: p, Handler: parley.HandlerFunc(echo)}, &parley.Dialer{})
			time.Sleep(1000 * time.Hour)
			if _, err := c.Call(t.Context(), parley.Text("x")); err != nil {
				t.Errorf("after a silence: %v", err)
			}
		})
	}
}

// A peer that never answers is bounded, whatever we do meanwhile.
//
// Verifies: RUNTIME-43, RUNTIME-41, TINYPROTO-20, SERPY-23
func TestAnswerTimeout(t *testing.T) {
	deaf := func(t *testing.T, d *parley.Dialer, hello string) *parley.Conn { // a peer that reads and never answers
		c, peer := barePipe(t, d, hello)
		go io.Copy(io.Discard, peer)
		return c
	}
	for _, limit := range []time.Duration{30 * time.Second, time.Second} {
		var timeouts parley.Timeouts
		if limit != 30*time.Second { // the default
			timeouts.Answer = limit
		}
		tiny := &parley.Dialer{Protocol: tinyproto.Protocol{}, Timeouts: timeouts}
		bubble(t, "Send/"+limit.String(), func(t *testing.T) {
			c := deaf(t, tiny, tinyHello)
			start := time.Now()
			err := c.Send(t.Context(), parley.Bytes(make([]byte, 100_000)))
			wantTimeout(t, err, "answers the peer owes", time.Since(start), limit)
		})
		bubble(t, "Confirm/"+limit.String(), func(t *testing.T) {
			c := deaf(t, tiny, tinyHello)
			start := time.Now()
			err := c.Confirm(t.Context(), parley.Text("x"))
			wantTimeout(t, err, "answers the peer owes", time.Since(start), limit)
		})
		bubble(t, "nobody waits/"+limit.String(), func(t *testing.T) {
			c := deaf(t, tiny, tinyHello)
			if err := c.Send(t.Context(), parley.Text("x")); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			<-c.Done()
			wantTimeout(t, c.Err(), "answers the peer owes", time.Since(start), limit)
		})
		bubble(t, "more and more/"+limit.String(), func(t *testing.T) {
			c := deaf(t, tiny, tinyHello)
			start := time.Now()
			var err error
			for err == nil && time.Since(start) < 10*limit {
				err = c.Send(t.Context(), parley.Text("x"))
				time.Sleep(limit / 20)
			}
			wantTimeout(t, c.Err(), "answers the peer owes", time.Since(start), limit)
		})
		bubble(t, "serpy mode/"+limit.String(), func(t *testing.T) {
			c := deaf(t, &parley.Dialer{Protocol: serpy.Protocol{}, Timeouts: timeouts}, "")
			if err := c.Send(t.Context(), serpy.WithMode(parley.Text("x"), 2)); err != nil {
				t.Fatal(err)
			}
			start := time.Now()
			<-c.Done()
			wantTimeout(t, c.Err(), "answers the peer owes", time.Since(start), limit)
		})
	}
}

// A peer that answers is not cut, however many answers it owes at any time.
//
// Verifies: RUNTIME-43
func TestAnswersInTime(t *testing.T) {
	bubble(t, "serpy modes", func(t *testing.T) {
		// The modes alternate, so that at any time one answer is owed.
		c, peer := barePipe(t, &parley.Dialer{Protocol: serpy.Protocol{}}, "")
		go func() {
			p := make([]byte, 1000)
			for {
				if _, err := peer.Read(p); err != nil {
					return
				}
				time.Sleep(time.Second)
				io.WriteString(peer, "\x01ACKMODCG\x1fanswer\x1f")
			}
		}()
		for i := range 100 {
			if _, err := c.Call(t.Context(), serpy.WithMode(parley.Text("x"), 2*((i+1)%2))); err != nil {
				t.Fatalf("call %d: %v", i, err)
			}
		}
	})
	bubble(t, "a slow program", func(t *testing.T) {
		// Our inbox is full: the peer's OK has come, and nobody reads it.
		c, peer := barePipe(t, &parley.Dialer{Protocol: tinyproto.Protocol{}, Limits: parley.Limits{MaxQueue: 2}}, tinyHello)
		go io.Copy(io.Discard, peer)
		peer.say(tiny("1", "2"))
		synctest.Wait()
		if err := c.Send(t.Context(), parley.Text("x")); err != nil {
			t.Fatal(err)
		}
		go io.WriteString(peer, tiny("3")+tinyOK+tiny("4"))
		time.Sleep(time.Hour)
		for _, want := range []string{"1", "2", "3", "4"} {
			if m, err := c.Receive(t.Context()); err != nil || m.Text() != want {
				t.Fatalf("got %v, %v, want %s", m, err, want)
			}
		}
	})
}

// An answer can't come in the middle of the peer's own large message: while
// that makes progress, no answer is late.
//
// Verifies: RUNTIME-43
func TestAnswerBehindALargeMessage(t *testing.T) {
	for _, limit := range []int64{64 << 20, 1000} { // in memory, as a stream
		bubble(t, fmt.Sprint(limit), func(t *testing.T) {
			c, peer := barePipe(t, &parley.Dialer{Protocol: tinyproto.Protocol{}, Limits: parley.Limits{MaxMessage: limit}}, tinyHello)
			go io.Copy(io.Discard, peer)
			read := make(chan error, 1)
			go func() {
				s, err := c.ReceiveStream(t.Context())
				if err == nil {
					_, err = io.Copy(io.Discard, s)
				}
				read <- err
			}()
			peer.say(tinyHead(10_000_000))
			go func() {
				for range 100 {
					time.Sleep(time.Second)
					peer.say(strings.Repeat("x", 100_000))
				}
				peer.say(tinyOK)
			}()
			time.Sleep(500 * time.Millisecond)
			if err := c.Confirm(t.Context(), parley.Text("x")); err != nil {
				t.Error(err)
			}
			if err := <-read; err != nil {
				t.Error(err)
			}
		})
	}
}

// The same where a message has no size: serpy's blocks. The answer used to be
// late when a block of the peer took longer than Timeouts.Answer.
//
// Verifies: RUNTIME-43, SERPY-23
func TestAnswerBehindALargeBlock(t *testing.T) {
	bubble(t, "serpy", func(t *testing.T) {
		c, peer := barePipe(t, &parley.Dialer{Protocol: serpy.Protocol{Mode: 1}}, "")
		go io.Copy(io.Discard, peer)
		go func() {
			for range 100 {
				peer.say(strings.Repeat("x", 100_000))
				time.Sleep(time.Second)
			}
			peer.say("\x1f\x01ACKMODCG\x1f\x01ACKEOT!!\x1f")
		}()
		time.Sleep(500 * time.Millisecond)
		if err := c.Confirm(t.Context(), parley.Text("x")); err != nil {
			t.Error(err)
		}
		if m, err := c.Receive(t.Context()); err != nil || m.Len() != 10_000_000 {
			t.Errorf("received %d bytes, %v", m.Len(), err)
		}
	})
}
