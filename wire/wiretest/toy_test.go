package wiretest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/parley-net/parley/internal/toy"
	"github.com/parley-net/parley/wire"
)

func toyStreams() []Stream {
	three := bytes.Join([][]byte{toy.Message(3), toy.Message(0), toy.Message(120)}, nil)
	return []Stream{
		{Name: "three", Role: wire.Accepting, Bytes: three, Messages: 3},
		{Name: "confirmed", Role: wire.Dialing, Bytes: append([]byte{toy.OK, toy.OK}, three...), Messages: 3,
			Sends: []wire.Message{wire.Bytes(toy.Bytes(9)), wire.Bytes(nil)}},
		{Name: "long", Role: wire.Accepting, Bytes: bytes.Repeat(toy.Message(99), 30), Messages: 30},
		{Name: "echo", Role: wire.Accepting, Bytes: bytes.Repeat(toy.Message(7), 5), Messages: 5,
			Reply: func(d *Driver, m wire.Message) { d.Send(m) }},
	}
}

func TestDriverAndPair(t *testing.T) {
	pair := NewPair(t, toy.Protocol{}, toy.Protocol{}, wire.Limits{}, 3)
	for _, n := range []int{0, 5, 220, 4, 250, 200, 199} {
		if err := pair.Dialing.Send(wire.Bytes(toy.Bytes(n))); err != nil {
			t.Fatal(err)
		}
	}
	pair.Run()
	var sizes []int
	for _, m := range pair.Accepting.Messages() {
		sizes = append(sizes, m.Len())
	}
	if got := fmt.Sprint(sizes); got != "[0 5 220 4 250 200 199]" {
		t.Errorf("sizes %s", got)
	}
	d := pair.Dialing
	if d.Count(wire.EventConfirmed) != 7 || d.Count(wire.EventGranted) != 3 || d.unconfirmed != 0 {
		t.Errorf("events %v", d.Events)
	}
	if d.EOF() != nil || pair.Accepting.EOF() != nil {
		t.Errorf("errors %v, %v", d.Err, pair.Accepting.Err)
	}
}

func TestToyConforms(t *testing.T) { Conformance(t, toy.Protocol{}, toyStreams(), nil) }

func TestBrokenMachinesAreFoundOut(t *testing.T) {
	for bug, want := range map[string]string{
		"n":          "consumed",
		"loop":       "in a row",
		"early":      "before EventOpen",
		"error":      "neither",
		"scribble":   "did not consume",
		"open twice": "second EventOpen",
		"split":      "not whole",
		"eof":        "neither",
		"eof nil":    "inside a message",
		"inside":     "inside an open body",
		"owes":       "no event said",
	} {
		got := toy.Fails(func(tb testing.TB) {
			for _, s := range toyStreams() {
				CheckInput(tb, toy.Protocol{Bug: bug}, s)
				s.Bytes = s.Bytes[:len(s.Bytes)-1]
				CheckInput(tb, toy.Protocol{Bug: bug}, s)
			}
		})
		if !strings.Contains(got, want) {
			t.Errorf("bug %q: found %q, want %q", bug, got, want)
		}
	}
}

func TestWasteIsFoundOut(t *testing.T) {
	if got := toy.Fails(func(tb testing.TB) { memory(tb, toy.Protocol{Bug: "alloc"}, toyStreams()[0]) }); !strings.Contains(got, "bytes allocated") {
		t.Errorf("memory found %q", got)
	}
	if got := toy.Fails(func(tb testing.TB) {
		SteadyState(tb, toy.Protocol{Bug: "alloc"}, wire.Limits{}, samples(toy.Protocol{}, 16)...)
	}); !strings.Contains(got, "allocations for a message") {
		t.Errorf("SteadyState found %q", got)
	}
}

func TestSendErrorsReachTheCaller(t *testing.T) {
	d := NewDriver(t, toy.Protocol{}, wire.Dialing, wire.Limits{})
	if err := d.Send(wire.Bytes(toy.Bytes(251))); !errors.Is(err, wire.ErrTooLarge) {
		t.Errorf("error %v", err)
	}
	if err := d.SendStream(toy.Bytes(200)); err != nil || len(d.Out) != 1 {
		t.Errorf("error %v, %d bytes out", err, len(d.Out))
	}
	if err := d.Send(wire.Bytes([]byte("later"))); err != nil || len(d.Out) != 1 {
		t.Errorf("error %v, %d bytes out", err, len(d.Out))
	}
	d.Feed([]byte{toy.Grant})
	if want := append(toy.Message(200), "\x05later"...); !bytes.Equal(d.Out, want) {
		t.Errorf("out %q", d.Out)
	}
}

func TestRefusedOfferEndsTheConversation(t *testing.T) {
	d := NewDriver(t, toy.Protocol{}, wire.Accepting, wire.Limits{})
	d.Refuse = func(_ wire.Message, size int64) error {
		if size > 100 {
			return wire.ErrTooLarge
		}
		return nil
	}
	d.Feed(toy.Message(5))
	d.Feed([]byte{101})
	if !errors.Is(d.Err, wire.ErrTooLarge) || len(d.Messages()) != 1 {
		t.Errorf("error %v, events %v", d.Err, d.Events)
	}
}
