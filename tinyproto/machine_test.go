package tinyproto_test

import (
	"bytes"
	"errors"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/parley-net/parley/tinyproto"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

const (
	copyLimit  = 16 << 10
	maxMessage = 0xF0FFFFFF
)

var (
	auto  = tinyproto.Protocol{}
	never = tinyproto.Protocol{Eager: tinyproto.Never}
	roles = []wire.Role{wire.Dialing, wire.Accepting}
)

// opened returns a machine that has said and heard hello.
func opened(tb testing.TB, p tinyproto.Protocol) wire.Machine {
	tb.Helper()
	m := p.New(wire.Accepting, wire.Limits{})
	m.Output(nil)
	expect(tb, m, "\xFF", 1, wire.EventOpen)
	return m
}

// expect calls Receive once and returns the event, which must be of kind.
func expect(tb testing.TB, m wire.Machine, p string, n int, kind wire.EventKind) wire.Event {
	tb.Helper()
	got, ev, err := wiretest.Receive(m, []byte(p))
	if err != nil || got != n || ev.Kind != kind {
		tb.Fatalf("Receive(%q) = %d, %v, %v; want %d, %v", p, got, ev.Kind, err, n, kind)
	}
	return ev
}

func send(tb testing.TB, m wire.Machine, size int) []byte {
	tb.Helper()
	out, _, err := m.Send(nil, wire.Bytes(make([]byte, size)))
	if err != nil {
		tb.Fatal(err)
	}
	return out
}

func expectOutput(tb testing.TB, m wire.Machine, want string) {
	tb.Helper()
	if got := m.Output([]byte("x")); string(got) != "x"+want {
		tb.Fatalf("Output appended % X, want % X", got[1:], want)
	}
}

// Verifies: TINYPROTO-01
func TestHelloIsOwedAtOnce(t *testing.T) {
	for _, role := range roles {
		m := auto.New(role, wire.Limits{})
		if m.Awaiting() != 1 {
			t.Errorf("%v: %d answers awaited before the hello, want 1", role, m.Awaiting())
		}
		expectOutput(t, m, "\xFF")
		expectOutput(t, m, "")
		if out := send(t, m, 1); string(out) != "\x00\x00\x00\x01\x00" {
			t.Errorf("%v: % X behind the hello", role, out)
		}
		expect(t, m, "", 0, wire.EventNone)
		expect(t, m, "\xFF\xFF", 1, wire.EventOpen)
		if m.Awaiting() != 1 {
			t.Errorf("%v: %d answers awaited behind the hello, want 1", role, m.Awaiting())
		}
		expect(t, m, "\xFF", 1, wire.EventConfirmed)
	}
}

// Verifies: TINYPROTO-02
func TestHelloRefused(t *testing.T) {
	for _, tt := range []struct {
		stream string
		code   int
		text   string
	}{
		{"\xFE", 0xFE, "connection limit of the peer reached; try again later (code FE)"},
		{"\xFD", 0xFD, "conflict"},
		{strings.Repeat("\x00", 254), 0, "2.0.1 does at its connection limit; try again later (code 00)"},
		{"GET / HTTP/1.1\r\n", 'G', `begins with 47 ('G'), which looks like a text protocol; a plain device that ends its lines speaks line:// (code 47)`},
		{"\x16\x03\x01", 0x16, "looks like TLS"},
		{"\x01SETMODE0\x1f", 1, "begins with 01 instead of FF"},
		{"\xDE\xCA\xFE\xCA\xFE", 0xDE, "begins with DE instead of FF"},
	} {
		for _, role := range roles {
			d := wiretest.NewDriver(t, auto, role, wire.Limits{})
			d.Feed([]byte(tt.stream))
			var refused *wire.RefusedError
			if !errors.As(d.Err, &refused) || refused.Code != tt.code || refused.Offset != 0 || !strings.Contains(refused.Error(), tt.text) {
				t.Errorf("%v, %q: %v, want code %02X and %q", role, tt.stream, d.Err, tt.code, tt.text)
			}
			if string(d.Out) != "\xFF" {
				t.Errorf("%v, %q: we wrote % X, want the hello alone", role, tt.stream, d.Out)
			}
		}
	}
}

func TestTraits(t *testing.T) {
	want := wire.Traits{Confirms: true, Sized: true, SendsStreams: true, Opaque: true,
		Refusal: []byte{0xFE}, Types: wire.Types(wire.TypeBytes), MaxMessage: maxMessage}
	if got := auto.Traits(); !reflect.DeepEqual(got, want) || auto.Name() != "tinyproto" {
		t.Errorf("%s has the traits %+v, want %+v", auto.Name(), got, want)
	}
}

// Verifies: TINYPROTO-04, TINYPROTO-06, TINYPROTO-07, TINYPROTO-08, TINYPROTO-15
func TestSend(t *testing.T) {
	for _, tt := range []struct {
		size            int64
		send, head      wire.Body // with Auto
		neverSend       wire.Body
		header, payload string
	}{
		{0, wire.BodyNone, wire.BodyNone, wire.BodyNone, "\x00\x00\x00\x00", ""},
		{5, wire.BodyNone, wire.BodyFollows, wire.BodyHeld, "\x00\x00\x00\x05", "aaaaa"},
		{copyLimit, wire.BodyNone, wire.BodyFollows, wire.BodyHeld, "\x00\x00\x40\x00", strings.Repeat("a", copyLimit)},
		{copyLimit + 1, wire.BodyFollows, wire.BodyFollows, wire.BodyHeld, "\x00\x00\x40\x01", ""},
		{tinyproto.EagerLimit, wire.BodyFollows, wire.BodyFollows, wire.BodyHeld, "\x00\x01\x00\x00", ""},
		{tinyproto.EagerLimit + 1, wire.BodyHeld, wire.BodyHeld, wire.BodyHeld, "\x00\x01\x00\x01", ""},
	} {
		msg := wire.Bytes(bytes.Repeat([]byte("a"), int(tt.size)))
		for _, c := range []struct {
			name    string
			p       tinyproto.Protocol
			send    func(m wire.Machine) ([]byte, wire.Sent, error)
			body    wire.Body
			payload string
		}{
			{"Auto, Send", auto, func(m wire.Machine) ([]byte, wire.Sent, error) { return m.Send([]byte("x"), msg) }, tt.send, tt.payload},
			{"Auto, SendHead", auto, func(m wire.Machine) ([]byte, wire.Sent, error) { return m.SendHead([]byte("x"), tt.size) }, tt.head, ""},
			{"Never, Send", never, func(m wire.Machine) ([]byte, wire.Sent, error) { return m.Send([]byte("x"), msg) }, tt.neverSend, ""},
			{"Never, SendHead", never, func(m wire.Machine) ([]byte, wire.Sent, error) { return m.SendHead([]byte("x"), tt.size) }, tt.neverSend, ""},
		} {
			m := opened(t, c.p)
			out, sent, err := c.send(m)
			if want := "x" + tt.header + c.payload; err != nil || string(out) != want {
				t.Errorf("%s of %d bytes: %d bytes beginning with % X, error %v; want %d bytes", c.name, tt.size, len(out), out[:min(len(out), 10)], err, len(want))
			}
			if want := (wire.Sent{Body: c.body, Confirm: true}); sent != want {
				t.Errorf("%s of %d bytes: %+v, want %+v", c.name, tt.size, sent, want)
			}
			if m.Awaiting() != 1 {
				t.Errorf("%s of %d bytes: %d answers awaited, want 1", c.name, tt.size, m.Awaiting())
			}
		}
	}
	out, sent, err := opened(t, auto).SendHead(nil, maxMessage)
	if string(out) != "\xF0\xFF\xFF\xFF" || sent.Body != wire.BodyHeld || err != nil {
		t.Errorf("the largest message: % X, %+v, %v", out, sent, err)
	}
}

// Verifies: TINYPROTO-16, TINYPROTO-21
func TestSendFails(t *testing.T) {
	closed := opened(t, auto)
	if out := closed.Close([]byte("x")); string(out) != "x" {
		t.Errorf("Close appended % X: this wire has no farewell", out[1:])
	}
	message := func(msg wire.Message) func(m wire.Machine) ([]byte, wire.Sent, error) {
		return func(m wire.Machine) ([]byte, wire.Sent, error) { return m.Send([]byte("x"), msg) }
	}
	head := func(size int64) func(m wire.Machine) ([]byte, wire.Sent, error) {
		return func(m wire.Machine) ([]byte, wire.Sent, error) { return m.SendHead([]byte("x"), size) }
	}
	for _, tt := range []struct {
		name string
		m    wire.Machine
		send func(m wire.Machine) ([]byte, wire.Sent, error)
		want error
	}{
		{"int", opened(t, auto), message(wire.Int(1)), wire.ErrNotRepresentable},
		{"float", opened(t, auto), message(wire.Float(1)), wire.ErrNotRepresentable},
		{"object", opened(t, never), message(wire.Object(nil)), wire.ErrNotRepresentable},
		{"too large", opened(t, auto), head(maxMessage + 1), wire.ErrTooLarge},
		{"too large for 64 bits of header", opened(t, auto), head(math.MaxInt64), wire.ErrTooLarge},
		{"unknown size", opened(t, auto), head(-1), wire.ErrNotRepresentable},
		{"after Close", closed, head(1), wire.ErrLeft},
		{"after Close, a message", closed, message(wire.Text("a")), wire.ErrLeft},
	} {
		out, sent, err := tt.send(tt.m)
		if !errors.Is(err, tt.want) || string(out) != "x" || sent != (wire.Sent{}) {
			t.Errorf("%s: %q, %+v, %v; want %v and nothing appended", tt.name, out, sent, err, tt.want)
		}
		if tt.m.Awaiting() != 0 {
			t.Errorf("%s: the machine awaits %d answers to what it has not sent", tt.name, tt.m.Awaiting())
		}
	}
	if out, _, err := opened(t, auto).Send(nil, wire.Text("é")); string(out) != "\x00\x00\x00\x02é" || err != nil {
		t.Errorf("text: %q, %v", out, err)
	}
}

// Verifies: TINYPROTO-04, TINYPROTO-05
func TestReceive(t *testing.T) {
	m := opened(t, auto)
	p := "\x00\x00\x00\x00\x00\x00\x00\x03abc\x00\x00\x00\x05hello"
	for _, want := range []string{"", "abc"} {
		ev := expect(t, m, p, 4+len(want), wire.EventMessage)
		if got := ev.Message; got.Type() != wire.TypeBytes || string(got.Bytes()) != want || cap(got.Bytes()) != len(want) {
			t.Errorf("received %v with a capacity of %d, want %q and no more", got, cap(got.Bytes()), want)
		}
		p = p[4+len(want):]
	}
	expectOutput(t, m, "\xFF\xFF")
	// Of the next message the end is missing.
	for n := range 4 {
		expect(t, m, p[:n], 0, wire.EventNone)
	}
	expectOutput(t, m, "")
	if ev := expect(t, m, p[:6], 4, wire.EventOffer); ev.N != 5 {
		t.Errorf("offered are %d bytes, want 5", ev.N)
	}
	expectOutput(t, m, "")
	m.Accept()
	expectOutput(t, m, "\xFF")
	if ev := expect(t, m, p[4:6], 2, wire.EventData); string(ev.Data) != "he" || cap(ev.Data) != 2 {
		t.Errorf("a piece %q with a capacity of %d", ev.Data, cap(ev.Data))
	}
	expect(t, m, "", 0, wire.EventNone)
	if ev := expect(t, m, p[6:]+"\x00", 3, wire.EventData); string(ev.Data) != "llo" || cap(ev.Data) != 3 {
		t.Errorf("a piece %q with a capacity of %d", ev.Data, cap(ev.Data))
	}
	expect(t, m, "\x00", 0, wire.EventEnd)
	expect(t, m, "\x00", 0, wire.EventNone)
	expectOutput(t, m, "")
}

// What is larger than the limit is offered, even when all of it is at hand.
func TestLimit(t *testing.T) {
	for _, tt := range []struct {
		limit int64
		size  int
		want  wire.EventKind
	}{
		{10, 10, wire.EventMessage},
		{10, 11, wire.EventOffer},
		{0, tinyproto.EagerLimit + 1, wire.EventMessage},
		{math.MaxInt64, tinyproto.EagerLimit + 1, wire.EventMessage},
	} {
		m := auto.New(wire.Dialing, wire.Limits{MaxMessage: tt.limit})
		expect(t, m, "\xFF", 1, wire.EventOpen)
		p := "\x00" + string([]byte{byte(tt.size >> 16), byte(tt.size >> 8), byte(tt.size)}) + strings.Repeat("a", tt.size)
		if _, ev, err := wiretest.Receive(m, []byte(p)); ev.Kind != tt.want || err != nil {
			t.Errorf("limit %d, %d bytes: %v, %v; want %v", tt.limit, tt.size, ev.Kind, err, tt.want)
		}
	}
}

// Verifies: TINYPROTO-15
func TestSizes(t *testing.T) {
	m := opened(t, auto)
	if ev := expect(t, m, "\xF0\xFF\xFF\xFF", 4, wire.EventOffer); ev.N != maxMessage {
		t.Errorf("offered are %d bytes, want %d", ev.N, int64(maxMessage))
	}
	m.Accept()
	expectOutput(t, m, "\xFF")

	for _, header := range []string{"\xF1\x00\x00\x00", "\xFD\x00\x00\x00", "\xFE\xFF\xFF\xFF"} {
		m := opened(t, auto)
		expect(t, m, "\x00\x00\x00\x00", 4, wire.EventMessage)
		expect(t, m, header[:3], 0, wire.EventNone)
		_, _, err := wiretest.Receive(m, []byte(header))
		var broken *wire.ProtocolError
		if !errors.As(err, &broken) || broken.Offset != 5 || !strings.Contains(err.Error(), "the wire carries 4043309055") {
			t.Errorf("% X: %v", header, err)
		}
		expectOutput(t, m, "\xFF\x00")
		expectOutput(t, m, "")
		if _, _, again := wiretest.Receive(m, []byte(header)); again != err {
			t.Errorf("% X: the second error is %v", header, again)
		}
		if eof := m.ReceiveEOF(nil, new(wire.Event)); eof != err {
			t.Errorf("% X: at the end of the stream %v", header, eof)
		}
	}
}

// Verifies: TINYPROTO-17
func TestEndOfStream(t *testing.T) {
	const stream = "\xFF\x00\x00\x00\x03abc\x00\x01\x00\x00"
	whole := map[int]bool{1: true, 8: true} // boundaries between messages
	for n := range len(stream) + 1 {
		d := wiretest.NewDriver(t, auto, wire.Accepting, wire.Limits{})
		d.Feed([]byte(stream[:n]))
		err := d.EOF()
		if whole[n] != (err == nil) {
			t.Errorf("after %d bytes: %v", n, err)
		}
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("after %d bytes: %v does not wrap io.ErrUnexpectedEOF", n, err)
		}
		if want := min(1, n/8); len(d.Messages()) != want {
			t.Errorf("after %d bytes: %d messages delivered, want %d", n, len(d.Messages()), want)
		}
	}
	for _, tt := range []struct{ stream, text string }{
		{"", "at byte 0: closed before its hello (FF), as tinyproto 3.0 does at its connection limit"},
		{"\xFF\x00\x05", "at byte 1: closed inside the size of a message, 2 of 4 bytes came"},
		{"\xFF\x00\x00\x00\x64", "at byte 5: closed inside a message, 0 of 100 bytes came"},
		{"\xFF\x00\x00\x00\x640123456789", "at byte 15: closed inside a message, 10 of 100 bytes came"},
	} {
		d := wiretest.NewDriver(t, auto, wire.Accepting, wire.Limits{})
		d.Feed([]byte(tt.stream))
		if err := d.EOF(); err == nil || !strings.Contains(err.Error(), tt.text) {
			t.Errorf("%q: %v, want %q", tt.stream, err, tt.text)
		}
	}
}

