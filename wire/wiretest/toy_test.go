package wiretest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/parley-net/parley/wire"
)

// toy is a protocol for testing the tests: a message is its size in one byte
// and its payload, FF confirms one message, larger size bytes than 250 are
// errors. From 200 bytes on the sender waits: FE grants the body.
type toy struct{ bug string }

const (
	toyMax   = 250
	toyHeld  = 200
	toyOK    = 0xFF
	toyGrant = 0xFE
)

func (toy) Name() string { return "toy" }

func (toy) Traits() wire.Traits {
	return wire.Traits{Confirms: true, Sized: true, SendsStreams: true, Opaque: true, MaxMessage: toyMax,
		Types: wire.Types(wire.TypeBytes)}
}

func (p toy) New(wire.Role, wire.Limits) wire.Machine { return &toyMachine{bug: p.bug} }

type toyMachine struct {
	bug        string
	opened     bool
	inBody     bool
	left       int // of the payload being received
	oks, grant int // owed
	unsure     int // sent and not confirmed
	held, open bool
	kept       []byte
	offset     int64
}

func (m *toyMachine) Receive(p []byte, ev *wire.Event) (n int, err error) {
	n, *ev, err = m.receive(p)
	ev.Owes = m.oks+m.grant > 0 && m.bug != "owes"
	m.offset += int64(n)
	return n, err
}

func (m *toyMachine) receive(p []byte) (int, wire.Event, error) {
	switch {
	case m.bug == "n":
		return len(p) + 1, wire.Event{}, nil
	case m.bug == "loop" && m.opened:
		return 0, wire.Event{Kind: wire.EventLost, Err: io.EOF}, nil
	case m.bug == "early":
		return 0, wire.Event{Kind: wire.EventMessage}, nil
	case m.bug == "error" && len(p) > 0:
		return 0, wire.Event{}, io.EOF
	case m.bug == "scribble" && len(p) > 0:
		p[len(p)-1]++
	case m.bug == "alloc" && len(p) > 0:
		m.kept = make([]byte, 1<<20)
	case m.bug == "open twice":
		m.opened = false
	}
	if !m.opened {
		m.opened = true
		return 0, wire.Event{Kind: wire.EventOpen}, nil
	}
	if m.inBody {
		if m.left == 0 {
			m.inBody = false
			m.oks++
			return 0, wire.Event{Kind: wire.EventEnd}, nil
		}
		n := min(len(p), m.left)
		if n == 0 {
			return 0, wire.Event{}, nil
		}
		m.left -= n
		return n, wire.Event{Kind: wire.EventData, Data: p[:n]}, nil
	}
	if len(p) == 0 {
		return 0, wire.Event{}, nil
	}
	size := int(p[0])
	switch {
	case size == toyOK && m.unsure > 0:
		m.unsure--
		return 1, wire.Event{Kind: wire.EventConfirmed, N: 1}, nil
	case size == toyGrant && m.held:
		m.held, m.open = false, true
		return 1, wire.Event{Kind: wire.EventGranted}, nil
	case size > toyMax:
		return 0, wire.Event{}, &wire.ProtocolError{Protocol: "toy", Offset: m.offset, Rule: "bad size"}
	case len(p) > size && size < toyHeld && !(m.bug == "split" && len(p) > 8):
		m.oks++
		return 1 + size, wire.Event{Kind: wire.EventMessage, Message: wire.Bytes(p[1 : 1+size])}, nil
	case m.bug == "split":
		return 0, wire.Event{}, nil
	}
	m.inBody, m.left = true, size
	if size >= toyHeld {
		m.grant++
	}
	return 1, wire.Event{Kind: wire.EventOffer, N: int64(size)}, nil
}

func (m *toyMachine) ReceiveEOF(rest []byte, ev *wire.Event) error {
	ev.Kind, ev.Owes = wire.EventNone, false
	if m.bug == "eof" {
		return io.EOF
	}
	if len(rest) == 0 && !m.inBody || m.bug == "eof nil" {
		return nil
	}
	return &wire.ProtocolError{Protocol: "toy", Offset: m.offset, Rule: "cut", Err: io.ErrUnexpectedEOF}
}

func (m *toyMachine) Accept()                   {}
func (m *toyMachine) Refuse(reason error) error { return reason }
func (m *toyMachine) BodySent()                 { m.open = false }
func (m *toyMachine) Awaiting() int             { return m.unsure }
func (m *toyMachine) Close(dst []byte) []byte   { return dst }

func (m *toyMachine) Send(dst []byte, msg wire.Message) ([]byte, wire.Sent, error) {
	if msg.Type() != wire.TypeBytes {
		return dst, wire.Sent{}, wire.ErrNotRepresentable
	}
	return m.SendHead(dst, int64(msg.Len()))
}

func (m *toyMachine) SendHead(dst []byte, size int64) ([]byte, wire.Sent, error) {
	if size > toyMax {
		return dst, wire.Sent{}, wire.ErrTooLarge
	}
	m.unsure++
	sent := wire.Sent{Confirm: true, Body: wire.BodyFollows}
	if size >= toyHeld {
		sent.Body = wire.BodyHeld
		m.held = true
	} else {
		m.open = true
	}
	return append(dst, byte(size)), sent, nil
}

