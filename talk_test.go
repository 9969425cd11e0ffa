package parley_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/internal/netsim"
	"github.com/parley-net/parley/tinyproto"
)

// original plays an original tinyproto peer, which sends and receives on one
// thread: when it has announced a message it takes the next byte for the answer.
type original struct {
	*bare
	latency time.Duration // before each thing it does
}

// receive takes a message.
func (o original) receive() (string, error) {
	var head [4]byte
	if _, err := io.ReadFull(o, head[:]); err != nil {
		return "", err
	}
	time.Sleep(o.latency)
	if _, err := o.Write([]byte(tinyOK)); err != nil {
		return "", err
	}
	b := make([]byte, binary.BigEndian.Uint32(head[:]))
	_, err := io.ReadFull(o, b)
	return string(b), err
}

// transmit sends a message. It does not survive a collision.
func (o original) transmit(s string) error {
	time.Sleep(o.latency)
	if _, err := o.Write([]byte(tinyHead(uint32(len(s))))); err != nil {
		return err
	}
	time.Sleep(o.latency)
	var status [1]byte
	if _, err := io.ReadFull(o, status[:]); err != nil {
		return err
	}
	if status[0] != 0xFF {
		return fmt.Errorf("transmission rejected: %02X", status[0])
	}
	_, err := o.Write([]byte(s))
	return err
}

// echo answers every message so many times, until the end.
func (o original) echo(times int) error {
	for {
		s, err := o.receive()
		if err != nil {
			return err
		}
		for range times {
			if err := o.transmit(s); err != nil {
				return err
			}
		}
	}
}

// talkTo runs an original with the socket's buffers between.
func talkTo(t *testing.T, d *parley.Dialer, run func(original) error) *parley.Conn {
	t.Helper()
	d.Protocol = tinyproto.Protocol{Turns: true}
	ours, theirs := netsim.New(1, netsim.Faults{}).Pipe()
	o := original{bare: newBare(t, theirs), latency: 3 * time.Millisecond}
	ended := make(chan error, 1)
	go func() {
		o.Write([]byte(tinyHello))
		if _, err := io.ReadFull(o, make([]byte, 1)); err != nil {
			ended <- err
			return
		}
		ended <- run(o)
	}()
	c, err := d.NewConn(t.Context(), ours)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.CloseNow()
		theirs.Close()
		if err := <-ended; err != nil && strings.Contains(err.Error(), "rejected") {
			t.Errorf("the original: %v", err)
		}
	})
	return c
}

// Fifty messages at once to an original that echoes: none is lost. Nor is one
// where many call at the same time.
//
// Verifies: RUNTIME-63, TINYPROTO-25
func TestTurnsWithAnOriginal(t *testing.T) {
	bubble(t, "in a row", func(t *testing.T) {
		c := talkTo(t, &parley.Dialer{}, func(o original) error { return o.echo(1) })
		go func() {
			for i := range 50 {
				if err := c.Send(t.Context(), parley.Text(fmt.Sprint("line ", i))); err != nil {
					t.Error(err)
				}
			}
		}()
		for i := range 50 {
			expect(t, c, fmt.Sprint("line ", i))
		}
	})
	bubble(t, "calls", func(t *testing.T) {
		c := talkTo(t, &parley.Dialer{}, func(o original) error { return o.echo(1) })
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				question := strings.Repeat(fmt.Sprint(i), 1+i*700) // the largest wait for their OK
				if m, err := c.Call(t.Context(), parley.Text(question)); err != nil || m.Text() != question {
					t.Errorf("call %d: %.20s, %v", i, m.Text(), err)
				}
			})
		}
		wg.Wait()
	})
	bubble(t, "it greets", func(t *testing.T) {
		c := talkTo(t, &parley.Dialer{}, func(o original) error {
			for _, s := range []string{"hello", "again"} {
				if err := o.transmit(s); err != nil {
					return err
				}
			}
			return o.echo(1)
		})
		expect(t, c, "hello")
		expect(t, c, "again")
		if m, err := c.Call(t.Context(), parley.Text("question")); err != nil || m.Text() != "question" {
			t.Errorf("%v, %v", m, err)
		}
	})
	bubble(t, "a handler answers it", func(t *testing.T) {
		answered := make(chan error, 1)
		talkTo(t, &parley.Dialer{Handler: parley.HandlerFunc(echo)}, func(o original) error {
			for i := range 50 {
				want := fmt.Sprint("question ", i)
				if err := o.transmit(want); err != nil {
					answered <- err
					return err
				}
				if got, err := o.receive(); got != want || err != nil {
					answered <- fmt.Errorf("%s: %s, %w", want, got, err)
					return err
				}
			}
			answered <- nil
			return nil
		})
		if err := <-answered; err != nil {
			t.Error(err)
		}
	})
}

