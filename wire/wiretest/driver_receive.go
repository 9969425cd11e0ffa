package wiretest

// The driver's receiving side: it runs the machine and checks each event.

import (
	"bytes"
	"errors"

	"github.com/parley-net/parley/wire"
)

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
		d.record(Event{Kind: ev.Kind})
		d.granted()
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

// granted sends the body that was held.
func (d *Driver) granted() {
	d.tb.Helper()
	if !d.isHeld {
		d.tb.Fatal("wiretest: EventGranted, but no body is held")
	}
	d.isHeld = false
	d.body(d.held)
	d.flush()
}
