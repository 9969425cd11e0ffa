// Package toy is for the tests of tests: a wire whose machine has a bug that is to be
// found, and a test that has to fail.
package toy

import (
	"bytes"
	"fmt"
	"io"
	"runtime"
	"testing"

	"github.com/parley-net/parley/wire"
)

// Protocol is a protocol for testing the tests: a message is its size in one byte
// and its payload, FF confirms one message, larger size bytes than 250 are
// errors. From 200 bytes on the sender waits: FE grants the body.
type Protocol struct{ Bug string }

const (
	Max   = 250
	Held  = 200
	OK    = 0xFF
	Grant = 0xFE
)

func (Protocol) Name() string { return "toy" }

func (Protocol) Traits() wire.Traits {
	return wire.Traits{Confirms: true, Sized: true, SendsStreams: true, Opaque: true, MaxMessage: Max,
		Types: wire.Types(wire.TypeBytes)}
}

func (p Protocol) New(wire.Role, wire.Limits) wire.Machine { return &machine{bug: p.Bug} }

type machine struct {
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

func (m *machine) Receive(p []byte, ev *wire.Event) (n int, err error) {
	n, *ev, err = m.receive(p)
	ev.Owes = m.oks+m.grant > 0 && m.bug != "owes"
	m.offset += int64(n)
	return n, err
}

func (m *machine) receive(p []byte) (int, wire.Event, error) {
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
	case size == OK && m.unsure > 0:
		m.unsure--
		return 1, wire.Event{Kind: wire.EventConfirmed, N: 1}, nil
	case size == Grant && m.held:
		m.held, m.open = false, true
		return 1, wire.Event{Kind: wire.EventGranted}, nil
	case size > Max:
		return 0, wire.Event{}, &wire.ProtocolError{Protocol: "toy", Offset: m.offset, Rule: "bad size"}
	case len(p) > size && size < Held && !(m.bug == "split" && len(p) > 8):
		m.oks++
		return 1 + size, wire.Event{Kind: wire.EventMessage, Message: wire.Bytes(p[1 : 1+size])}, nil
	case m.bug == "split":
		return 0, wire.Event{}, nil
	}
	m.inBody, m.left = true, size
	if size >= Held {
		m.grant++
	}
	return 1, wire.Event{Kind: wire.EventOffer, N: int64(size)}, nil
}

func (m *machine) ReceiveEOF(rest []byte, ev *wire.Event) error {
	ev.Kind, ev.Owes = wire.EventNone, false
	if m.bug == "eof" {
		return io.EOF
	}
	if len(rest) == 0 && !m.inBody || m.bug == "eof nil" {
		return nil
	}
	return &wire.ProtocolError{Protocol: "toy", Offset: m.offset, Rule: "cut", Err: io.ErrUnexpectedEOF}
}

func (m *machine) Accept()                   {}
func (m *machine) Refuse(reason error) error { return reason }
func (m *machine) BodySent()                 { m.open = false }
func (m *machine) Awaiting() int             { return m.unsure }
func (m *machine) Close(dst []byte) []byte   { return dst }

func (m *machine) Send(dst []byte, msg wire.Message) ([]byte, wire.Sent, error) {
	if msg.Type() != wire.TypeBytes {
		return dst, wire.Sent{}, wire.ErrNotRepresentable
	}
	return m.SendHead(dst, int64(msg.Len()))
}

func (m *machine) SendHead(dst []byte, size int64) ([]byte, wire.Sent, error) {
	if size > Max {
		return dst, wire.Sent{}, wire.ErrTooLarge
	}
	m.unsure++
	sent := wire.Sent{Confirm: true, Body: wire.BodyFollows}
	if size >= Held {
		sent.Body = wire.BodyHeld
		m.held = true
	} else {
		m.open = true
	}
	return append(dst, byte(size)), sent, nil
}

func (m *machine) Output(dst []byte) []byte {
	if m.open && m.bug != "inside" {
		return dst
	}
	if m.bug == "inside" && m.open {
		return append(dst, OK)
	}
	for ; m.grant > 0; m.grant-- {
		dst = append(dst, Grant)
	}
	for ; m.oks > 0; m.oks-- {
		dst = append(dst, OK)
	}
	return dst
}

func Bytes(n int) []byte { return bytes.Repeat([]byte{'x'}, n) }

func Message(n int) []byte { return append([]byte{byte(n)}, Bytes(n)...) }

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

// Fails runs test and returns what it failed with, or "".
func Fails(test func(tb testing.TB)) string {
	f := new(fakeTB)
	done := make(chan struct{})
	go func() {
		defer close(done)
		test(f)
	}()
	<-done
	return f.failure
}