// A peer that does not answer is given the time to, from its confirmation on.
//
// Verifies: RUNTIME-63
func TestTurnTime(t *testing.T) {
	for _, limit := range []time.Duration{0, 50 * time.Millisecond, time.Second} {
		bubble(t, limit.String(), func(t *testing.T) {
			arrived := make(chan time.Time, 100)
			c := talkTo(t, &parley.Dialer{Timeouts: parley.Timeouts{Turn: limit}}, func(o original) error {
				for {
					o.latency = 70 * time.Millisecond // it confirms late
					if _, err := o.receive(); err != nil {
						return err
					}
					arrived <- time.Now()
				}
			})
			want := limit
			if want == 0 {
				want = 50 * time.Millisecond
			}
			start := time.Now()
			for i := range 10 {
				if err := c.Send(t.Context(), parley.Text("x")); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(start); took != want+70*time.Millisecond {
					t.Errorf("message %d left after %v", i, took)
				}
				start = time.Now()
			}
			time.Sleep(time.Minute)
			start = time.Now()
			if err := c.Send(t.Context(), parley.Text("x")); err != nil || time.Since(start) != 70*time.Millisecond {
				t.Errorf("after a long silence it left after %v: %v", time.Since(start), err)
			}
		})
	}
	bubble(t, "for ever", func(t *testing.T) {
		answers := make(chan string)
		c := talkTo(t, &parley.Dialer{Timeouts: parley.Timeouts{Turn: -1}}, func(o original) error {
			for {
				if err := o.transmit(<-answers); err != nil {
					return err
				}
				if _, err := o.receive(); err != nil {
					return err
				}
			}
		})
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
			if err := c.Send(ctx, parley.Text("x")); err == nil {
				t.Error("a message has left before the answer")
			}
			cancel()
			answers <- "answer"
			expect(t, c, "answer")
			if err := c.Send(t.Context(), parley.Text("y")); err != nil {
				t.Error(err)
			}
		}
		close(answers)
	})
}

