package wiretest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"testing"

	"github.com/parley-net/parley/wire"
)

// An Event is one normalised event: the offer, the data and the end of a
// message are one EventMessage, neighbouring confirmations are one
// EventConfirmed, nothing is borrowed. Normalised events do not depend on how
// the stream was split.
type Event struct {
	Kind    wire.EventKind
	Message wire.Message
	N       int64
	Err     string // of EventLost
}

// String describes the event for a test's message.
func (e Event) String() string {
	switch e.Kind {
	case wire.EventMessage:
		return "message " + e.Message.String()
	case wire.EventConfirmed:
		return fmt.Sprintf("confirmed %d", e.N)
	case wire.EventLost:
		return "lost: " + e.Err
	case wire.EventBanner:
		return "banner " + e.Message.String()
	}
	return e.Kind.String()
}

// A Driver runs one machine as the contract of [wire.Machine] demands and
// fails the test when the machine breaks its side: n out of range, bytes
// changed that were not consumed, events without end or out of order, Output
// inside an open body, an error of the wrong type, more confirmations than
// messages that await one.
//
// Bytes that the machine has consumed are overwritten before the next Receive,
// so that a machine that keeps borrowed bytes is found out.
//
// Feed is called for single bytes, so it does not mark itself as a helper of the
// test: a failure names a line of this package, and the test by its name.
//
// Its policy is simple: every offer is accepted unless Refuse says otherwise,
// what is owed leaves after every event, and a Send waits in a queue until the
// handshake is done and no body is held.
type Driver struct {
	Machine wire.Machine
	Conn    int     // free for the test; the player puts the connection's number here
	Out     []byte  // all bytes for the peer since the start
	Events  []Event // all that happened since the start
	Err     error   // why the conversation ended, if it did
	Left    bool    // the peer said goodbye: what follows is ignored
	Last    int     // of Events, those that the end of the stream has told

	// Reply, if set, is called with each message received; it may Send.
	Reply func(d *Driver, m wire.Message)
	// Refuse, if set, returns the reason to decline an offer, or nil. A
	// machine announces only what is not wholly at hand, so whether a small
	// message can be refused depends on how the stream is split.
	Refuse func(m wire.Message, size int64) error

	tb          testing.TB
	in          []byte // what Feed brought
	off         int    // how much of in is consumed
	opened      bool
	ended       bool
	offer       *wire.Event // the message being received
	refused     bool        // the offer was declined, EventLost must follow
	data        []byte      // its payload so far
	queue       []func() error
	owes        bool // Output may have something
	held        []byte
	isHeld      bool
	unconfirmed int64
}

// NewDriver makes a machine and starts it: the first Receive, and the bytes it
// owes then.
func NewDriver(tb testing.TB, p wire.Protocol, role wire.Role, limits wire.Limits) *Driver {
	d := &Driver{Machine: p.New(role, limits), tb: tb, owes: true}
	d.pump()
	return d
}

// Feed gives the machine the next bytes of the peer and handles all events
// that follow. After an error or a goodbye the bytes are ignored.
func (d *Driver) Feed(p []byte) {
	if len(p) == 0 || d.Err != nil || d.Left {
		return
	}
	if d.ended {
		d.tb.Fatal("wiretest: Feed after EOF")
	}
	if d.off > len(d.in)/2 {
		d.in = d.in[:copy(d.in, d.in[d.off:])]
		d.off = 0
	}
	d.in = append(d.in, p...)
	d.pump()
}

// FeedBytewise is Feed with one byte at a time.
func (d *Driver) FeedBytewise(p []byte) {
	for i := range p {
		d.Feed(p[i : i+1])
	}
}

// EOF tells the machine that the peer's stream has ended and returns why the
// conversation ended: nil for an end in order.
func (d *Driver) EOF() error {
	d.tb.Helper()
	if d.Err != nil || d.Left || d.ended {
		return d.Err
	}
	d.ended = true
	rest := d.in[d.off:]
	ev := wire.Event{Kind: wire.EventLost} // must be set
	err := d.Machine.ReceiveEOF(rest, &ev)
	d.owes = d.owes || ev.Owes
	var refused *wire.RefusedError
	var broken *wire.ProtocolError
	switch {
	case err == nil:
		if d.offer != nil {
			d.tb.Fatal("wiretest: ReceiveEOF is nil inside a message")
		}
		d.last(ev, rest)
	case errors.As(err, &refused):
	case errors.As(err, &broken) && errors.Is(err, io.ErrUnexpectedEOF):
	default:
		d.tb.Fatalf("wiretest: ReceiveEOF returned neither a *RefusedError nor a *ProtocolError that wraps io.ErrUnexpectedEOF: %v", err)
	}
	d.Err = err
	d.drain()
	return err
}

