package bridge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy/pickle"
	"github.com/parley-net/parley/wire"
)

// A serpy message is acknowledged when its receiver has confirmed it, not when
// the bridge has it, even if the receiver speaks meanwhile, and in both
// directions at once.
func TestAcknowledgementsWait(t *testing.T) {
	const busy = 3 * time.Second
	slow := func(ctx context.Context, c *parley.Conn, m parley.Message) error {
		if m.Text() != "hello" && m.Text() != "tick" {
			<-time.After(busy)
		}
		if isAcknowledged(m) { // this peer is as strict as the bridge
			return c.Send(ctx, parley.Object(taken{}))
		}
		return nil
	}
	strict, strict1 := deferAck(ser), deferAck(ser1)
	for name, to := range map[string]parley.Protocol{"serpy": strict, "tinyproto, held": tiny} {
		bubble(t, name, func(t *testing.T) {
			s := bridged(t, ser1, to, slow, func(s *setup) { s.Target.Protocol = plainSerpy(to) })
			c := s.client()
			send(t, c, parley.Text("hello"))
			// The target speaks all the time: that must not take the
			// acknowledgement along.
			defer chatter(t, s.targetConn())()
			start := time.Now()
			m := parley.Bytes(bytes.Repeat([]byte("m"), 100_000)) // above what tinyproto sends eagerly
			if to == parley.Protocol(tiny) {
				send(t, c, serpy.WithMode(parley.Text("keeps the target busy, so that it does not read on"), 0))
			}
			if err := c.Confirm(t.Context(), m); err != nil {
				t.Error(err)
			}
			if took := time.Since(start); took != busy {
				t.Errorf("confirmed after %v, want %v", took, busy)
			}
		})
	}
	bubble(t, "down", func(t *testing.T) {
		s := bridged(t, ser, strict1, silent, func(s *setup) { s.Target.Protocol = ser1 })
		c, err := s.dial(&parley.Dialer{Protocol: strict, Handler: parley.HandlerFunc(slow)})
		if err != nil {
			t.Fatal(err)
		}
		defer chatter(t, c)()
		<-time.After(time.Second)
		start := time.Now()
		if err := s.targetConn().Confirm(t.Context(), parley.Text("x")); err != nil || time.Since(start) != busy {
			t.Errorf("confirmed after %v, %v; want %v", time.Since(start), err, busy)
		}
	})
	bubble(t, "both at once", func(t *testing.T) {
		peer := func(c *parley.Conn) { // one that goes on reading while it is busy
			for {
				m, err := c.Receive(context.Background())
				if err != nil {
					return
				}
				slow(context.Background(), c, m)
			}
		}
		s := bridged(t, ser1, strict1, nil, func(s *setup) {
			s.Target.Protocol = ser1
			s.target.Handler, s.target.Pull = nil, true
			s.target.Hooks.OnOpen = func(_ context.Context, c *parley.Conn) error { go peer(c); return nil }
		})
		c, err := s.dial(&parley.Dialer{Protocol: strict1})
		if err != nil {
			t.Fatal(err)
		}
		go peer(c)
		confirmed := make(chan error, 2)
		start := time.Now()
		for _, c := range []*parley.Conn{c, s.targetConn()} {
			go func() {
				for i := range 5 {
					if err := c.Confirm(context.Background(), parley.Text(fmt.Sprint(i))); err != nil {
						confirmed <- err
						return
					}
				}
				confirmed <- nil
			}()
		}
		if err := errors.Join(<-confirmed, <-confirmed); err != nil || time.Since(start) != 5*busy {
			t.Errorf("%v after %v, want %v", err, time.Since(start), 5*busy)
		}
	})
}

