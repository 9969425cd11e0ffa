package wiretest

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/parley-net/parley/wire"
)

// SteadyState fails if a machine allocates for a message: for sending and for
// receiving, in both roles, for each of the messages. With limits a message
// may be received in pieces. It must not run in parallel with other tests.
func SteadyState(tb testing.TB, p wire.Protocol, limits wire.Limits, messages ...wire.Message) {
	tb.Helper()
	for _, m := range messages {
		a, b := newEnd(tb, p, wire.Dialing, limits), newEnd(tb, p, wire.Accepting, limits)
		exchange := func() {
			a.say(tb, m)
			join(tb, a, b)
			b.say(tb, m)
			join(tb, a, b)
		}
		join(tb, a, b)
		for range 3 {
			exchange() // buffers grow
		}
		if a.messages != b.messages || a.messages != 3 {
			tb.Fatalf("%v: %d and %d messages arrived, want 3", m, a.messages, b.messages)
		}
		if got := testing.AllocsPerRun(100, exchange); got != 0 {
			tb.Errorf("%d allocations for a message and its echo: %v", int(got), m)
		}
	}
}

// Sized returns messages of 16 bytes, 1 KiB and 64 KiB, made by the given
// constructor.
func Sized(message func(payload []byte) wire.Message) []wire.Message {
	var all []wire.Message
	for _, n := range []int{16, 1 << 10, 64 << 10} {
		all = append(all, message(bytes.Repeat([]byte("abcdefghijklmnop"), n/16)))
	}
	return all
}

// Benchmark measures Send and Receive for each of the messages in both roles,
// without a driver. The receiver is given many messages at once, and what it
// owes for them is part of the time.
func Benchmark(b *testing.B, p wire.Protocol, messages ...wire.Message) {
	for _, role := range []wire.Role{wire.Dialing, wire.Accepting} {
		for _, m := range messages {
			name := fmt.Sprintf("%v/%v", role, m.Type())
			if d, ok := p.(wire.Describer); ok && m.Tag() != 0 {
				name += "/" + strings.ReplaceAll(d.DescribeTag(m.Tag()), " ", "=")
			}
			if m.Len() > 0 {
				name += fmt.Sprintf("/%d", m.Len())
			}
			b.Run("Send/"+name, func(b *testing.B) { benchmarkSend(b, p, role, m) })
			b.Run("Receive/"+name, func(b *testing.B) { benchmarkReceive(b, p, role, m) })
		}
	}
}

func benchmarkSend(b *testing.B, p wire.Protocol, role wire.Role, m wire.Message) {
	machine := talking(b, p, role, m).m
	dst := make([]byte, 0, 2*m.Len()+1024)
	b.SetBytes(int64(m.Len()))
	b.ReportAllocs()
	for b.Loop() {
		_, sent, err := machine.Send(dst, m)
		if err != nil || sent.Body == wire.BodyHeld {
			b.Fatal(sent, err)
		}
		if sent.Body == wire.BodyFollows {
			machine.BodySent()
		}
	}
}

func benchmarkReceive(b *testing.B, p wire.Protocol, role wire.Role, m wire.Message) {
	sender, receiver := talking(b, p, role.Peer(), m), talking(b, p, role, m)
	sender.out = sender.out[:0]
	for len(sender.out) < 64<<10 {
		sender.say(b, m)
	}
	all := sender.out
	fresh := bytes.Clone(all)
	receiver.feed(b, all)
	decodesInPlace := !bytes.Equal(all, fresh)
	out := receiver.out
	machine, ev := receiver.m, &receiver.event
	var rest []byte
	b.SetBytes(int64(m.Len()))
	b.ReportAllocs()
	for b.Loop() {
		if len(rest) == 0 {
			rest = all
			if decodesInPlace {
				copy(all, fresh)
			}
			out = machine.Output(out[:0])
		}
		n, err := machine.Receive(rest, ev)
		if err != nil || ev.Kind != wire.EventMessage {
			b.Fatal(ev.Kind, err)
		}
		rest = rest[n:]
	}
}

// talking returns an end of the given role that has sent m and received it.
func talking(tb testing.TB, p wire.Protocol, role wire.Role, m wire.Message) *end {
	tb.Helper()
	ends := [2]*end{newEnd(tb, p, wire.Dialing, wire.Limits{}), newEnd(tb, p, wire.Accepting, wire.Limits{})}
	for _, e := range ends {
		join(tb, ends[0], ends[1])
		e.say(tb, m)
	}
	join(tb, ends[0], ends[1])
	return ends[role]
}

// An end is a driver reduced to what does not allocate.
type end struct {
	event    wire.Event
	m        wire.Machine
	out      []byte
	body     []byte // held
	held     bool
	messages int
}

func newEnd(tb testing.TB, p wire.Protocol, role wire.Role, limits wire.Limits) *end {
	e := &end{m: p.New(role, limits)}
	e.feed(tb, nil)
	return e
}

func (e *end) say(tb testing.TB, m wire.Message) {
	out, sent, err := e.m.Send(e.m.Output(e.out), m)
	if err != nil {
		tb.Fatal(err)
	}
	e.out = out
	switch sent.Body {
	case wire.BodyFollows:
		e.write(m.Bytes())
	case wire.BodyHeld:
		e.body, e.held = m.Bytes(), true
	}
}

func (e *end) write(body []byte) {
	e.out = append(e.out, body...)
	e.m.BodySent()
}

func (e *end) feed(tb testing.TB, p []byte) {
	for {
		ev := &e.event
		n, err := e.m.Receive(p, ev)
		if err != nil {
			tb.Fatal(err)
		}
		p = p[n:]
		switch ev.Kind {
		case wire.EventNone:
			if len(p) > 0 {
				tb.Fatalf("%d bytes of whole messages not understood", len(p))
			}
			e.out = e.m.Output(e.out)
			return
		case wire.EventOffer:
			e.m.Accept()
		case wire.EventMessage, wire.EventEnd:
			e.messages++
		case wire.EventGranted:
			e.held = false
			e.write(e.body)
		}
	}
}

// join moves whole outputs until both ends are silent.
func join(tb testing.TB, a, b *end) {
	for len(a.out) > 0 || len(b.out) > 0 {
		b.feed(tb, a.out)
		a.out = a.out[:0]
		a.feed(tb, b.out)
		b.out = b.out[:0]
	}
}
