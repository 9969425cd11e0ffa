package wiretest

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/parley-net/parley/wire"
)

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
	if ev.Kind == wire.EventGranted {
		d.granted() // no event of the stream's
		ev.Kind = wire.EventNone
	}
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
