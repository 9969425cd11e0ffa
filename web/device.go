package web

import (
	"context"
	"sync"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/bus/queue"
)

// Device is something that a parley.Client talks to, as a target. All pages share its
// one connection, and each sees what all say and what the device says.
type Device struct {
	name   string
	client *parley.Client

	mu   sync.Mutex
	subs map[*deviceSubscription]struct{}
}

// NewDevice returns the target of a client that has not begun: its Dialer's Trace and
// Handler become the device's. It connects when it is first used, and again when the
// connection is lost. The client stays the caller's to close.
func NewDevice(name string, client *parley.Client) *Device {
	d := &Device{name: name, client: client, subs: make(map[*deviceSubscription]struct{})}
	trace := client.Dialer.Trace
	client.Dialer.Trace = func(t parley.Trace) {
		if trace != nil {
			trace(t)
		}
		if t.What == "message" {
			d.tell(t)
		}
	}
	// What nobody asked for is told by the trace; nothing may wait for Receive.
	client.Dialer.Handler = parley.HandlerFunc(func(context.Context, *parley.Conn, parley.Message) error { return nil })
	return d
}

// tell tells all who subscribe of a message. It never waits.
func (d *Device) tell(t parley.Trace) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.subs) == 0 {
		return
	}
	m := Message{Message: t.Message.Clone(), At: t.Time, Dir: "s2c", Proto: t.Conn.Protocol().Name()}
	if t.Sent {
		m.Dir = "c2s"
	}
	for s := range d.subs {
		s.queue.Put(m)
	}
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
	s := &deviceSubscription{device: d}
	s.queue = o.queue(take)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.subs[s] = struct{}{}
	return s, nil
}

type deviceSubscription struct {
	device *Device
	queue  *queue.Queue[Message]
}

// Send is Subscription's.
func (s *deviceSubscription) Send(ctx context.Context, m parley.Message) error {
	return s.device.client.Send(ctx, m)
}

// Close is Subscription's.
func (s *deviceSubscription) Close() {
	s.device.mu.Lock()
	delete(s.device.subs, s)
	s.device.mu.Unlock()
	s.queue.Close()
}
