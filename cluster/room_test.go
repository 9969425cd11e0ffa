package cluster_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/bus"
	"github.com/parley-net/parley/cluster"
	"github.com/parley-net/parley/parleytest"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
)

// What one says all others hear, in order, on its node and on others, and it not.
//
// Verifies: ROOM-01
func TestRoom(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m := new(bus.Memory)
		a, b := enter(t, start(t, connect(t, m), "a"), "cam1"), enter(t, start(t, connect(t, m), "b"), "cam1")
		speaker, own := receive(t, a, cluster.ReceiveOptions{ID: "7"})
		_, here := receive(t, a, cluster.ReceiveOptions{})
		_, there := receive(t, b, cluster.ReceiveOptions{})
		other := enter(t, start(t, connect(t, m), "c"), "cam2")
		_, elsewhere := receive(t, other, cluster.ReceiveOptions{})
		settle()
		var want []string
		buf := make([]byte, 3)
		for i := range 100 {
			s := fmt.Sprintf("%03d", i)
			copy(buf, s) // the room does not keep it
			if err := speaker.Publish(t.Context(), parley.Bytes(buf)); err != nil {
				t.Fatal(err)
			}
			want = append(want, s)
		}
		for name, h := range map[string]*heard{"the same node": here, "another node": there} {
			if got, missed := h.texts(); !slices.Equal(got, want) || missed != 0 {
				t.Errorf("%s: got %v, %d missed", name, got, missed)
			}
		}
		for name, h := range map[string]*heard{"the speaker": own, "another room": elsewhere} {
			if got, _ := h.texts(); len(got) > 0 {
				t.Errorf("%s: got %v", name, got)
			}
		}
		if err := b.Publish(t.Context(), parley.Text("x")); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		here.mu.Lock()
		d := here.all[0]
		here.mu.Unlock()
		if d.Node != "b" || d.Conn != "" || d.Local || d.At.IsZero() {
			t.Errorf("delivery %+v", d)
		}
	})
}

// Values cross nodes unchanged, with their type and their wire's tag.
//
// Verifies: ROOM-02
func TestValues(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m := new(bus.Memory)
		a, b := enter(t, start(t, connect(t, m), "a"), "r"), enter(t, start(t, connect(t, m), "b"), "r")
		_, there := receive(t, b, cluster.ReceiveOptions{})
		huge, _ := new(big.Int).SetString(strings.Repeat("9", 300), 10)
		values := []parley.Message{
			parley.Text(""), parley.Text("grün"), parley.Bytes([]byte{0, 255, 10}), parley.Int(math.MinInt64), parley.BigInt(huge),
			parley.Float(math.Inf(-1)), parley.Float(0.1), parley.Float(math.Copysign(0, -1)), parley.Object("ein Text"), parley.Object(nil),
			parley.Bytes([]byte("x")).WithTag(5),
		}
		for _, v := range values {
			if err := a.Publish(t.Context(), v); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		there.mu.Lock()
		defer there.mu.Unlock()
		if len(there.all) != len(values) {
			t.Fatalf("%d of %d arrived", len(there.all), len(values))
		}
		for i, v := range values {
			if got := there.all[i].Message; got.String() != v.String() || got.Tag() != v.Tag() || got.Type() != v.Type() {
				t.Errorf("sent %v, got %v", v, got)
			}
		}
	})
}

// Every size arrives equal; the largest and one byte more (row 13 of "To reach").
//
// Verifies: ROOM-03
func TestSizes(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m := new(bus.Memory)
		a, b := enter(t, start(t, connect(t, m), "a"), "r"), enter(t, start(t, connect(t, m), "b"), "r")
		_, there := receive(t, b, cluster.ReceiveOptions{Bytes: 1 << 40})
		settle()
		for _, n := range []int{0, 1, 1<<20 - 1, 1 << 20, 1<<20 + 1, 1<<20 + 64, 8 << 20, 64 << 20} {
			data := bytes.Repeat([]byte{byte(n), byte(n >> 3), 7}, n/3+1)[:n]
			if err := a.Publish(t.Context(), parley.Bytes(data)); err != nil {
				t.Fatal(n, err)
			}
			synctest.Wait()
			there.mu.Lock()
			if len(there.all) != 1 || !bytes.Equal(there.all[0].Message.Bytes(), data) {
				t.Errorf("%d bytes: %d messages", n, len(there.all))
			}
			there.all = nil
			there.mu.Unlock()
		}
		if err := a.Publish(t.Context(), parley.Bytes(make([]byte, 64<<20+1))); !errors.Is(err, cluster.ErrTooLarge) {
			t.Errorf("64 MiB + 1: %v", err)
		}
		ref, size, err := a.Share(t.Context(), bytes.NewReader(make([]byte, 70<<20)))
		if err != nil || size != 70<<20 {
			t.Fatal(size, err)
		}
		r, err := b.Fetch(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if n, err := new(bytes.Buffer).ReadFrom(r); n != 70<<20 || err != nil {
			t.Error(n, err)
		}
	})
}