func TestEndOfStreamInsteadOfOK(t *testing.T) {
	for _, p := range []tinyproto.Protocol{auto, never} {
		m := opened(t, p)
		send(t, m, 0)
		send(t, m, tinyproto.EagerLimit+1)
		var ev wire.Event
		err := m.ReceiveEOF(nil, &ev)
		if !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "2 of our messages unconfirmed") {
			t.Error(err)
		}
		if ev.Kind != wire.EventGranted { // it may read on
			t.Errorf("the payload that waits for the OK is told %v", ev.Kind)
		}
		m.BodySent()
		if err := m.ReceiveEOF(nil, &ev); err == nil || ev.Kind != wire.EventNone {
			t.Errorf("asked again: %v, %v", ev.Kind, err)
		}
		for _, n := range []int{0, 3, tinyproto.EagerLimit + 1} { // no OK can come any more
			if _, sent, err := m.Send(nil, wire.Bytes(make([]byte, n))); err != nil || sent.Body == wire.BodyHeld {
				t.Errorf("%d bytes behind the end: %v, %v", n, sent.Body, err)
			} else if sent.Body == wire.BodyFollows {
				m.BodySent()
			}
		}
	}
	// The peer may end its stream and still read a message it has granted.
	m := opened(t, never)
	send(t, m, 3)
	expect(t, m, "\xFF", 1, wire.EventGranted)
	expect(t, m, "", 0, wire.EventConfirmed)
	if err := m.ReceiveEOF(nil, new(wire.Event)); err != nil {
		t.Error(err)
	}
}
