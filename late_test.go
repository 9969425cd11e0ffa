package parley_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
	"github.com/parley-net/parley/wire"
)

// strays are what OnMessageError was called with.
type strays struct {
	mu  sync.Mutex
	all []string
	ch  chan error
}

func newStrays() *strays { return &strays{ch: make(chan error, 1000)} }

func (s *strays) note(_ *parley.Conn, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, describeStray(err))
	s.ch <- err
}

func describeStray(err error) string {
	var late *parley.LateAnswerError
	if errors.As(err, &late) {
		return late.Question.Text() + "→" + late.Answer.Text()
	}
	return fmt.Sprint(err)
}

// want checks all that has come, in virtual time.
func (s *strays) want(t *testing.T, want ...string) {
	t.Helper()
	synctest.Wait()
	s.is(t, want...)
}

func (s *strays) is(t *testing.T, want ...string) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := strings.Join(s.all, ", "); got != strings.Join(want, ", ") {
		t.Errorf("OnMessageError has got %q, want %q", got, want)
	}
}

// askers are the forms in which a question leaves at once.
var askers = slices.DeleteFunc(slices.Clone(forms), func(f form) bool { return label(f.protocol) == "tinyproto-never" })

// asked is a connection that has dialled a bare peer, whose input nobody looks at.
func asked(t *testing.T, f form, d *parley.Dialer) (*parley.Conn, *bare) {
	t.Helper()
	d.Protocol = f.protocol
	hello := f.hello
	if hello == "ping\n" {
		hello = "pong\n"
	}
	d.Timeouts.Answer = -1 // what is said here is messages only
	c, peer := barePipe(t, d, hello)
	go io.Copy(io.Discard, peer)
	return c, peer
}

// answer says s when everybody waits.
func answer(peer *bare, s string) {
	synctest.Wait()
	peer.say(s)
}

// callFor calls with a question that must be answered so, or in vain for a second
// if the answer is "".
func callFor(t *testing.T, c *parley.Conn, question, answer string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	m, err := c.Call(ctx, parley.Text(question))
	switch {
	case answer == "" && (!errors.Is(err, context.DeadlineExceeded) || errors.Is(err, parley.ErrOutOfStep)):
		t.Errorf("%s: %v, %v, want a timeout", question, m, err)
	case answer == "" && m.Len() > 0:
		t.Errorf("%s: %v with an error", question, m)
	case answer != "" && (err != nil || m.Text() != answer):
		t.Errorf("%s: %v, %v, want %s", question, m, err, answer)
	}
}

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
