package parley_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/tinyproto"
	"github.com/parley-net/parley/wire"
)

// A late answer is told, counted, and no other question's.
//
// Verifies: RUNTIME-61
func TestLateAnswer(t *testing.T) {
	for _, f := range askers {
		bubble(t, label(f.protocol), func(t *testing.T) {
			s := newStrays()
			c, peer := asked(t, f, &parley.Dialer{Hooks: parley.Hooks{OnMessageError: s.note}})
			for i := range 3 {
				question := []byte(fmt.Sprint("slow", i))
				ctx, cancel := context.WithTimeout(t.Context(), time.Second)
				if _, err := c.Call(ctx, wire.TextBytes(question)); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("%s: %v", question, err)
				}
				cancel()
				clear(question) // it is ours again
				go answer(peer, f.text(fmt.Sprint("late", i))+f.text("quick"))
				callFor(t, c, "question", "quick")
				time.Sleep(time.Minute)
				go answer(peer, f.text("quick"))
				callFor(t, c, "question", "quick")
			}
			s.want(t, "slow0→late0", "slow1→late1", "slow2→late2")
			if n := c.Stats(); n.Late != 3 || n.Lost != 0 || n.MessagesIn != 9 {
				t.Errorf("Stats: %+v", n)
			}
		})
	}
}

// What the peer says unasked while a place is kept is found in OnMessageError.
//
// Verifies: RUNTIME-61
func TestPushDuringKeptPlace(t *testing.T) {
	for _, f := range askers {
		if f.protocol.Traits().Lockstep {
			continue
		}
		bubble(t, label(f.protocol), func(t *testing.T) {
			s := newStrays()
			c, peer := asked(t, f, &parley.Dialer{Hooks: parley.Hooks{OnMessageError: s.note}})
			callFor(t, c, "*RST", "")
			peer.say(f.text("a push"))
			synctest.Wait()
			s.want(t, "*RST→a push")
			go peer.say(f.text("another push", "a third"))
			expect(t, c, "another push") // to whoever receives, as ever
			expect(t, c, "a third")
			go answer(peer, f.text("answer"))
			callFor(t, c, "question", "answer")
			callFor(t, c, "*CLS", "") // not the second in doubt
			s.want(t, "*RST→a push")
		})
	}
}

// Who has a Handler goes on answering, but the message in a kept place is not for
// it.
//
// Verifies: RUNTIME-61
func TestLateAnswerBesideHandler(t *testing.T) {
	bubble(t, "handler", func(t *testing.T) {
		s := newStrays()
		served := make(chan string, 10)
		c, peer := asked(t, forms[1], &parley.Dialer{
			Hooks: parley.Hooks{OnMessageError: s.note},
			Handler: parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
				served <- m.Text()
				if m.Text() == "ask" {
					callFor(t, c, "slow", "")
					callFor(t, c, "question", "answer")
				}
				return nil
			}),
		})
		peer.say(tiny("ask"))
		time.Sleep(1500 * time.Millisecond)
		peer.say(tiny("late", "answer", "for you"))
		if a, b := <-served, <-served; a != "ask" || b != "for you" {
			t.Errorf("the handler got %s and %s", a, b)
		}
		s.want(t, "slow→late")
		callFor(t, c, "slow", "")
		peer.say(tiny("late", "for you, too"))
		if m := <-served; m != "for you, too" {
			t.Errorf("the handler got %s", m)
		}
	})
	bubble(t, "a hook that calls", func(t *testing.T) {
		told := make(chan error, 10)
		c, peer := asked(t, forms[1], &parley.Dialer{Hooks: parley.Hooks{OnMessageError: func(c *parley.Conn, err error) {
			callFor(t, c, "in the hook", "answer")
			told <- err
		}}})
		callFor(t, c, "slow", "")
		peer.say(tiny("late"))
		synctest.Wait()
		go answer(peer, tiny("answer"))
		if err := <-told; describeStray(err) != "slow→late" {
			t.Error(err)
		}
	})
	bubble(t, "a hook that panics", func(t *testing.T) {
		c, peer := asked(t, forms[1], &parley.Dialer{Hooks: parley.Hooks{OnMessageError: func(c *parley.Conn, err error) { panic("no") }}})
		callFor(t, c, "slow", "")
		peer.say(tiny("late"))
		<-c.Done()
		if err := c.Err(); !strings.Contains(fmt.Sprint(err), "panic") {
			t.Error(err)
		}
	})
}

