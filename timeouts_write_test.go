package parley_test

// Peers that take nothing, or little at a time: what is written to them is bounded in
// time, and so is Close.

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

// Verifies: RUNTIME-13
func TestWriteTimeout(t *testing.T) {
	for _, limit := range []time.Duration{10 * time.Second, time.Second} {
		var timeouts parley.Timeouts
		if limit != 10*time.Second { // the default
			timeouts.Write = limit
		}
		bubble(t, limit.String(), func(t *testing.T) {
			c, peer := barePipe(t, &parley.Dialer{Protocol: serpy2.Protocol{}, Timeouts: timeouts}, "")
			start := time.Now()
			sent := make(chan error)
			go func() { sent <- c.Send(t.Context(), parley.Bytes(make([]byte, 1<<20))) }()
			for range 10 { // slow, but it moves
				time.Sleep(limit * 9 / 10)
				if _, err := io.ReadFull(peer, make([]byte, 20_000)); err != nil {
					t.Fatal(err)
				}
			}
			stopped := time.Now()
			if err := <-sent; !errors.Is(err, parley.ErrSlowConsumer) || !strings.Contains(err.Error(), "pipe") {
				t.Errorf("got %v, want ErrSlowConsumer with the peer's address", err)
			}
			if took := time.Since(stopped); took < limit*9/10 || took > limit+limit/10 {
				t.Errorf("it took %v since the last byte, the limit is %v; %v in all", took, limit, time.Since(start))
			}
			if err := c.Err(); !errors.Is(err, parley.ErrSlowConsumer) {
				t.Errorf("Err: %v, want ErrSlowConsumer", err)
			}
		})
	}
	bubble(t, "none", func(t *testing.T) {
		c, _ := barePipe(t, &parley.Dialer{Protocol: serpy2.Protocol{}, Timeouts: parley.Timeouts{Write: -1}}, "")
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := c.Send(ctx, parley.Bytes(make([]byte, 1<<20))); errors.Is(err, parley.ErrSlowConsumer) || err == nil {
			t.Errorf("got %v, want the context's end", err)
		}
	})
}

// What moves, however slowly, goes on; what stands still, in or out, ends.
//
// Verifies: RUNTIME-88
func TestStallTimeout(t *testing.T) {
	const limit = 30 * time.Second
	timeouts := parley.Timeouts{Stall: limit, Progress: -1, Write: -1}
	bubble(t, "a message that has begun", func(t *testing.T) {
		c, peer := barePipe(t, &parley.Dialer{Protocol: serpy2.Protocol{}, Timeouts: timeouts}, "")
		for _, b := range []byte(serpy2Text(strings.Repeat("x", 100))[:100]) { // a byte every 20 s
			peer.say(string([]byte{b}))
			time.Sleep(20 * time.Second)
		}
		if err := c.Err(); err != nil {
			t.Fatalf("cut while it moved: %v", err)
		}
		start := time.Now().Add(-20 * time.Second)
		<-c.Done()
		wantTimeout(t, c.Err(), "Timeouts.Stall", time.Since(start), limit)
	})
	bubble(t, "output", func(t *testing.T) {
		c, peer := barePipe(t, &parley.Dialer{Protocol: serpy2.Protocol{}, Timeouts: timeouts}, "")
		go c.Send(t.Context(), parley.Bytes(make([]byte, 1000)))
		for range 50 {
			time.Sleep(20 * time.Second)
			if _, err := io.ReadFull(peer, make([]byte, 10)); err != nil {
				t.Fatal(err)
			}
		}
		start := time.Now()
		<-c.Done()
		wantTimeout(t, c.Err(), "Timeouts.Stall", time.Since(start), limit)
	})
	bubble(t, "nothing under way", func(t *testing.T) {
		c, peer := barePipe(t, &parley.Dialer{Protocol: serpy2.Protocol{}, Timeouts: timeouts}, "")
		time.Sleep(100 * time.Hour)
		go io.Copy(io.Discard, peer)
		if err := c.Send(t.Context(), parley.Text("x")); err != nil {
			t.Error(err)
		}
	})
}