// last takes the message that the end of the stream has ended, if there is one.
func (d *Driver) last(ev wire.Event, rest []byte) {
	switch {
	case ev.Kind == wire.EventNone:
		return
	case ev.Kind != wire.EventMessage || len(rest) == 0:
		d.tb.Fatalf("wiretest: ReceiveEOF told %v with %d bytes left", ev.Kind, len(rest))
	case !d.opened:
		d.tb.Fatal("wiretest: ReceiveEOF told a message before EventOpen")
	}
	d.Last++
	d.message(ev.Message)
	d.off = len(d.in)
	if err := d.Machine.ReceiveEOF(nil, &ev); err != nil || ev.Kind != wire.EventNone {
		d.tb.Fatalf("wiretest: ReceiveEOF, asked again behind its last message, told %v, %v", ev.Kind, err)
	}
}

// Rest returns how many bytes were fed and not yet consumed.
func (d *Driver) Rest() int { return len(d.in) - d.off }

// Messages returns the messages received.
func (d *Driver) Messages() []wire.Message {
	var all []wire.Message
	for _, e := range d.Events {
		if e.Kind == wire.EventMessage {
			all = append(all, e.Message)
		}
	}
	return all
}

// Count returns how many events of kind there were. For EventConfirmed it is
// the number of messages confirmed.
func (d *Driver) Count(kind wire.EventKind) int {
	n := 0
	for _, e := range d.Events {
		if e.Kind == kind {
			n += int(max(e.N, 1))
		}
	}
	return n
}

// Send sends m, or queues it until the handshake is done and no body is held.
// An error of a queued message fails the test.
func (d *Driver) Send(m wire.Message) error {
	d.tb.Helper()
	return d.whenFree(func() error {
		d.drain()
		out, sent, err := d.Machine.Send(d.Out, m)
		return d.sent(out, sent, err, m.Bytes())
	})
}

// SendStream sends a bytes message with SendHead, as Send does.
func (d *Driver) SendStream(payload []byte) error {
	d.tb.Helper()
	return d.whenFree(func() error {
		d.drain()
		out, sent, err := d.Machine.SendHead(d.Out, int64(len(payload)))
		if err == nil && sent.Body == wire.BodyNone && len(payload) > 0 {
			d.tb.Fatal("wiretest: SendHead left no room for its body")
		}
		return d.sent(out, sent, err, payload)
	})
}

// Close sends what is owed and the farewell.
func (d *Driver) Close() {
	d.tb.Helper()
	d.drain()
	d.Out = d.Machine.Close(d.Out)
}

func (d *Driver) whenFree(send func() error) error {
	if !d.opened || d.isHeld {
		d.queue = append(d.queue, send)
		return nil
	}
	return send()
}

func (d *Driver) flush() {
	for len(d.queue) > 0 && d.opened && !d.isHeld {
		send := d.queue[0]
		d.queue = d.queue[1:]
		if err := send(); err != nil {
			d.tb.Fatalf("wiretest: a queued message could not be sent: %v", err)
		}
	}
}

func (d *Driver) sent(out []byte, sent wire.Sent, err error, payload []byte) error {
	if err != nil {
		if len(out) != len(d.Out) {
			d.tb.Fatalf("wiretest: Send failed (%v) and returned %d bytes, not the %d it was given", err, len(out), len(d.Out))
		}
		return err
	}
	if len(out) < len(d.Out) {
		d.tb.Fatal("wiretest: Send returned less than it was given")
	}
	d.Out = out
	d.owes = d.owes || sent.Owes
	if sent.Confirm {
		d.unconfirmed++
	}
	switch sent.Body {
	case wire.BodyFollows:
		d.body(payload)
	case wire.BodyHeld:
		d.held, d.isHeld = bytes.Clone(payload), true
	}
	return nil
}

// body writes the open body.
func (d *Driver) body(payload []byte) {
	d.Out = append(d.Out, payload...)
	if owed := d.Machine.Output(nil); len(owed) > 0 {
		d.tb.Fatalf("wiretest: Output gave % x inside an open body", owed)
	}
	d.Machine.BodySent()
	d.owes = true
}