// Without a hook and a handler the late answer is for Receive, in its place; a
// program that only calls does not collect them without end.
//
// Verifies: RUNTIME-61
func TestLateAnswerForReceive(t *testing.T) {
	bubble(t, "Receive", func(t *testing.T) {
		c, peer := asked(t, forms[0], &parley.Dialer{})
		callFor(t, c, "slow", "")
		go func() {
			time.Sleep(time.Second)
			peer.say("late\nother\n")
		}()
		var late *parley.LateAnswerError
		if m, err := c.Receive(t.Context()); !errors.As(err, &late) || late.Answer.Text() != "late" || m.Len() > 0 {
			t.Errorf("%v, %v", m, err)
		}
		expect(t, c, "other")
		callFor(t, c, "slow", "")
		peer.say("late\nother\n")
		var got []string
		for m, err := range c.Messages(t.Context()) {
			got = append(got, fmt.Sprintf("%s %v", m.Text(), err != nil))
			if len(got) == 2 {
				break
			}
		}
		if strings.Join(got, ",") != " true,other false" {
			t.Errorf("Messages: %q", got)
		}
	})
	bubble(t, "a Receive behind a Call", func(t *testing.T) {
		c, peer := asked(t, forms[1], &parley.Dialer{})
		callFor(t, c, "slow", "")
		answered := make(chan string, 1)
		go func() {
			m, err := c.Call(t.Context(), parley.Text("question"))
			answered <- fmt.Sprint(m.Text(), err)
		}()
		synctest.Wait()
		received := make(chan error, 1)
		go func() {
			_, err := c.Receive(t.Context())
			received <- err
		}()
		synctest.Wait()
		peer.say(tiny("late", "answer"))
		if a, err := <-answered, <-received; a != "answer<nil>" || describeStray(err) != "slow→late" {
			t.Errorf("Call: %s, Receive: %v", a, err)
		}
	})
	bubble(t, "only Calls", func(t *testing.T) {
		c, peer := asked(t, forms[1], &parley.Dialer{Limits: parley.Limits{MaxQueue: 8}})
		for range 20 {
			callFor(t, c, "slow", "")
			peer.say(tiny("late"))
			go answer(peer, tiny("answer"))
			callFor(t, c, "question", "answer")
		}
		if s := c.Stats(); s.Late != 20 || s.Waiting != 4 {
			t.Errorf("%d late, %d wait", s.Late, s.Waiting)
		}
		peer.Close() // which is noticed all the same
		<-c.Context().Done()
		for range 4 {
			if _, err := c.Receive(t.Context()); describeStray(err) != "slow→late" {
				t.Error(err)
			}
		}
		if _, err := c.Receive(t.Context()); err == nil || err != c.Err() {
			t.Errorf("%v, want why it has ended", err)
		}
	})
}

// A late answer that is damaged, or too large for memory, has its place too.
//
// Verifies: RUNTIME-61
func TestLostLateAnswer(t *testing.T) {
	bubble(t, "damaged", func(t *testing.T) {
		s := newStrays()
		c, peer := asked(t, forms[4], &parley.Dialer{Hooks: parley.Hooks{OnMessageError: s.note}})
		callFor(t, c, "slow", "")
		go answer(peer, strings.Replace(serpy2Text("damaged"), "dam", "dAm", 1)+serpy2Text("answer"))
		callFor(t, c, "question", "answer")
		if err := <-s.ch; !errors.As(err, new(*parley.MessageError)) {
			t.Error(err)
		}
		if n := c.Stats(); n.Lost != 1 || n.Late != 1 {
			t.Errorf("Stats: %+v", n)
		}
	})
	bubble(t, "too large", func(t *testing.T) {
		s := newStrays()
		c, peer := asked(t, forms[1], &parley.Dialer{Hooks: parley.Hooks{OnMessageError: s.note}, Limits: parley.Limits{MaxMessage: 100}})
		callFor(t, c, "slow", "")
		go peer.say(tiny(strings.Repeat("x", 101)))
		<-c.Context().Done() // tinyproto refuses in no other way
		if err := c.Err(); !errors.Is(err, parley.ErrTooLarge) || !strings.Contains(err.Error(), "in the place of an answer") {
			t.Error(err)
		}
	})
}

// A server's connection that keeps a place answers, drains and ends like others.
//
// Verifies: RUNTIME-61, RUNTIME-32, RUNTIME-45
func TestKeptPlaceOfServer(t *testing.T) {
	serve := func(t *testing.T, s *strays) (*parley.Server, *parley.Conn, *bare) {
		life := newLife()
		hooks := life.hooks()
		hooks.OnMessageError = s.note
		srv := &parley.Server{Protocol: tinyproto.Protocol{}, Handler: parley.HandlerFunc(echo), Hooks: hooks}
		peer := bareDial(t, newServer(t, srv))
		peer.say(tinyHello)
		peer.hear(tinyHello)
		c := life.conn(t)
		ctx, cancel := context.WithCancel(newContext(t))
		go func() {
			peer.hear(tiny("slow"))
			cancel()
		}()
		if _, err := c.Call(ctx, parley.Text("slow")); !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		return srv, c, peer
	}
	t.Run("late", func(t *testing.T) {
		s := newStrays()
		_, c, peer := serve(t, s)
		peer.say(tinyOK + tiny("late"))
		if err := next(t, s.ch, "no late answer"); describeStray(err) != "slow→late" {
			t.Error(err)
		}
		peer.hear(tinyOK)
		peer.say(tiny("request"))
		peer.hear(tinyOK + tiny("request"))
		if n := c.Stats(); n.Late != 1 {
			t.Errorf("Stats: %+v", n)
		}
	})
	t.Run("end of stream", func(t *testing.T) {
		_, c, peer := serve(t, newStrays())
		peer.say(tinyOK)
		peer.closeWrite()
		peer.hearEnd()
		<-c.Done()
		if err := c.Err(); err != parley.ErrPeerClosed {
			t.Error(err)
		}
	})
	t.Run("shutdown", func(t *testing.T) {
		srv, _, peer := serve(t, newStrays())
		peer.say(tinyOK)
		go func() {
			peer.hearEnd()
			peer.Close()
		}()
		if err := srv.Shutdown(newContext(t)); err != nil {
			t.Error(err)
		}
	})
}