// chatter lets c speak all the time, until the function that it returns is
// called.
func chatter(t *testing.T, c *parley.Conn) func() {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			c.Send(ctx, parley.Text("tick"))
			select {
			case <-time.After(100 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	}()
	return func() { cancel(); <-ended }
}

func plainSerpy(p parley.Protocol) parley.Protocol {
	if p, ok := p.(deferred); ok {
		return p.Protocol
	}
	return p
}

// Where the other wire has no confirmations, a message is confirmed when it is
// on its way; where it can't be carried, never.
func TestAcknowledgementsElsewhere(t *testing.T) {
	for _, to := range wires {
		bubble(t, to.Name(), func(t *testing.T) {
			got := make(chan string, 1)
			s := bridged(t, ser1, to, func(_ context.Context, _ *parley.Conn, m parley.Message) error {
				got <- m.Text()
				return nil
			}, nil)
			c := s.client()
			if err := c.Confirm(t.Context(), parley.Text("a")); err != nil {
				t.Error(err)
			}
			if g := <-got; g != "a" {
				t.Error(g)
			}
			if to == parley.Protocol(ser) {
				return // it carries all
			}
			if err := c.Confirm(t.Context(), parley.Object(&pickle.List{})); err == nil || c.Stats().Confirmed != 1 {
				t.Errorf("%v, %d confirmed: a list can't have been carried", err, c.Stats().Confirmed)
			}
			s.ended("not representable")
		})
	}
}

// A target that dies without confirming leaves the message unconfirmed.
func TestUnconfirmedWhenTheTargetDies(t *testing.T) {
	for _, to := range []parley.Protocol{ser, tiny} {
		bubble(t, to.Name(), func(t *testing.T) {
			s := bridged(t, ser1, to, func(context.Context, *parley.Conn, parley.Message) error {
				<-time.After(time.Second)
				return nil
			}, nil)
			c := s.client()
			send(t, c, serpy.WithMode(parley.Text("first"), 0))
			go func() {
				<-time.After(500 * time.Millisecond)
				s.target.Close()
			}()
			if err := c.Confirm(t.Context(), parley.Bytes(make([]byte, 100_000))); err == nil || c.Stats().Confirmed != 0 {
				t.Errorf("%v, %d confirmed", err, c.Stats().Confirmed)
			}
		})
	}
}

// A target that never confirms is an error after the timeout.
func TestConfirmationTimeout(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		s := bridged(t, ser1, deferAck(ser), silent, func(s *setup) { s.Target.Protocol = ser })
		c := s.client()
		start := time.Now()
		if err := c.Confirm(t.Context(), parley.Text("x")); err == nil {
			t.Error("confirmed")
		}
		if took := time.Since(start); took < s.Timeout || took > s.Timeout+10*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// Between two serpy peers every message keeps its mode, and pickles stay
// closed.
func TestSerpyKeepsModes(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		raw := serpy.Protocol{ForceMode: true, NoPickle: true} // a peer that shows what is on the wire
		s := bridged(t, ser, ser, nil, func(s *setup) {
			s.target.Protocol = raw
			s.target.Handler = parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
				return c.Send(ctx, m)
			})
		})
		c, err := s.dial(&parley.Dialer{})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range []parley.Message{
			parley.Text("mode 0"), serpy.WithMode(parley.Text("mode 1"), 1), serpy.WithMode(parley.Bytes([]byte("\x00\xff")), 2), serpy.WithMode(parley.Bytes(nil), 3),
			serpy.WithMode(parley.Object(&pickle.Tuple{Items: []any{int64(1), nil}}), 4), serpy.WithMode(parley.Object(&pickle.List{Items: []any{"x"}}), 5),
		} {
			back, err := c.Call(t.Context(), m)
			want, _ := serpy.Mode(m)
			got, _ := serpy.Mode(back)
			if err != nil || got != max(want, 0) {
				t.Fatalf("%v came back as %v, %v", m, back, err)
			}
			if m.Type() == parley.TypeObject {
				if back.Type() != parley.TypeObject || pickle.Repr(back.Object()) != pickle.Repr(m.Object()) {
					t.Errorf("%v came back as %v", m, back)
				}
			} else if !bytes.Equal(back.Bytes(), m.Bytes()) {
				t.Errorf("%v came back as %v", m, back)
			}
		}
	})
}

