package wire_test

import (
	"bytes"
	"testing"

	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// A machine that embeds Simple holds the contract.
//
// Verifies: WIRE-07
func TestSimple(t *testing.T) {
	wiretest.Conformance(t, Zero{}, []wiretest.Stream{
		{Name: "three", Role: wire.Accepting, Bytes: []byte("one\x00\x00three\x00"), Messages: 3},
		{Name: "answered", Role: wire.Dialing, Bytes: []byte("one\x00two\x00"), Messages: 2, Sends: []wire.Message{wire.Text("x")},
			Reply: func(d *wiretest.Driver, m wire.Message) { d.Send(m) }},
		{Name: "too long", Role: wire.Accepting, Limits: wire.Limits{MaxMessage: 3}, Bytes: []byte("one\x00four\x00"), Messages: 1},
		{Name: "long", Role: wire.Accepting, Bytes: append(bytes.Repeat([]byte("x"), 100_000), 0), Messages: 1},
	}, nil)
}

// The losing of a message is an event.
//
// Verifies: WIRE-07
func TestSimpleLose(t *testing.T) {
	s := wire.Simple{Protocol: "zero"}
	s.Took(5)
	var ev wire.Event
	s.Begin(&ev)
	s.Lose(&ev, "bad", bytes.ErrTooLarge)
	if want := "parley: zero message lost, at byte 5: bad: bytes.Buffer: too large"; ev.Kind != wire.EventLost || ev.Err.Error() != want {
		t.Errorf("%v: %v", ev.Kind, ev.Err)
	}
}