// The kernel takes much at once and then nothing: what counts is the last byte
// it took.
//
// Verifies: RUNTIME-13
func TestWriteTimeoutOverASocket(t *testing.T) {
	const limit = time.Second
	c, peer := barePeer(t, &parley.Dialer{Protocol: serpy2.Protocol{}, Timeouts: parley.Timeouts{Write: limit}}, "")
	sent := make(chan error, 1)
	go func() { sent <- c.Send(newContext(t), parley.Bytes(make([]byte, 64<<20))) }()
	if _, err := io.ReadFull(peer, make([]byte, 1<<20)); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := next(t, sent, "Send did not return"); !errors.Is(err, parley.ErrSlowConsumer) {
		t.Errorf("got %v, want ErrSlowConsumer", err)
	}
	if took := time.Since(start); took < limit*9/10 || took > limit+25*time.Second { // the upper bound allows for a busy machine
		t.Errorf("it took %v, the limit is %v", took, limit)
	}
}

// A peer of TLS that takes less than a write at a time, but takes it, is slow
// and no more.
//
// Verifies: RUNTIME-13, RUNTIME-04
func TestSlowTLSPeer(t *testing.T) {
	cert, _ := certificate(t)
	synctest.Test(t, func(t *testing.T) {
		srv := &parley.Server{Protocol: serpy2.Protocol{}, TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}},
			Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
				return c.Send(ctx, parley.Bytes(make([]byte, 1<<20)))
			})}
		l := newMemory()
		serve(t, srv, l)
		client := tls.Client(l.dial(t), &tls.Config{InsecureSkipVerify: true})
		if _, err := io.WriteString(client, serpy2Text("go")); err != nil {
			t.Fatal(err)
		}
		p := make([]byte, 16<<10)
		for got := 0; got < 1<<20; {
			time.Sleep(5 * time.Second)
			n, err := io.ReadFull(client, p)
			if err != nil {
				t.Fatalf("cut after %d bytes: %v", got, err)
			}
			got += n
		}
	})
}

// Close waits for a peer that takes nothing, confirms nothing or does not
// close, but not for ever.
//
// Verifies: RUNTIME-33
func TestCloseIsBounded(t *testing.T) {
	bubble(t, "takes nothing", func(t *testing.T) {
		c, _ := barePipe(t, &parley.Dialer{Protocol: serpy2.Protocol{}}, "")
		go c.Send(t.Context(), parley.Text("x"))
		synctest.Wait()
		start := time.Now()
		err := c.Close()
		wantTimeout(t, err, "the peer took or confirmed", time.Since(start), 5*time.Second)
		if err := c.Close(); err != nil {
			t.Errorf("the second Close: %v", err)
		}
	})
	bubble(t, "confirms nothing", func(t *testing.T) {
		c, peer := barePipe(t, &parley.Dialer{Protocol: tinyproto.Protocol{}, Timeouts: parley.Timeouts{Close: time.Second}}, tinyHello)
		go io.Copy(io.Discard, peer)
		if err := c.Send(t.Context(), parley.Text("x")); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		err := c.Close()
		wantTimeout(t, err, "the peer took or confirmed", time.Since(start), time.Second)
	})
	t.Run("does not close", func(t *testing.T) {
		c, peer := barePeer(t, &parley.Dialer{Protocol: tinyproto.Protocol{}, Timeouts: parley.Timeouts{Linger: 10 * time.Millisecond}}, tinyHello)
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		peer.hear(tinyHello)
		peer.hearEnd()
	})
}

// A slow reader's bytes leave as they come: the peer does not take us for
// stalled.
//
// Verifies: RUNTIME-10, RUNTIME-22
func TestSlowSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &parley.Server{Protocol: tinyproto.Protocol{}, Pull: true}
		c := connect(t, true, srv, &parley.Dialer{})
		r, w := io.Pipe()
		go func() {
			for range 100 {
				time.Sleep(time.Second)
				w.Write(make([]byte, 2000))
			}
		}()
		sent := make(chan error, 1)
		go func() { sent <- c.SendStream(t.Context(), 200_000, r) }()
		s, err := srv.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if m, err := s.Receive(t.Context()); err != nil || m.Len() != 200_000 {
			t.Errorf("got %v, %v", m, err)
		}
		if err := <-sent; err != nil {
			t.Error(err)
		}
	})
}
