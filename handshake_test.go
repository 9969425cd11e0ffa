package parley_test

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/tinyproto"
)

// Before the wire's greeting nothing else is read or said: a peer that begins
// with something else is refused at its first byte, and gets no broadcast.
//
// Verifies: RUNTIME-08, RUNTIME-29, TINYPROTO-01
func TestNothingBeforeTheGreeting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		life := newLife()
		srv := &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(echo), Hooks: life.hooks()}
		l := newMemory()
		serve(t, srv, l)
		silent, wrong := l.dial(t), l.dial(t)
		silent.hear(tinyHello)
		wrong.hear(tinyHello)
		if n, err := srv.Broadcast(parley.Bytes(make([]byte, 1<<20))); n != 0 || err != nil {
			t.Errorf("a broadcast went to %d connections, %v", n, err)
		}
		go io.WriteString(wrong, strings.Repeat("x", 1<<20))
		wrong.hearEnd()
		if got := srv.Stats().Total.BytesIn; got > 128<<10 { // one read
			t.Errorf("%d bytes were read of a peer that did not greet", got)
		}
		start := time.Now()
		silent.hearEnd()
		if took := time.Since(start); took > 6*time.Second {
			t.Errorf("a silent peer was borne for %v", took)
		}
		if len(life.opened) > 0 {
			t.Error("OnOpen was called")
		}
	})
}

// A oneline client takes no long line for the greeting, and says so also if the
// peer does not take its farewell.
//
// Verifies: RUNTIME-08, ONELINE-17
func TestLongGreeting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		peer := newBare(t, theirs)
		go func() {
			peer.hear("ping\n")
			io.WriteString(theirs, strings.Repeat("p", 1<<20))
		}()
		_, err := (&parley.Dialer{Protocol: oneline.Protocol{}}).NewConn(t.Context(), ours)
		var broken *parley.ProtocolError
		if !errors.As(err, &broken) || broken.Offset != 16<<10 {
			t.Errorf("got %v, want a ProtocolError at byte 16384", err)
		}
		peer.Close()
	})
}

// Limits.MinRate sets how slow a message may be.
//
// Verifies: RUNTIME-10
func TestMinRate(t *testing.T) {
	for _, k := range []struct {
		rate, least int
		sound       bool
	}{{50, 100, false}, {200, 100, true}, {10, -1, true}} {
		synctest.Test(t, func(t *testing.T) {
			life := newLife()
			srv := &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(echo), Hooks: life.hooks(),
				Limits: parley.Limits{MinRate: k.least}, Timeouts: parley.Timeouts{Progress: 10 * time.Second}}
			l := newMemory()
			serve(t, srv, l)
			peer := l.dial(t)
			peer.hear(tinyHello)
			peer.say(tinyHello + tinyHead(10_000))
			go io.Copy(io.Discard, peer)
			failed := false
			for range 10_000 / k.rate {
				time.Sleep(time.Second)
				if _, err := io.WriteString(peer, strings.Repeat("x", k.rate)); err != nil {
					failed = true
					break
				}
			}
			if failed == k.sound {
				t.Errorf("%d bytes a second, MinRate %d: cut %v", k.rate, k.least, failed)
			}
		})
	}
}