// drain asks for Output, which must have nothing where that need not be asked.
func (d *Driver) drain() {
	before := len(d.Out)
	d.Out = d.Machine.Output(d.Out)
	if owed := d.Out[before:]; len(owed) > 0 && !d.owes {
		d.tb.Fatalf("wiretest: Output gave % x, and no event said that the machine owes something", owed)
	}
	d.owes = false
}

// pump calls Receive until it has nothing more to tell.
func (d *Driver) pump() {
	// No protocol has more to tell about one point of the stream than this.
	const maxIdle = 16
	idle := 0
	for d.Err == nil && !d.Left {
		n, ev, err := d.receive()
		if err != nil {
			d.fail(err, ev)
			return
		}
		d.handle(ev)
		// The event is a copy now: whoever still looks at these bytes is wrong.
		for i := d.off; i < d.off+n; i++ {
			d.in[i] = 0xDB
		}
		d.off += n
		if d.Err != nil {
			return
		}
		d.drain()
		if ev.Kind == wire.EventNone {
			return
		}
		if idle++; n > 0 {
			idle = 0
		}
		if idle > maxIdle {
			d.tb.Fatalf("wiretest: %d events in a row that consume nothing; the last is %v", idle, ev.Kind)
		}
	}
}

// Receive is m.Receive with an event of its own, which holds nothing else.
func Receive(m wire.Machine, p []byte) (int, wire.Event, error) {
	var ev wire.Event
	n, err := m.Receive(p, &ev)
	return n, ev, err
}

func (d *Driver) receive() (int, wire.Event, error) {
	p := d.in[d.off:len(d.in):len(d.in)]
	var before [512]byte
	seen := copy(before[:], p)
	n, ev, err := Receive(d.Machine, p)
	d.owes = d.owes || ev.Owes || err != nil
	if n < 0 || n > len(p) {
		d.tb.Fatalf("wiretest: Receive consumed %d of %d bytes", n, len(p))
	}
	if n < seen && !bytes.Equal(p[n:seen], before[n:seen]) {
		d.tb.Fatal("wiretest: Receive changed bytes it did not consume")
	}
	return n, ev, err
}

func (d *Driver) fail(err error, ev wire.Event) {
	d.tb.Helper()
	if ev.Kind != wire.EventNone {
		d.tb.Fatalf("wiretest: Receive returned the event %v with the error %v", ev.Kind, err)
	}
	if !isFatal(err) {
		d.tb.Fatalf("wiretest: Receive returned neither a *ProtocolError nor a *RefusedError: %v", err)
	}
	d.Err = err
	d.drain()
}

func isFatal(err error) bool {
	var broken *wire.ProtocolError
	var refused *wire.RefusedError
	return errors.As(err, &broken) || errors.As(err, &refused)
}

func (d *Driver) handle(ev wire.Event) {
	switch ev.Kind {
	case wire.EventNone, wire.EventOpen:
	case wire.EventBanner:
		if d.opened {
			d.tb.Fatal("wiretest: a banner after EventOpen")
		}
	default:
		if !d.opened {
			d.tb.Fatalf("wiretest: event %v before EventOpen", ev.Kind)
		}
	}
	switch ev.Kind {
	case wire.EventNone:
	case wire.EventOpen:
		if d.opened {
			d.tb.Fatal("wiretest: a second EventOpen")
		}
		d.opened = true
		d.record(Event{Kind: ev.Kind})
		d.flush()
	case wire.EventBanner:
		d.record(Event{Kind: ev.Kind, Message: wire.Bytes(bytes.Clone(ev.Data))})
	case wire.EventMessage:
		d.outside(ev)
		d.message(ev.Message)
	case wire.EventOffer:
		d.outside(ev)
		d.offered(ev)
	case wire.EventData:
		d.inside(ev)
		if len(ev.Data) == 0 {
			d.tb.Fatal("wiretest: EventData without data")
		}
		d.data = append(d.data, ev.Data...)
	case wire.EventEnd:
		d.inside(ev)
		if want := d.offer.N; want >= 0 && want != int64(len(d.data)) {
			d.tb.Fatalf("wiretest: a message announced with %d bytes ended after %d", want, len(d.data))
		}
		m := ev.Message
		if m.Type() == wire.TypeBytes || m.Type() == wire.TypeText {
			m = m.WithBytes(d.data)
		}
		d.offer, d.data = nil, d.data[:0]
		d.message(m)
	case wire.EventLost:
		if ev.Err == nil {
			d.tb.Fatal("wiretest: EventLost without a reason")
		}
		d.offer, d.data, d.refused = nil, d.data[:0], false
		d.record(Event{Kind: ev.Kind, Err: ev.Err.Error()})
	case wire.EventGranted:
		if !d.isHeld {
			d.tb.Fatal("wiretest: EventGranted, but no body is held")
		}
		d.isHeld = false
		d.record(Event{Kind: ev.Kind})
		d.body(d.held)
		d.flush()
	case wire.EventConfirmed:
		if d.unconfirmed -= ev.N; ev.N < 1 || d.unconfirmed < 0 {
			d.tb.Fatalf("wiretest: %d messages confirmed, %d were awaiting it", ev.N, d.unconfirmed+ev.N)
		}
		if last := len(d.Events) - 1; d.Events[last].Kind == wire.EventConfirmed {
			d.Events[last].N += ev.N
		} else {
			d.record(Event{Kind: ev.Kind, N: ev.N})
		}
	case wire.EventLeave, wire.EventShutdown:
		d.outside(ev)
		d.Left = true
		d.record(Event{Kind: ev.Kind})
		d.drain()
	default:
		d.tb.Fatalf("wiretest: unknown event %d", ev.Kind)
	}
}