// Servers of different wires are in one room, and the sender does not hear itself.
//
// Verifies: ROOM-01
func TestServersOfDifferentWires(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m := new(bus.Memory)
		roomA, roomB := enter(t, start(t, connect(t, m), "a"), "r"), enter(t, start(t, connect(t, m), "b"), "r")
		tiny, two := &parley.Server{Protocol: tinyproto.Protocol{}}, &parley.Server{Protocol: serpy2.Protocol{}}
		roomA.Attach(tiny, cluster.Attachment{})
		roomB.Attach(two, cluster.Attachment{Convert: func(m parley.Message, proto string) (parley.Message, error) {
			if proto != "tinyproto" {
				return m, nil
			}
			return parley.Text(m.Text()), nil
		}, Name: func(*parley.Conn) string { return "somebody" }})
		first, _ := parleytest.Pipe(t, tiny, nil)
		second, _ := parleytest.Pipe(t, two, nil)
		settle()
		if err := first.Send(t.Context(), parley.Text("hello")); err != nil {
			t.Fatal(err)
		}
		if got, err := second.Receive(t.Context()); err != nil || got.Type() != parley.TypeText || got.Text() != "hello" {
			t.Fatal(got, err)
		}
		if err := second.Send(t.Context(), parley.Int(5)); err != nil { // tinyproto has no form for it
			t.Fatal(err)
		}
		if err := second.Send(t.Context(), parley.Bytes([]byte("bytes"))); err != nil {
			t.Fatal(err)
		}
		if got, err := first.Receive(t.Context()); err != nil || got.Text() != "bytes" {
			t.Fatal(got, err)
		}
		if st := roomA.Stats(); st.Misfits != 1 {
			t.Errorf("stats %+v", st)
		}
		who, silent := roomA.Node().Who(t.Context(), "r")
		if len(who) != 2 || len(silent) > 0 || who[0].Node != "a" || who[1].Name != "somebody" || who[1].Wire != "serpy2" {
			t.Errorf("there are %+v, silent %v", who, silent)
		}
	})
}

// What the bus loses is told with its count, also the last message before a silence.
//
// Verifies: ROOM-04
func TestMissed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m := new(bus.Memory)
		l := connect(t, m)
		a, b := enter(t, start(t, l, "a"), "r"), enter(t, start(t, connect(t, m), "b"), "r")
		_, here := receive(t, a, cluster.ReceiveOptions{})
		_, there := receive(t, b, cluster.ReceiveOptions{})
		settle()
		say := func(s string) error { return a.Publish(t.Context(), parley.Text(s)) }
		say("1")
		l.set(false, 3)
		for range 3 {
			say("lost")
		}
		say("2")
		if got, missed := there.texts(); !slices.Equal(got, []string{"1", "2"}) || missed != 3 {
			t.Errorf("got %v, %d missed", got, missed)
		}
		l.set(true, 0)
		if err := say("away"); !errors.Is(err, bus.ErrNoBus) {
			t.Errorf("got %v", err)
		}
		if got, _ := here.texts(); len(got) != 6 { // those here hear it all the same
			t.Errorf("here: %v", got)
		}
		l.set(false, 0)
		time.Sleep(11 * time.Second)
		if got, missed := there.texts(); len(got) > 0 || missed != 1 {
			t.Errorf("after a silence: got %v, %d missed", got, missed)
		}
		say("3")
		if got, missed := there.texts(); !slices.Equal(got, []string{"3"}) || missed != 0 {
			t.Errorf("then: got %v, %d missed", got, missed)
		}
		if st := b.Stats(); st.Arrived != 3 || st.Missed != 4 || a.Stats().Unsent != 1 {
			t.Errorf("stats %+v and %+v", st, a.Stats())
		}
	})
}

