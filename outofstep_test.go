package parley_test

// Calls and messages that are no answers to each other, and how a connection gets back
// into step.

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy2"
)

// A command without an answer, then ten questions that have one: at most one
// answer is lost, and none is taken for another.
//
// Verifies: RUNTIME-61, RUNTIME-62
func TestCallOfWhatHasNoAnswer(t *testing.T) {
	for _, f := range askers {
		p := f.protocol
		t.Run(label(p), func(t *testing.T) {
			silent := make(chan struct{}, 1)
			srv := &parley.Server{Protocol: p, Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
				if m.Text() == "*RST" {
					silent <- struct{}{}
					return nil
				}
				return c.Send(ctx, parley.Text("answer to "+m.Text()))
			})}
			ctx, cancel := context.WithCancel(newContext(t))
			s := newStrays()
			c := &parley.Client{Addr: newServer(t, srv), Dialer: parley.Dialer{Protocol: p, Hooks: parley.Hooks{OnMessageError: func(c *parley.Conn, err error) {
				s.note(c, err)
				cancel() // that was the answer to the Call that waits now
			}}}}
			defer c.Close()
			go func() { <-silent; cancel() }()
			if _, err := c.Call(ctx, parley.Text("*RST")); !errors.Is(err, context.Canceled) {
				t.Fatalf("*RST: %v, want context.Canceled", err)
			}
			lost := 0
			for i := range 10 {
				ctx, cancel = context.WithCancel(newContext(t))
				question := fmt.Sprint("question ", i)
				m, err := c.Call(ctx, parley.Text(question))
				switch {
				case errors.Is(err, parley.ErrOutOfStep) && errors.Is(err, context.Canceled):
					lost++
				case err != nil || m.Text() != "answer to "+question:
					t.Errorf("%s: %v, %v", question, m, err)
				}
				cancel()
			}
			s.is(t, "*RST→answer to question 0")
			if lost != 1 {
				t.Errorf("%d answers are lost, want 1", lost)
			}
		})
	}
}

// When a second Call gives up, the conversation is out of step: nobody gets an
// answer that may be another's.
//
// Verifies: RUNTIME-62
func TestOutOfStep(t *testing.T) {
	// open starts a Call that waits for so many seconds.
	open := func(t *testing.T, c *parley.Conn, seconds int) <-chan error {
		ended := make(chan error, 1)
		go func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Duration(seconds)*time.Second)
			defer cancel()
			m, err := c.Call(ctx, parley.Text(fmt.Sprint("question ", seconds)))
			if err == nil {
				err = errors.New("answered " + m.Text())
			}
			ended <- err
		}()
		synctest.Wait()
		return ended
	}
	for _, f := range askers {
		bubble(t, label(f.protocol)+"/in vain", func(t *testing.T) {
			life := newLife()
			hooks := life.hooks()
			hooks.OnMessageError = newStrays().note
			c, _ := asked(t, f, &parley.Dialer{Hooks: hooks})
			one, two, three := open(t, c, 1), open(t, c, 2), open(t, c, 30)
			if err := <-one; !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, parley.ErrOutOfStep) {
				t.Errorf("the first: %v", err)
			}
			if err := <-two; !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, parley.ErrOutOfStep) {
				t.Errorf("the second: %v", err)
			}
			start := time.Now()
			if err := <-three; !errors.Is(err, parley.ErrOutOfStep) || time.Since(start) > 0 {
				t.Errorf("the third, after %v: %v", time.Since(start), err)
			}
			if _, err := c.Call(t.Context(), parley.Text("x")); !errors.Is(err, parley.ErrOutOfStep) {
				t.Errorf("the next: %v", err)
			}
			if err := <-life.ended; !errors.Is(err, parley.ErrOutOfStep) || !strings.Contains(err.Error(), "peer pipe") {
				t.Errorf("OnClose: %v", err)
			}
			if err := c.Err(); !errors.Is(err, parley.ErrOutOfStep) {
				t.Errorf("Err: %v", err)
			}
		})
		bubble(t, label(f.protocol)+"/in doubt", func(t *testing.T) {
			s := newStrays()
			c, peer := asked(t, f, &parley.Dialer{Hooks: parley.Hooks{OnMessageError: s.note}})
			<-open(t, c, 1)
			two := open(t, c, 2)
			peer.say(f.text("whose?"))
			if err := <-two; !errors.Is(err, parley.ErrOutOfStep) {
				t.Errorf("the second: %v", err)
			}
			s.want(t, "question 1→whose?")
		})
		bubble(t, label(f.protocol)+"/answered", func(t *testing.T) {
			s := newStrays()
			c, peer := asked(t, f, &parley.Dialer{Hooks: parley.Hooks{OnMessageError: s.note}})
			<-open(t, c, 1)
			two, three := open(t, c, 2), open(t, c, 3)
			peer.say(f.text("one", "two", "three"))
			for i, ch := range []<-chan error{two, three} {
				if want := []string{"answered two", "answered three"}[i]; fmt.Sprint(<-ch) != want {
					t.Errorf("not %s", want)
				}
			}
			s.want(t, "question 1→one")
			callFor(t, c, "again", "")
		})
		bubble(t, label(f.protocol)+"/first in, first out", func(t *testing.T) {
			s := newStrays()
			c, peer := asked(t, f, &parley.Dialer{Hooks: parley.Hooks{OnMessageError: s.note}})
			five, one, three := open(t, c, 5), open(t, c, 1), open(t, c, 3)
			<-one
			peer.say(f.text("to five"))
			peer.say(f.text("to one"))
			peer.say(f.text("to three"))
			if a, b := fmt.Sprint(<-five), fmt.Sprint(<-three); a != "answered to five" || b != "answered to three" {
				t.Errorf("%s; %s", a, b)
			}
			s.want(t, "question 1→to one")
		})
	}
}