func (m *toyMachine) Output(dst []byte) []byte {
	if m.open && m.bug != "inside" {
		return dst
	}
	if m.bug == "inside" && m.open {
		return append(dst, toyOK)
	}
	for ; m.grant > 0; m.grant-- {
		dst = append(dst, toyGrant)
	}
	for ; m.oks > 0; m.oks-- {
		dst = append(dst, toyOK)
	}
	return dst
}

func toyBytes(n int) []byte { return bytes.Repeat([]byte{'x'}, n) }

func toyMessage(n int) []byte { return append([]byte{byte(n)}, toyBytes(n)...) }

func toyStreams() []Stream {
	three := bytes.Join([][]byte{toyMessage(3), toyMessage(0), toyMessage(120)}, nil)
	return []Stream{
		{Name: "three", Role: wire.Accepting, Bytes: three, Messages: 3},
		{Name: "confirmed", Role: wire.Dialing, Bytes: append([]byte{toyOK, toyOK}, three...), Messages: 3,
			Sends: []wire.Message{wire.Bytes(toyBytes(9)), wire.Bytes(nil)}},
		{Name: "long", Role: wire.Accepting, Bytes: bytes.Repeat(toyMessage(99), 30), Messages: 30},
		{Name: "echo", Role: wire.Accepting, Bytes: bytes.Repeat(toyMessage(7), 5), Messages: 5,
			Reply: func(d *Driver, m wire.Message) { d.Send(m) }},
	}
}

func TestDriverAndPair(t *testing.T) {
	pair := NewPair(t, toy{}, toy{}, wire.Limits{}, 3)
	for _, n := range []int{0, 5, 220, 4, 250, 200, 199} {
		if err := pair.Dialing.Send(wire.Bytes(toyBytes(n))); err != nil {
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

func TestToyConforms(t *testing.T) { Conformance(t, toy{}, toyStreams()) }

// fakeTB takes the failure of a test that has to fail.
type fakeTB struct {
	testing.TB
	failure string
}

func (f *fakeTB) Helper() {}

func (f *fakeTB) Fatal(args ...any) {
	f.failure = fmt.Sprint(args...)
	runtime.Goexit()
}

func (f *fakeTB) Errorf(format string, args ...any) { f.Fatal(fmt.Sprintf(format, args...)) }

func (f *fakeTB) Fatalf(format string, args ...any) { f.Fatal(fmt.Sprintf(format, args...)) }

// fails runs test and returns what it failed with, or "".
func fails(test func(tb testing.TB)) string {
	f := new(fakeTB)
	done := make(chan struct{})
	go func() {
		defer close(done)
		test(f)
	}()
	<-done
	return f.failure
}

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
		got := fails(func(tb testing.TB) {
			for _, s := range toyStreams() {
				CheckInput(tb, toy{bug}, s)
				s.Bytes = s.Bytes[:len(s.Bytes)-1]
				CheckInput(tb, toy{bug}, s)
			}
		})
		if !strings.Contains(got, want) {
			t.Errorf("bug %q: found %q, want %q", bug, got, want)
		}
	}
}

func TestWasteIsFoundOut(t *testing.T) {
	if got := fails(func(tb testing.TB) { memory(tb, toy{"alloc"}, toyStreams()[0]) }); !strings.Contains(got, "bytes allocated") {
		t.Errorf("memory found %q", got)
	}
	if got := fails(func(tb testing.TB) { SteadyState(tb, toy{"alloc"}, wire.Limits{}, samples(toy{}, 16)...) }); !strings.Contains(got, "allocations for a message") {
		t.Errorf("SteadyState found %q", got)
	}
}

func TestSendErrorsReachTheCaller(t *testing.T) {
	d := NewDriver(t, toy{}, wire.Dialing, wire.Limits{})
	if err := d.Send(wire.Bytes(toyBytes(251))); !errors.Is(err, wire.ErrTooLarge) {
		t.Errorf("error %v", err)
	}
	if err := d.SendStream(toyBytes(200)); err != nil || len(d.Out) != 1 {
		t.Errorf("error %v, %d bytes out", err, len(d.Out))
	}
	if err := d.Send(wire.Bytes([]byte("later"))); err != nil || len(d.Out) != 1 {
		t.Errorf("error %v, %d bytes out", err, len(d.Out))
	}
	d.Feed([]byte{toyGrant})
	if want := append(toyMessage(200), "\x05later"...); !bytes.Equal(d.Out, want) {
		t.Errorf("out %q", d.Out)
	}
}

func TestRefusedOfferEndsTheConversation(t *testing.T) {
	d := NewDriver(t, toy{}, wire.Accepting, wire.Limits{})
	d.Refuse = func(_ wire.Message, size int64) error {
		if size > 100 {
			return wire.ErrTooLarge
		}
		return nil
	}
	d.Feed(toyMessage(5))
	d.Feed([]byte{101})
	if !errors.Is(d.Err, wire.ErrTooLarge) || len(d.Messages()) != 1 {
		t.Errorf("error %v, events %v", d.Err, d.Events)
	}
}