// A big message that loses a piece, or whose publisher dies, is one missed message.
//
// Verifies: ROOM-04
func TestIncomplete(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m := new(bus.Memory)
		l := connect(t, m)
		a, b := enter(t, start(t, l, "a"), "r"), enter(t, start(t, connect(t, m), "b"), "r")
		_, there := receive(t, b, cluster.ReceiveOptions{})
		settle()
		big := parley.Bytes(make([]byte, 8<<20))
		l.set(false, 1) // its first piece
		if err := a.Publish(t.Context(), big); err != nil {
			t.Fatal(err)
		}
		if err := a.Publish(t.Context(), parley.Text("next")); err != nil {
			t.Fatal(err)
		}
		if got, missed := there.texts(); len(got) != 1 || missed != 1 {
			t.Errorf("got %d messages, %d missed", len(got), missed)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			time.Sleep(time.Millisecond)
			cancel()
		}()
		l.set(false, 0)
		c := start(t, connect(t, m), "c")
		silent, err := c.Room("r", cluster.RoomOptions{})
		if err != nil {
			t.Fatal(err)
		}
		defer silent.Close()
		settle()
		cancel()
		if err := a.Publish(ctx, big); err == nil {
			t.Error("published with a context that had ended")
		}
		time.Sleep(20 * time.Second)
		if got, missed := there.texts(); len(got) > 0 || missed != 1 {
			t.Errorf("got %d messages, %d missed", len(got), missed)
		}
	})
}

// A receiver that is slow misses messages and is told how many; in a Latest room it sees
// the newest.
//
// Verifies: ROOM-05
func TestSlowReceiver(t *testing.T) {
	for _, latest := range []bool{false, true} {
		inBubble(t, func(t *testing.T) {
			m := new(bus.Memory)
			n := start(t, connect(t, m), "a")
			r, err := n.Room("r", cluster.RoomOptions{Latest: latest})
			if err != nil {
				t.Fatal(err)
			}
			h := new(heard)
			rec, err := r.Receive(cluster.ReceiveOptions{Messages: 3}, func(d cluster.Delivery) {
				h.take(d)
				time.Sleep(time.Second)
			})
			if err != nil {
				t.Fatal(err)
			}
			defer rec.Close()
			for i := range 10 {
				if err := r.Publish(t.Context(), parley.Text(fmt.Sprint(i))); err != nil {
					t.Fatal(err)
				}
				synctest.Wait()
			}
			time.Sleep(20 * time.Second)
			want := []string{"0", "1", "2", "3"}
			if latest {
				want = []string{"0", "7", "8", "9"}
			}
			if got, missed := h.texts(); !slices.Equal(got, want) || missed != 6 {
				t.Errorf("latest %v: got %v, %d missed", latest, got, missed)
			}
		})
	}
}

// hasty is a bus on which a room hears something while it is being entered.
type hasty struct{ bus.Bus }

func (h hasty) Subscribe(subject string, o bus.SubscribeOptions, fn func(bus.Message)) (bus.Subscription, error) {
	if bus.Matches("parley.v1.*.room.>", strings.ReplaceAll(subject, "*", "x")) {
		fn(bus.Message{Subject: strings.ReplaceAll(subject, "*", "x"), Data: []byte("of another version")})
	}
	return h.Bus.Subscribe(subject, o, fn)
}

// What comes while a room is being entered finds it ready.
//
// Verifies: ROOM-01
func TestHeardWhileEntering(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		m := new(bus.Memory)
		a := enter(t, start(t, hasty{connect(t, m)}, "a"), "cam1")
		b := enter(t, start(t, connect(t, m), "b"), "cam1")
		_, here := receive(t, a, cluster.ReceiveOptions{})
		settle()
		if err := b.Publish(t.Context(), parley.Text("x")); err != nil {
			t.Fatal(err)
		}
		settle()
		if got, missed := here.texts(); !slices.Equal(got, []string{"x"}) || missed != 0 {
			t.Errorf("got %v, %d missed", got, missed)
		}
	})
}
