package tinyproto_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/parley-net/parley/tinyproto"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// Verifies: TINYPROTO-19
func TestConfirmations(t *testing.T) {
	m := opened(t, auto)
	for range 5 {
		send(t, m, 1)
	}
	if ev := expect(t, m, "\xFF\xFF\x00", 2, wire.EventConfirmed); ev.N != 2 {
		t.Errorf("%d confirmed, want 2", ev.N)
	}
	expect(t, m, "\x00\x00\x00\x00\xFF", 4, wire.EventMessage) // behind an OK
	if ev := expect(t, m, "\xFF\xFF\xFF\xFF", 3, wire.EventConfirmed); ev.N != 3 {
		t.Errorf("%d confirmed, want 3", ev.N)
	}
	if m.Awaiting() != 0 {
		t.Errorf("%d answers awaited, want none", m.Awaiting())
	}
}

// Verifies: TINYPROTO-18
func TestUnsolicitedOK(t *testing.T) {
	m := opened(t, auto)
	send(t, m, 1)
	expect(t, m, "\xFF\xFF", 1, wire.EventConfirmed)
	_, _, err := wiretest.Receive(m, []byte("\xFF"))
	var broken *wire.ProtocolError
	if !errors.As(err, &broken) || broken.Offset != 2 || !strings.Contains(err.Error(), "an OK (FF) that answers nothing") {
		t.Error(err)
	}
	expectOutput(t, m, "\x00")
}

// Verifies: TINYPROTO-11, TINYPROTO-13
func TestRefusedByPeer(t *testing.T) {
	for _, tt := range []struct {
		stream string
		code   int
		text   string
	}{
		{"\xFE", 0xFE, "connection limit"},
		{"\xFD", 0xFD, "conflict"},
		{"\x00", 0x00, "the peer does not take this message"},
	} {
		for _, p := range []tinyproto.Protocol{auto, never} {
			d := wiretest.NewDriver(t, p, wire.Dialing, wire.Limits{})
			d.Feed([]byte("\xFF"))
			if err := d.Send(wire.Bytes(make([]byte, tinyproto.EagerLimit+1))); err != nil {
				t.Fatal(err)
			}
			d.Feed([]byte(tt.stream))
			d.EOF()
			var refused *wire.RefusedError
			if !errors.As(d.Err, &refused) || refused.Code != tt.code || refused.Offset != 1 || !strings.Contains(d.Err.Error(), tt.text) {
				t.Errorf("% X: %v", tt.stream, d.Err)
			}
			if want := "\xFF\x00\x01\x00\x01"; string(d.Out) != want {
				t.Errorf("% X: we wrote %d bytes, want the hello and the header", tt.stream, len(d.Out))
			}
		}
	}
	// Followed by more, 00 begins a header; with nothing unanswered it always does.
	m := opened(t, auto)
	send(t, m, 1)
	expect(t, m, "\x00", 0, wire.EventNone)
	expect(t, m, "\x00\x00\x00\x01a", 5, wire.EventMessage)
	expect(t, m, "\xFF", 1, wire.EventConfirmed)
	if err := m.ReceiveEOF([]byte{0}, new(wire.Event)); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("00 and the end of the stream, nothing unanswered: %v", err)
	}
}

// Verifies: TINYPROTO-14
func TestRefuse(t *testing.T) {
	reason := errors.New("no room")
	m := opened(t, auto)
	expect(t, m, "\x00\x00\x00\x00", 4, wire.EventMessage)
	expect(t, m, "\x00\x00\x00\x09", 4, wire.EventOffer)
	err := m.Refuse(reason)
	if e := new(*wire.ProtocolError); !errors.As(err, e) || (*e).Offset != 5 || !errors.Is(err, reason) || !strings.Contains(err.Error(), "9 bytes is refused") {
		t.Errorf("Refuse returned %v", err)
	}
	expectOutput(t, m, "\xFF\x00")
	if _, _, again := wiretest.Receive(m, []byte("123456789")); again != err {
		t.Errorf("Receive goes on after Refuse: %v", again)
	}

	// A refusal never lands inside our own payload.
	m = opened(t, auto)
	if _, _, err := m.SendHead(nil, 10); err != nil {
		t.Fatal(err)
	}
	expect(t, m, "\x00\x00\x00\x00", 4, wire.EventMessage)
	expect(t, m, "\x00\x00\x00\x09", 4, wire.EventOffer)
	m.Refuse(reason)
	expectOutput(t, m, "")
	m.BodySent()
	expectOutput(t, m, "\xFF\x00")
}

// Verifies: TINYPROTO-07, TINYPROTO-19
func TestGrant(t *testing.T) {
	m := opened(t, auto)
	send(t, m, 1)
	send(t, m, 1)
	send(t, m, tinyproto.EagerLimit+1)
	if ev := expect(t, m, "\xFF\xFF\xFF", 2, wire.EventConfirmed); ev.N != 2 {
		t.Errorf("%d confirmed, want 2", ev.N)
	}
	expect(t, m, "\xFF", 1, wire.EventGranted)
	if ev := expect(t, m, "", 0, wire.EventConfirmed); ev.N != 1 {
		t.Errorf("%d confirmed, want 1", ev.N)
	}
	expect(t, m, "", 0, wire.EventNone)

	// While the payload leaves, nothing else does.
	expect(t, m, "\x00\x00\x00\x01a", 5, wire.EventMessage)
	expectOutput(t, m, "")
	m.BodySent()
	expectOutput(t, m, "\xFF")
}
