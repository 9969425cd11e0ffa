package reliability

import (
	"runtime"
	"sync/atomic"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/wire"
)

// doom is a flaw that waits for its call.
type doom struct {
	flaw
	calls atomic.Int32
	fired atomic.Bool
}

// at reports whether the flaw is there.
func (d *doom) at(where place, s side) bool { return d.where == where && d.side == s }

// due counts a call, and reports whether it is the one.
func (d *doom) due() bool { return d.calls.Add(1) == int32(d.after)+1 }

// strike does not return.
func (d *doom) strike() {
	d.fired.Store(true)
	if d.how == goexits {
		runtime.Goexit()
	}
	panic("enough")
}

// meet is a call of what may have the flaw.
func (d *doom) meet(where place, s side) {
	if d.at(where, s) && d.due() {
		d.strike()
	}
}

// doomedProtocol has flaws in some of its connections.
type doomedProtocol struct {
	parley.Protocol
	next func() *doom // of the next connection, or nil
	side side
}

func (p doomedProtocol) New(role wire.Role, limits wire.Limits) wire.Machine {
	m := p.Protocol.New(role, limits)
	d := p.next()
	if d == nil {
		return m
	}
	d.meet(inNew, p.side)
	if d.at(inMachine, p.side) {
		return doomedMachine{m, d}
	}
	return m
}

// doomedMachine has its flaw at one of its calls, whichever that is.
type doomedMachine struct {
	wire.Machine
	doom *doom
}

func (m doomedMachine) called() {
	if m.doom.how != impossible && m.doom.due() {
		m.doom.strike()
	}
}

func (m doomedMachine) Receive(p []byte, ev *wire.Event) (int, error) {
	m.called()
	if m.doom.how == impossible && m.doom.due() {
		m.doom.fired.Store(true)
		*ev = wire.Event{}
		if m.doom.after%2 == 0 {
			return -1, nil
		}
		return len(p) + 1, nil
	}
	return m.Machine.Receive(p, ev)
}

func (m doomedMachine) ReceiveEOF(rest []byte, ev *wire.Event) error {
	m.called()
	return m.Machine.ReceiveEOF(rest, ev)
}

func (m doomedMachine) Send(dst []byte, msg parley.Message) ([]byte, wire.Sent, error) {
	m.called()
	return m.Machine.Send(dst, msg)
}

func (m doomedMachine) Accept()                   { m.called(); m.Machine.Accept() }
func (m doomedMachine) Refuse(reason error) error { m.called(); return m.Machine.Refuse(reason) }
func (m doomedMachine) BodySent()                 { m.called(); m.Machine.BodySent() }
func (m doomedMachine) Awaiting() int             { m.called(); return m.Machine.Awaiting() }
func (m doomedMachine) Output(dst []byte) []byte  { m.called(); return m.Machine.Output(dst) }
func (m doomedMachine) Close(dst []byte) []byte   { m.called(); return m.Machine.Close(dst) }

// doomedPlugin changes nothing, and has flaws in some of its connections.
type doomedPlugin struct {
	next func() *doom
	side side
}

func (doomedPlugin) Name() string { return "doomed" }

func (p doomedPlugin) New(wire.Role, int64) wire.Transform { return doomedTransform{p.next(), p.side} }

type doomedTransform struct {
	doom *doom
	side side
}

func (t doomedTransform) pass(dst, p []byte) ([]byte, error) {
	if t.doom != nil {
		t.doom.meet(inPlugin, t.side)
	}
	return append(dst, p...), nil
}

func (t doomedTransform) Send(dst, p []byte) ([]byte, error)    { return t.pass(dst, p) }
func (t doomedTransform) Receive(dst, p []byte) ([]byte, error) { return t.pass(dst, p) }