// What plain bytes can't carry on, base85 does.
func TestSerpyFallsBackToBase85(t *testing.T) {
	bubble(t, "", func(t *testing.T) {
		got := make(chan parley.Message, 1)
		s := bridged(t, ser, ser, func(_ context.Context, _ *parley.Conn, m parley.Message) error {
			got <- m.Clone()
			return nil
		}, nil)
		c := s.client()
		p := &pair{b: s.Bridge, client: c}
		// A peer's message in mode 1 may begin with 01; we can't send that so.
		if err := p.pass(parley.Message{}, nil, serpy.WithMode(parley.Bytes([]byte("\x01x")), 1), forced(t, s)); err != nil {
			t.Fatal(err)
		}
		m := <-got
		if mode, _ := serpy.Mode(m); mode != 3 || m.Text() != "\x01x" {
			t.Errorf("%v", m)
		}
	})
}

// forced returns a connection with the target as the bridge has it.
func forced(t *testing.T, s *setup) *parley.Conn {
	c, err := s.dialTarget(&parley.Dialer{Protocol: s.Bridge.target})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The machine: acknowledgements wait for taken, in order, and what is between
// them too.
func TestDeferredAck(t *testing.T) {
	m := deferAck(ser).New(wire.Accepting, wire.Limits{})
	var ev wire.Event
	if _, err := m.Receive(nil, &ev); err != nil || ev.Kind != wire.EventOpen {
		t.Fatal(ev.Kind, err)
	}
	const setMode, ackMode, ack = "\x01SETMODE", "\x01ACKMODCG\x1f", "\x01ACKEOT!!\x1f"
	in := []byte(setMode + "1\x1fa\x04\x1f" + "b\x04\x1f" + setMode + "0\x1f" + "c\x1f" + setMode + "3\x1f" + "VE\x04\x1f")
	for kind := wire.EventMessage; kind != wire.EventNone; kind = ev.Kind {
		n, err := m.Receive(in, &ev)
		if err != nil {
			t.Fatal(err)
		}
		in = in[n:]
	}
	take := func() {
		out, sent, err := m.Send([]byte("x"), parley.Object(taken{}))
		if string(out) != "x" || sent != (wire.Sent{Owes: true}) || err != nil {
			t.Errorf("taken sends %q, %v, %v", out, sent, err)
		}
	}
	for i, want := range []string{ackMode, ack, ack + ackMode + ackMode, ack, ""} {
		if i > 0 {
			take()
		}
		if got := string(m.Output([]byte("-"))); got != "-"+want {
			t.Errorf("after %d: %q, want %q", i, got[1:], want)
		}
		if got := string(m.Output(nil)); got != "" {
			t.Errorf("after %d, again: %q", i, got)
		}
	}
	if deferAck(tiny) != parley.Protocol(tiny) {
		t.Error("tinyproto is changed")
	}
	if (taken{}).String() == "" {
		t.Error("a trace would not say what it is")
	}
}

func TestDeferredAckDoesNotAllocate(t *testing.T) {
	m := deferAck(ser1).New(wire.Accepting, wire.Limits{})
	var ev wire.Event
	m.Receive(nil, &ev)
	m.Receive([]byte("\x01SETMODE1\x1f"), &ev)
	out := make([]byte, 0, 1024)
	in := make([]byte, 0, 16)
	taken := parley.Object(taken{})
	if n := testing.AllocsPerRun(100, func() {
		in = append(in[:0], "a\x04\x1f"...)
		m.Receive(in, &ev)
		m.Output(out)
		m.Send(out, taken)
		if got := m.Output(out); len(got) != len(acknowledgement) && len(got) == 0 {
			t.Fatal("no acknowledgement")
		}
	}); n > 0 {
		t.Errorf("%v allocations for a message", n)
	}
}