// Resync forgets that a Call has given up.
//
// Verifies: RUNTIME-61
func TestResync(t *testing.T) {
	for _, f := range askers {
		bubble(t, label(f.protocol), func(t *testing.T) {
			s := newStrays()
			c, peer := asked(t, f, &parley.Dialer{Hooks: parley.Hooks{OnMessageError: s.note}})
			c.Resync() // nothing to forget
			for range 5 {
				callFor(t, c, "*RST", "")
				c.Resync()
				go answer(peer, f.text("answer"))
				callFor(t, c, "question", "answer")
			}
			s.want(t)
			if n := c.Stats().Late; n != 0 {
				t.Errorf("%d late answers", n)
			}
		})
	}
}

// A Call that has not sent its question keeps no place.
//
// Verifies: RUNTIME-61
func TestNoPlaceForWhatWasNotSent(t *testing.T) {
	for _, f := range askers {
		bubble(t, label(f.protocol), func(t *testing.T) {
			s := newStrays()
			c, peer := asked(t, f, &parley.Dialer{Hooks: parley.Hooks{OnMessageError: s.note}})
			gone, cancel := context.WithCancel(t.Context())
			cancel()
			for range 3 {
				if _, err := c.Call(gone, parley.Text("too late")); !errors.Is(err, context.Canceled) {
					t.Errorf("Call: %v", err)
				}
				if _, err := c.Call(t.Context(), parley.Object(make(chan int))); !errors.Is(err, parley.ErrNotRepresentable) {
					t.Errorf("Call: %v", err)
				}
			}
			go answer(peer, f.text("answer"))
			callFor(t, c, "question", "answer")
			s.want(t)
		})
	}
	bubble(t, "its turn has not come", func(t *testing.T) {
		s := newStrays()
		c, peer := barePipe(t, &parley.Dialer{Protocol: serpy2.Protocol{}, Limits: parley.Limits{MaxOutput: 1}, Timeouts: parley.Timeouts{Write: -1}, Hooks: parley.Hooks{OnMessageError: s.note}}, "")
		go c.Send(t.Context(), parley.Text("nobody reads this"))
		synctest.Wait()
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			if _, err := c.Call(ctx, parley.Text("nor this")); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Call: %v", err)
			}
			cancel()
		}
		peer.hear(serpy2Text("nobody reads this"))
		go func() {
			peer.hear(serpy2Text("question"))
			peer.say(serpy2Text("answer"))
		}()
		callFor(t, c, "question", "answer")
		s.want(t)
	})
}

// A Call on a connection whose peer has gone is told so, also while received
// messages wait for Receive.
//
// Verifies: RUNTIME-34, RUNTIME-35
func TestCallBehindTheEnd(t *testing.T) {
	for _, before := range []bool{true, false} {
		bubble(t, fmt.Sprint(before), func(t *testing.T) {
			c, peer := asked(t, forms[1], &parley.Dialer{})
			go peer.say(tiny("a push", "another"))
			expect(t, c, "a push")
			leave := func() { synctest.Wait(); peer.Close() }
			if before {
				leave()
			} else {
				go leave()
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if m, err := c.Call(ctx, parley.Text("question")); err == nil || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Call: %v, %v", m, err)
			}
			expect(t, c, "another")
		})
	}
}
