package tinyproto_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/parley-net/parley/tinyproto"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// The OKs to headers read before the grant leave before the payload, even if
// the driver has not asked for them earlier.
//
// Verifies: TINYPROTO-09
func TestAnswersLeaveBeforeLargePayload(t *testing.T) {
	m := opened(t, auto)
	send(t, m, tinyproto.EagerLimit+1)
	expect(t, m, "\x00\x00\x00\x01a", 5, wire.EventMessage)
	expect(t, m, "\xFF", 1, wire.EventGranted)
	expect(t, m, "", 0, wire.EventConfirmed)
	expect(t, m, "\x00\x00\x00\x01b", 5, wire.EventMessage)
	expectOutput(t, m, "\xFF") // the one before the grant
	expectOutput(t, m, "")
	m.BodySent()
	expectOutput(t, m, "\xFF") // the one behind it
}

// Between header and payload of a large message come the answers to what we
// had sent when our OK left, no more.
//
// Verifies: TINYPROTO-09
func TestAnswersComeBeforeLargePayload(t *testing.T) {
	const header = "\x00\x01\x00\x01"
	m := opened(t, auto)
	send(t, m, 1)
	send(t, m, 1)
	expect(t, m, header, 4, wire.EventOffer)
	m.Accept()
	expectOutput(t, m, "\xFF")
	send(t, m, 1) // its answer comes behind the payload, which begins with FF here
	expect(t, m, "\xFF", 1, wire.EventConfirmed)
	expect(t, m, "", 0, wire.EventNone)
	if ev := expect(t, m, "\xFF\xFF\xFF", 1, wire.EventConfirmed); ev.N != 1 {
		t.Errorf("%d confirmed, want 1", ev.N)
	}
	payload := strings.Repeat("\xFF", tinyproto.EagerLimit+1)
	expect(t, m, payload+"\xFF", len(payload), wire.EventData)
	expect(t, m, "\xFF", 0, wire.EventEnd)
	expect(t, m, "\xFF", 1, wire.EventConfirmed)

	for _, tt := range []struct {
		answer  byte
		refused bool
	}{{0x00, true}, {0xFD, true}, {0xFE, true}, {0x55, false}, {0xF0, false}} {
		m := opened(t, auto)
		send(t, m, 1)
		expect(t, m, header, 4, wire.EventOffer)
		m.Accept()
		_, _, err := wiretest.Receive(m, []byte{tt.answer, 0, 0, 0})
		var refused *wire.RefusedError
		var broken *wire.ProtocolError
		if errors.As(err, &refused) != tt.refused || errors.As(err, &broken) == tt.refused {
			t.Errorf("%02X in place of an answer: %v", tt.answer, err)
		}
	}
}

// A large payload that comes without having waited is understood when nothing
// of ours is unanswered.
func TestLargePayloadSentEagerly(t *testing.T) {
	payload := strings.Repeat("\xFF", tinyproto.EagerLimit+1)
	d := wiretest.NewDriver(t, auto, wire.Accepting, wire.Limits{})
	d.Feed([]byte("\xFF\x00\x01\x00\x01" + payload))
	d.FeedBytewise([]byte("\x00\x01\x00\x01" + payload))
	if got := d.Messages(); d.Err != nil || len(got) != 2 || got[0].Text() != payload || got[1].Text() != payload {
		t.Errorf("%d messages, %v", len(got), d.Err)
	}
}

// A small payload that is held leaves when a header of the peer comes in place
// of its OK.
//
// Verifies: TINYPROTO-08, TINYPROTO-10
func TestSmallPayloadLeavesOnCollision(t *testing.T) {
	m := opened(t, never)
	send(t, m, 3)
	p := "\x00\x00\x00\x01a"
	for n := range 4 {
		expect(t, m, p[:n], 0, wire.EventNone)
	}
	expect(t, m, p, 0, wire.EventGranted)
	expect(t, m, p, 5, wire.EventMessage)
	expectOutput(t, m, "")
	m.BodySent()
	expectOutput(t, m, "\xFF")
	if m.Awaiting() != 1 {
		t.Errorf("%d answers awaited, want 1", m.Awaiting())
	}
	expect(t, m, "\xFF", 1, wire.EventConfirmed)

	// A larger one keeps waiting.
	m = opened(t, never)
	send(t, m, tinyproto.EagerLimit+1)
	expect(t, m, p, 5, wire.EventMessage)
	expectOutput(t, m, "\xFF")
	expect(t, m, "\xFF", 1, wire.EventGranted)
}
