package parley_test

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/tinyproto"
)

const (
	serpyMode1 = "\x01SETMODE1\x1f"
	serpyModed = "\x01ACKMODCG\x1f"
	serpyAck   = "\x01ACKEOT!!\x1f"
)

// What serpy owes is said, and what it is owed is noted, although nobody
// receives and messages wait unread.
//
// Verifies: SERPY-24, SERPY-09
func TestSerpyAnswersWhileNobodyReceives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := barePipe(t, &parley.Dialer{Protocol: serpy.Protocol{}}, "")
		peer.say(serpyMode1)
		peer.hear(serpyModed)
		for _, text := range []string{"one", "two", "three"} {
			peer.say(text + "\x04\x1f")
			peer.hear(serpyAck)
		}
		confirmed := make(chan error, 1)
		go func() { confirmed <- c.Confirm(t.Context(), serpy.WithMode(parley.Text("ours"), 1)) }()
		peer.hear(serpyMode1 + "ours\x04\x1f")
		peer.say(serpyModed + serpyAck)
		if err := <-confirmed; err != nil {
			t.Errorf("Confirm: %v", err)
		}
		for _, want := range []string{"one", "two", "three"} {
			if m, err := c.Receive(t.Context()); err != nil || m.Text() != want {
				t.Errorf("got %v, %v, want %s", m, err, want)
			}
		}
	})
}

// A confirmation that is too late belongs to the message that was given up.
//
// Verifies: SERPY-19, SERPY-20
func TestLateAcknowledgement(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, peer := barePipe(t, &parley.Dialer{Protocol: serpy.Protocol{Mode: 1}}, "")
		confirm := func(text string, patience time.Duration) <-chan error {
			ended := make(chan error, 1)
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				ended <- c.Confirm(ctx, parley.Text(text))
			}()
			return ended
		}
		first := confirm("one", time.Second)
		peer.hear(serpyMode1 + "one\x04\x1f")
		peer.say(serpyModed)
		if err := <-first; !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("Confirm without an acknowledgement: %v", err)
		}
		second := confirm("two", 20*time.Second)
		peer.hear("two\x04\x1f")
		peer.say(serpyAck) // for the first
		synctest.Wait()
		select {
		case err := <-second:
			t.Fatalf("the late acknowledgement was credited to the second message: %v", err)
		default:
		}
		peer.say(serpyAck)
		if err := <-second; err != nil {
			t.Errorf("Confirm: %v", err)
		}
	})
}

// An end instead of the confirmation fails every message that waits for one.
//
// Verifies: SERPY-21, TINYPROTO-20
func TestEndInsteadOfConfirmation(t *testing.T) {
	for _, w := range []struct {
		name, hello, first, second string
		protocol                   parley.Protocol
	}{
		{"serpy", "", serpyMode1 + "one\x04\x1f", "two\x04\x1f", serpy.Protocol{Mode: 1}},
		{"tinyproto", tinyHello, tinyHello + tiny("one"), tiny("two"), tinyproto.Protocol{}},
	} {
		bubble(t, w.name, func(t *testing.T) {
			c, peer := barePipe(t, &parley.Dialer{Protocol: w.protocol}, w.hello)
			ended := make(chan error, 2)
			go func() { ended <- c.Confirm(t.Context(), parley.Text("one")) }()
			peer.hear(w.first)
			go func() { ended <- c.Confirm(t.Context(), parley.Text("two")) }()
			peer.hear(w.second)
			peer.Close()
			for range 2 {
				if err := <-ended; err == nil {
					t.Error("a message that was never confirmed counts as confirmed")
				}
			}
			if err := c.Confirm(t.Context(), parley.Text("three")); err == nil {
				t.Error("Confirm on a dead connection succeeded")
			}
		})
	}
}

// One silent client does not keep the others out for ever, when a limit is set.
//
// Verifies: ONELINE-29, ONELINE-10
func TestIdleClientMakesRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		life := newLife()
		l := newMemory()
		serve(t, &parley.Server{Protocol: oneline.Protocol{}, Handler: parley.HandlerFunc(echo), Hooks: life.hooks(),
			Timeouts: parley.Timeouts{Idle: time.Minute}}, l)
		first := l.dial(t)
		first.say("ping\n")
		first.hear("pong\n")
		start := time.Now()
		served := make(chan time.Duration)
		go func() {
			second := l.dial(t) // waits until it is accepted
			second.say("ping\n")
			second.hear("pong\n")
			served <- time.Since(start)
			io.Copy(io.Discard, second)
		}()
		first.hearEnd()
		if took := <-served; took < time.Minute || took > 2*time.Minute {
			t.Errorf("the next client was served after %v, the limit is a minute", took)
		}
		if err := life.reason(t); !errors.Is(err, os.ErrDeadlineExceeded) || !strings.Contains(err.Error(), "no traffic for 1m0s") {
			t.Errorf("the first client's end: %v", err)
		}
	})
}