func (d *Driver) outside(ev wire.Event) {
	if d.offer != nil {
		d.tb.Fatalf("wiretest: event %v inside a message", ev.Kind)
	}
}

func (d *Driver) inside(ev wire.Event) {
	if d.offer == nil {
		d.tb.Fatalf("wiretest: event %v without an offer", ev.Kind)
	}
	if d.refused {
		d.tb.Fatalf("wiretest: event %v of a message that was refused", ev.Kind)
	}
}

func (d *Driver) offered(ev wire.Event) {
	if ev.N < -1 {
		d.tb.Fatalf("wiretest: an offer of %d bytes", ev.N)
	}
	d.offer = &wire.Event{Message: ev.Message, N: ev.N}
	var reason error
	if d.Refuse != nil {
		reason = d.Refuse(ev.Message, ev.N)
	}
	d.owes = true
	if reason == nil {
		d.Machine.Accept()
		return
	}
	d.refused = true
	if err := d.Machine.Refuse(reason); err != nil {
		d.Err = err
		d.drain()
	}
}

func (d *Driver) message(m wire.Message) {
	m = m.Clone()
	if m.Len() == 0 {
		m = m.WithBytes(nil) // nil and empty are the same message
	}
	d.record(Event{Kind: wire.EventMessage, Message: m})
	if d.Reply != nil {
		d.drain()
		d.Reply(d, m)
	}
}

func (d *Driver) record(e Event) { d.Events = append(d.Events, e) }

// result is what must not depend on how the stream was split.
type result struct {
	Events []Event
	Out    []byte
	Err    string
}

func (d *Driver) result() result {
	r := result{Events: d.Events, Out: d.Out}
	if d.Err != nil {
		r.Err = d.Err.Error()
	}
	return r
}

// diff returns what differs between two results, or "".
func diff(got, want result) string {
	for i := range max(len(got.Events), len(want.Events)) {
		switch {
		case i >= len(got.Events):
			return fmt.Sprintf("event %d, %v, is missing", i, want.Events[i])
		case i >= len(want.Events):
			return fmt.Sprintf("event %d, %v, is too much", i, got.Events[i])
		case !reflect.DeepEqual(got.Events[i], want.Events[i]):
			return fmt.Sprintf("event %d is %v, want %v", i, got.Events[i], want.Events[i])
		}
	}
	if got.Err != want.Err {
		return fmt.Sprintf("error is %q, want %q", got.Err, want.Err)
	}
	if !bytes.Equal(got.Out, want.Out) {
		return fmt.Sprintf("our bytes are %s, want %s", clip(got.Out), clip(want.Out))
	}
	return ""
}

// clip prints bytes for a test's message.
func clip(p []byte) string {
	const limit = 80
	if len(p) <= limit {
		return fmt.Sprintf("% x (%q)", p, p)
	}
	return fmt.Sprintf("% x… (%d bytes)", p[:limit], len(p))
}
