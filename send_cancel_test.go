package parley_test

import (
	"context"
	"errors"
	"fmt"
	"io"
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

// A Send that is cancelled before its turn has sent nothing, and the
// connection goes on.
//
// Verifies: RUNTIME-21
func TestSendCancelledBefore(t *testing.T) {
	for _, f := range forms {
		if f.protocol.Traits().Lockstep {
			continue
		}
		bubble(t, label(f.protocol), func(t *testing.T) {
			c, peer := barePipe(t, &parley.Dialer{Protocol: f.protocol, Limits: parley.Limits{MaxOutput: 1}, Timeouts: parley.Timeouts{Write: -1, Answer: -1}}, f.hello)
			sent := make(chan error, 1)
			first := strings.Repeat("1", 50_000)
			go func() { sent <- c.Send(t.Context(), parley.Text(first)) }()
			synctest.Wait() // it blocks, as the peer does not read
			done, cancel := context.WithCancel(t.Context())
			cancel()
			if err := c.Send(done, parley.Text("already cancelled")); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v, want Canceled", err)
			}
			late, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			start := time.Now()
			err := c.Send(late, parley.Text("timed out"))
			wantTimeout(t, err, "deadline", time.Since(start), time.Minute)
			if err := c.Confirm(done, parley.Text("x")); !errors.Is(err, context.Canceled) && err != parley.ErrNoConfirmation {
				t.Errorf("Confirm: %v, want Canceled", err)
			}
			if _, err := c.Call(done, parley.Text("x")); !errors.Is(err, context.Canceled) {
				t.Errorf("Call: %v, want Canceled", err)
			}
			go func() { sent <- c.Send(t.Context(), parley.Text("last")) }()
			if f.protocol.Traits().Confirms && f.protocol.Name() == "tinyproto" {
				go io.WriteString(peer, tinyOK)
				peer.hear(tinyHello)
			}
			peer.hear(f.text(first))
			if err := <-sent; err != nil {
				t.Error(err)
			}
			if label(f.protocol) == "tinyproto-never" {
				peer.hear(tinyHead(4))
				go io.WriteString(peer, tinyOK)
				peer.hear("last")
			} else {
				peer.hear(f.text("last"))
			}
			if err := <-sent; err != nil {
				t.Error(err)
			}
		})
	}
}

// A Send that is cancelled when its bytes have begun to leave ends the
// connection: the peer must not take the next message for the rest of it.
//
// Verifies: RUNTIME-21, RUNTIME-34
func TestSendCancelledInTheMiddle(t *testing.T) {
	kinds := map[string]struct {
		protocol parley.Protocol
		hello    string
		read     int // what the peer reads of it
	}{
		"tinyproto, body":  {tinyproto.Protocol{}, tinyHello, 1000},
		"tinyproto, held":  {tinyproto.Protocol{}, tinyHello, 5},
		"tinyproto, never": {tinyproto.Protocol{Eager: tinyproto.Never}, tinyHello, 5},
		"serpy2":           {serpy2.Protocol{}, "", 1000},
	}
	for name, k := range kinds {
		bubble(t, name, func(t *testing.T) {
			c, peer := barePipe(t, &parley.Dialer{Protocol: k.protocol}, k.hello)
			size := 60_000
			if strings.HasSuffix(name, "held") {
				size = 1 << 20
			}
			ctx, cancel := context.WithCancelCause(t.Context())
			sent := make(chan error, 1)
			go func() { sent <- c.Send(ctx, parley.Bytes(make([]byte, size))) }()
			if _, err := io.ReadFull(peer, make([]byte, k.read)); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			why := errors.New("the user pressed stop")
			cancel(why)
			err := <-sent
			if !errors.Is(err, why) || !strings.Contains(err.Error(), "in the middle") {
				t.Errorf("got %v, want the cause", err)
			}
			<-c.Done()
			if c.Err() != err {
				t.Errorf("Err is %v, Send returned %v", c.Err(), err)
			}
			if err := c.Send(t.Context(), parley.Text("x")); !errors.Is(err, why) {
				t.Errorf("the next Send: %v, want the same reason", err)
			}
			if _, err := c.Receive(t.Context()); !errors.Is(err, why) {
				t.Errorf("the next Receive: %v, want the same reason", err)
			}
			if n, err := io.Copy(io.Discard, peer); n >= int64(size) || err != nil {
				t.Errorf("the peer got all of it: %d bytes, %v", n, err)
			}
		})
	}
}

// Verifies: RUNTIME-17, RUNTIME-18, RUNTIME-20, ONELINE-21
func TestCallCancelled(t *testing.T) {
	bubble(t, "half an answer", func(t *testing.T) {
		c, peer := barePipe(t, &parley.Dialer{Protocol: oneline.Protocol{}}, "pong\n")
		peer.hear("ping\n")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		go func() {
			peer.hear("question\n")
			peer.say("an answer ")
		}()
		start := time.Now()
		_, err := c.Call(ctx, parley.Text("question"))
		wantTimeout(t, err, "deadline", time.Since(start), time.Second)
		go peer.say("in two parts\n")
		var late *parley.LateAnswerError // half a message stays where it is
		if _, err := c.Receive(t.Context()); !errors.As(err, &late) || late.Question.Text() != "question" || late.Answer.Text() != "an answer in two parts" {
			t.Errorf("the late answer came as %v", err)
		}
	})
	bubble(t, "confirm", func(t *testing.T) {
		// A late OK is never credited to a later message.
		c, peer := barePipe(t, &parley.Dialer{Protocol: tinyproto.Protocol{}}, tinyHello)
		go io.Copy(io.Discard, peer)
		for i, late := range []bool{true, true, false} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			start := time.Now()
			go func() {
				if !late {
					peer.say(tinyOK + tinyOK + tinyOK)
				}
			}()
			err := c.Confirm(ctx, parley.Text(fmt.Sprint(i)))
			cancel()
			if late {
				wantTimeout(t, err, "deadline", time.Since(start), time.Second)
			} else if err != nil {
				t.Errorf("the third: %v", err)
			}
		}
	})
	bubble(t, "confirms out of order", func(t *testing.T) {
		c, peer := barePipe(t, &parley.Dialer{Protocol: serpy.Protocol{Mode: 1}}, "")
		go io.Copy(io.Discard, peer)
		confirmed := make(chan string, 10)
		for _, m := range []string{"a", "b", "c"} {
			go func() {
				if err := c.Confirm(t.Context(), parley.Text(m)); err != nil {
					m = err.Error()
				}
				confirmed <- m
			}()
			synctest.Wait()
		}
		for _, want := range []string{"a", "b", "c"} {
			peer.say("\x01ACKEOT!!\x1f")
			if got := <-confirmed; got != want {
				t.Errorf("%s was confirmed, want %s", got, want)
			}
		}
	})
}
