package web

import (
	"context"

	"github.com/parley-net/parley"
)

// Device is something that a parley.Client talks to, as a target. All pages share its
// one connection, and each sees what all say and what the device says.
type Device struct {
	name   string
	client *parley.Client
	heard  audience
}

// NewDevice returns the target of a client that has not begun: its Dialer's Trace and
// Handler become the device's. It connects when it is first used, and again when the
// connection is lost. The client stays the caller's to close.
func NewDevice(name string, client *parley.Client) *Device {
	d := &Device{name: name, client: client}
	trace := client.Dialer.Trace
	client.Dialer.Trace = func(t parley.Trace) {
		if trace != nil {
			trace(t)
		}
		if t.What == "message" && d.heard.some.Load() {
			d.tell(t)
		}
	}
	// What nobody asked for is told by the trace; nothing may wait for Receive.
	client.Dialer.Handler = parley.HandlerFunc(func(context.Context, *parley.Conn, parley.Message) error { return nil })
	return d
}

// tell tells all who subscribe of a message. It never waits.
func (d *Device) tell(t parley.Trace) {
	m := Message{Message: t.Message.Clone(), At: t.Time, Dir: "s2c", Proto: t.Conn.Protocol().Name()}
	if t.Sent {
		m.Dir = "c2s"
	}
	d.heard.tell(m)
}

// Name is Target's.
func (d *Device) Name() string { return d.name }

// Kind is Target's.
func (d *Device) Kind() string { return "device" }

// State is the connection's, and why it is so.
func (d *Device) State() string {
	s, err := d.client.State()
	if err != nil {
		return s.String() + ": " + err.Error()
	}
	return s.String()
}

// Call is Target's.
func (d *Device) Call(ctx context.Context, m parley.Message) (parley.Message, error) {
	return d.client.Call(ctx, m)
}

// Subscribe is Target's.
func (d *Device) Subscribe(o SubscribeOptions, take func(Message)) (Subscription, error) {
	d.client.Start()
	return d.heard.add(o, take, d.client.Send), nil
}