// What is broadcast takes turns too, and a server's pushes.
//
// Verifies: RUNTIME-63, TINYPROTO-25
func TestTurnsOfAServer(t *testing.T) {
	bubble(t, "broadcast", func(t *testing.T) {
		l := newMemory()
		life := newLife()
		srv := &parley.Server{Protocol: tinyproto.Protocol{Turns: true}, Handler: parley.HandlerFunc(discard), Hooks: life.hooks()}
		serve(t, srv, l)
		var wg sync.WaitGroup
		for range 3 {
			o := original{bare: l.dial(t), latency: time.Millisecond}
			wg.Go(func() {
				o.say(tinyHello)
				o.hear(tinyHello)
				for i := range 20 {
					if s, err := o.receive(); s != fmt.Sprint("news ", i) || err != nil {
						t.Errorf("%s, %v", s, err)
						return
					}
					if err := o.transmit("thanks"); err != nil {
						t.Error(err)
						return
					}
				}
			})
			<-life.opened
		}
		for i := range 20 {
			if n, err := srv.Broadcast(parley.Text(fmt.Sprint("news ", i))); n != 3 || err != nil {
				t.Errorf("%d, %v", n, err)
			}
		}
		wg.Wait()
		synctest.Wait()
		if n := srv.Stats().Total.MessagesIn; n != 60 {
			t.Errorf("%d messages", n)
		}
	})
	t.Run("push", func(t *testing.T) { // over a socket, with either driver
		srv := &parley.Server{Protocol: tinyproto.Protocol{Turns: true}, Pull: true}
		o := original{bare: bareDial(t, newServer(t, srv))}
		o.say(tinyHello)
		o.hear(tinyHello)
		c, err := srv.Accept(newContext(t))
		if err != nil {
			t.Fatal(err)
		}
		go o.echo(1)
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				question := fmt.Sprint("question ", i)
				if m, err := c.Call(newContext(t), parley.Text(question)); err != nil || m.Text() != question {
					t.Errorf("call %d: %.20s, %v", i, m.Text(), err)
				}
			})
		}
		wg.Wait()
	})
}

// Two that both take turns and send at once lose nothing, and a program that
// answers one message after the other is not stopped by those that wait for it.
//
// Verifies: RUNTIME-63
func TestTurnsBetweenParleyPeers(t *testing.T) {
	p := tinyproto.Protocol{Turns: true}
	t.Run("both", func(t *testing.T) {
		srv := &parley.Server{Protocol: p, Pull: true}
		c, err := parley.Dial(newContext(t), p, newServer(t, srv))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		s, err := srv.Accept(newContext(t))
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		for _, conn := range []*parley.Conn{c, s} {
			wg.Go(func() {
				for i := range 20 {
					if err := conn.Send(newContext(t), parley.Text(fmt.Sprint(i))); err != nil {
						t.Error(err)
					}
				}
			})
			wg.Go(func() {
				for i := range 20 {
					if m, err := conn.Receive(newContext(t)); err != nil || m.Text() != fmt.Sprint(i) {
						t.Errorf("%v, %v", m, err)
					}
				}
			})
		}
		wg.Wait()
	})
	t.Run("a full queue", func(t *testing.T) {
		srv := &parley.Server{Protocol: p, Pull: true, Limits: parley.Limits{MaxQueue: 2}, Timeouts: parley.Timeouts{Turn: time.Millisecond}}
		c, err := parley.Dial(newContext(t), tinyproto.Protocol{}, newServer(t, srv))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		for i := range 100 {
			if err := c.Send(newContext(t), parley.Text(fmt.Sprint(i))); err != nil {
				t.Fatal(err)
			}
		}
		s, err := srv.Accept(newContext(t))
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			m, err := s.Receive(newContext(t))
			if err == nil {
				err = s.Send(newContext(t), m)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		for i := range 100 {
			expect(t, c, fmt.Sprint(i))
		}
	})
}

// A timeout while the peer owes OKs names the collision.
//
// Verifies: RUNTIME-63, RUNTIME-43
func TestCollisionIsNamed(t *testing.T) {
	for _, turns := range []bool{false, true} {
		bubble(t, fmt.Sprint(turns), func(t *testing.T) {
			d := &parley.Dialer{Protocol: tinyproto.Protocol{Turns: turns}, Timeouts: parley.Timeouts{Answer: 10 * time.Second}}
			c, peer := barePipe(t, d, tinyHello)
			go io.Copy(io.Discard, peer)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			_, err := c.Call(ctx, parley.Text("question"))
			<-c.Context().Done()
			for _, err := range []error{err, c.Err()} {
				if s := fmt.Sprint(err); !strings.Contains(s, "a collision") || !strings.Contains(s, "1 answers") || strings.Contains(s, "?turns=on") == turns {
					t.Error(s)
				}
			}
		})
	}
}
