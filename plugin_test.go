package parley_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
	"github.com/parley-net/parley/wire"
)

// tag is a plugin that puts a tag and a number in front of each message, and
// wants to see the same of its peer: the numbers make order matter.
type tag struct{ name string }

func (p tag) Name() string { return p.name }

func (p tag) New(wire.Role, int64) wire.Transform { return &tagged{tag: p.name} }

type tagged struct {
	tag     string
	out, in byte
}

func (t *tagged) Send(dst, p []byte) ([]byte, error) {
	if bytes.Equal(p, []byte("unwilling")) {
		return dst, errors.New("this one I don't take")
	}
	t.out++
	return append(append(append(dst, t.tag...), t.out), p...), nil
}

func (t *tagged) Receive(dst, p []byte) ([]byte, error) {
	t.in++
	rest, ok := bytes.CutPrefix(p, append([]byte(t.tag), t.in))
	if !ok {
		return dst, fmt.Errorf("message %d is not tagged %s", t.in, t.tag)
	}
	return append(dst, rest...), nil
}

var stacked = []parley.Plugin{tag{"first"}, tag{"second"}}

// Two plugins work together in both directions, also when many send at once.
//
// Verifies: PLUGIN-01, PLUGIN-07
func TestPlugins(t *testing.T) {
	opaque := slices.DeleteFunc(slices.Clone(symmetric), func(p parley.Protocol) bool { return !p.Traits().Opaque })
	each(t, opaque, func(t *testing.T, p parley.Protocol, pipe bool) {
		srv := &parley.Server{Protocol: p, Plugins: stacked, Handler: parley.HandlerFunc(echo)}
		c := connect(t, pipe, srv, &parley.Dialer{Plugins: stacked})
		var wg sync.WaitGroup
		for g := range 5 {
			wg.Go(func() {
				for i := range 20 {
					want := fmt.Sprint(g, " ", i, strings.Repeat("x", []int{0, 10, 20_000, 70_000}[i%4]))
					if err := c.Send(newContext(t), parley.Text(want)); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		last := make(map[string]int)
		for range 100 {
			m, err := c.Receive(newContext(t))
			if err != nil {
				t.Fatal(err)
			}
			var g string
			var i int
			fmt.Sscanf(strings.TrimRight(m.Text(), "x"), "%s %d", &g, &i)
			if last[g] != i || m.Type() != parley.TypeBytes {
				t.Fatalf("sender %s: got message %d as %v, want %d", g, i, m.Type(), last[g])
			}
			last[g]++
		}
		wg.Wait()
	})
	t.Run("on the wire", func(t *testing.T) {
		c, peer := barePeer(t, &parley.Dialer{Protocol: tinyproto.Protocol{}, Plugins: stacked}, tinyHello)
		if err := c.Send(newContext(t), parley.Text("hello")); err != nil {
			t.Fatal(err)
		}
		peer.hear(tinyHello + tiny("second\x01first\x01hello"))
		peer.say(tiny("second\x01first\x01world"))
		expect(t, c, "world")
	})
	t.Run("Broadcast", func(t *testing.T) {
		bubble(t, "", func(t *testing.T) {
			srv := &parley.Server{Protocol: tinyproto.Protocol{Eager: tinyproto.Never}, Plugins: stacked, Handler: parley.HandlerFunc(discard)}
			c := connect(t, true, srv, &parley.Dialer{Plugins: stacked})
			synctest.Wait()
			var wg sync.WaitGroup
			wg.Go(func() {
				for i := range 100 {
					if err := srv.Conns()[0].Send(t.Context(), parley.Text(fmt.Sprint("send ", i))); err != nil {
						t.Error(err)
					}
				}
			})
			wg.Go(func() {
				for i := range 100 {
					if n, err := srv.Broadcast(parley.Text(fmt.Sprint("broadcast ", i))); n != 1 || err != nil {
						t.Error(n, err)
					}
				}
			})
			count := map[string]int{}
			for range 200 {
				m, err := c.Receive(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				kind, i, _ := strings.Cut(m.Text(), " ")
				if i != fmt.Sprint(count[kind]) {
					t.Fatalf("got %s, want %d", m.Text(), count[kind])
				}
				count[kind]++
			}
			wg.Wait()
		})
	})
}

// A message that a plugin can't undo is lost; the connection lives.
//
// Verifies: PLUGIN-02, RUNTIME-41, RUNTIME-42
func TestPluginFails(t *testing.T) {
	for _, handler := range []bool{false, true} {
		t.Run(fmt.Sprintf("handler=%v", handler), func(t *testing.T) {
			got := make(chan string, 10)
			lost := make(chan error, 10)
			d := &parley.Dialer{Protocol: tinyproto.Protocol{}, Plugins: stacked}
			if handler {
				d.Handler = parley.HandlerFunc(func(_ context.Context, _ *parley.Conn, m parley.Message) error {
					got <- m.Text()
					return nil
				})
				d.Hooks.OnMessageError = func(_ *parley.Conn, err error) { lost <- err }
			}
			c, peer := barePeer(t, d, tinyHello)
			peer.say(tiny("second\x01first\x01good", "bad", "second\x03first\x02good again"))
			if !handler {
				go func() {
					for m, err := range c.Messages(newContext(t)) {
						if err != nil {
							lost <- err
						} else {
							got <- m.Text()
						}
					}
				}()
			}
			if m := next(t, got, "nothing came"); m != "good" {
				t.Errorf("got %q", m)
			}
			err := next(t, lost, "no error came")
			e := new(*parley.MessageError)
			if !errors.As(err, e) || (*e).Offset != 1+4+17 || (*e).Peer != c.RemoteAddr().String() || (*e).Protocol != "tinyproto" {
				t.Errorf("got %v, want a MessageError at byte 22 with the peer's address", err)
			}
			if !strings.Contains(err.Error(), "plugin second: message 2 is not tagged second") {
				t.Errorf("%v does not name the plugin", err)
			}
			if m := next(t, got, "nothing came behind it"); m != "good again" {
				t.Errorf("got %q", m)
			}
			if s := c.Stats(); s.Lost != 1 {
				t.Errorf("Stats: %+v", s)
			}
		})
	}
	t.Run("sending", func(t *testing.T) {
		c, peer := barePeer(t, &parley.Dialer{Protocol: tinyproto.Protocol{}, Plugins: stacked[:1]}, tinyHello)
		err := c.Send(newContext(t), parley.Text("unwilling"))
		if err == nil || !strings.Contains(err.Error(), "plugin first: this one I don't take") {
			t.Errorf("got %v", err)
		}
		if err := c.Send(newContext(t), parley.Float(1)); !errors.Is(err, parley.ErrNotRepresentable) {
			t.Errorf("a float: %v, want ErrNotRepresentable", err)
		}
		if err := c.Send(newContext(t), parley.Text("x")); err != nil {
			t.Error(err)
		}
		peer.hear(tinyHello + tiny("first\x01x"))
	})
	t.Run("too large", func(t *testing.T) { // plugins need the whole message
		c, peer := barePeer(t, &parley.Dialer{Protocol: tinyproto.Protocol{}, Plugins: stacked, Limits: parley.Limits{MaxMessage: 1000}}, tinyHello)
		peer.say(tinyHead(1001))
		_, err := c.ReceiveStream(newContext(t))
		if !errors.Is(err, parley.ErrTooLarge) || !strings.Contains(err.Error(), "plugins") {
			t.Errorf("got %v, want ErrTooLarge", err)
		}
		peer.hear(tinyHello + "\x00")
		peer.hearEnd()
	})
}

// Verifies: PLUGIN-03
func TestNoPlugins(t *testing.T) {
	for _, p := range []parley.Protocol{oneline.Protocol{}, serpy2.Protocol{}, serpy.Protocol{ForceMode: true}} {
		if p.Traits().Opaque {
			continue // any bytes travel unchanged
		}
		srv := &parley.Server{Protocol: p, Handler: parley.HandlerFunc(echo), Plugins: stacked}
		if err := srv.ListenAndServe("127.0.0.1:0"); err != parley.ErrNoPlugins {
			t.Errorf("%s: the server: %v, want ErrNoPlugins", label(p), err)
		}
		d := &parley.Dialer{Protocol: p, Plugins: stacked}
		l := newMemory()
		defer l.Close()
		if _, err := d.Dial(newContext(t), "127.0.0.1:1"); err != parley.ErrNoPlugins {
			t.Errorf("%s: Dial: %v, want ErrNoPlugins", label(p), err)
		}
		c := &parley.Client{Dialer: parley.Dialer{Protocol: p, Plugins: stacked}, Addr: "127.0.0.1:1", MaxAttempts: 1}
		if err := c.Send(newContext(t), parley.Text("x")); !errors.Is(err, parley.ErrNoPlugins) {
			t.Errorf("%s: the client: %v, want ErrNoPlugins", label(p), err)
		}
		c.Close()
	}
	if (oneline.Protocol{}).Traits().Opaque || !(tinyproto.Protocol{}).Traits().Opaque {
		t.Error("the wires have changed")
	}
}
