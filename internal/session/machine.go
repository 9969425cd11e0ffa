package session

import (
	"errors"
	"fmt"

	"github.com/parley-net/parley/wire"
)

// machine is a Session as the guard of its machine, which is somebody else's code: if
// that panics or breaks wire.Machine's contract, it is not asked anything more, and its
// connection ends.
type machine Session

// Machine returns the machine, guarded.
func (s *Session) Machine() *machine { return (*machine)(s) }

// Fault is what a machine has done.
type Fault uint8

const (
	FaultContract Fault = iota // it has broken the contract of wire.Machine
	FaultPanic
	FaultGoexit // it has ended the goroutine, which can't go on
)

// errGoexit stands for what a panic would have brought.
var ErrGoexit = errors.New("the goroutine was ended by runtime.Goexit, as t.Fatal does")

// mostEvents is how many events may come of no input, one after the other: a
// machine tells no more than two or three of the same byte.
const mostEvents = 1000

// caught is deferred around a call of the machine, during which err is errGoexit.
func (g *machine) caught(err *error) {
	switch r := recover(); {
	case r != nil:
		*err = g.Panicked(r)
	case *err == ErrGoexit:
		g.Deserted()
	}
}

// Deserted ends the connection of a machine that has ended its goroutine.
func (g *machine) Deserted() {
	g.wrecked(fmt.Errorf("parley: in the machine of %s, serving %s, %w", g.rules.Name, g.host.Peer(), ErrGoexit), FaultGoexit)
}

// Panicked ends the connection of a machine that has panicked.
func (g *machine) Panicked(r any) error {
	return g.wrecked(fmt.Errorf("parley: panic in the machine of %s, serving %s: %v", g.rules.Name, g.host.Peer(), r), FaultPanic)
}

// Broke ends the connection of a machine that has broken its contract.
func (g *machine) Broke(format string, a ...any) error {
	return g.wrecked(fmt.Errorf("parley: the machine of %s, serving %s, breaks the contract of wire.Machine: %s", g.rules.Name, g.host.Peer(), fmt.Sprintf(format, a...)), FaultContract)
}

// wrecked ends the connection because its machine can't be used any more.
func (g *machine) wrecked(err error, how Fault) error {
	if w, known := g.m.(wreck); known {
		return w.err
	}
	(*Session)(g).wreck(err)
	g.out.NoControl()
	g.host.Faulted(err, how)
	return err
}

// Receive is the machine's.
func (g *machine) Receive(p []byte, ev *wire.Event) (n int, err error) {
	err = ErrGoexit
	defer g.caught(&err)
	return g.receive(p, ev)
}

// receive is Receive for a caller that catches a panic itself.
func (g *machine) receive(p []byte, ev *wire.Event) (n int, err error) {
	n, err = g.m.Receive(p, ev)
	if uint(n) > uint(len(p)) {
		return 0, g.Broke("Receive has consumed %d bytes of %d", n, len(p))
	}
	if n > 0 || ev.Kind == wire.EventNone || err != nil {
		(*Session)(g).moved()
	} else if still := (*Session)(g).stands(); still > mostEvents {
		return 0, g.Broke("Receive has told %d events without consuming a byte, the last is %v", still, ev.Kind)
	}
	return n, err
}

// Told checks that the event may come now.
func (g *machine) Told(ev *wire.Event) error {
	a := &g.asm
	switch kind := ev.Kind; {
	case kind == wire.EventOpen:
		if g.talked.Opened() {
			return g.Broke("a second EventOpen")
		}
		return nil
	case kind == wire.EventBanner:
		if g.talked.Opened() {
			return g.Broke("EventBanner comes behind EventOpen")
		}
	case kind == wire.EventNone, kind == wire.EventLeave, kind == wire.EventShutdown:
	case kind > wire.EventShutdown:
		return g.Broke("there is no event %d", kind)
	case !g.talked.Opened() && kind != wire.EventLost && !g.life.Ending(): // then EventOpen came too late
		return g.Broke("event %v comes before EventOpen", kind)
	case kind == wire.EventMessage, kind == wire.EventOffer:
		if !a.Idle() {
			return g.Broke("event %v comes inside a message", kind)
		}
		if kind == wire.EventOffer && ev.N < -1 {
			return g.Broke("a message of %d bytes is offered", ev.N)
		}
	case kind == wire.EventData, kind == wire.EventEnd:
		n := int64(len(a.Buf()) + len(ev.Data))
		switch {
		case a.Idle():
			return g.Broke("event %v comes without an EventOffer", kind)
		case a.Lost() != nil || a.Size() < 0:
		case kind == wire.EventData && n > a.Size():
			return g.Broke("a message of %d bytes brings more", a.Size())
		case kind == wire.EventEnd && int64(len(a.Buf())) < a.Size() && ev.Message.Type() <= wire.TypeText:
			return g.Broke("a message of %d bytes ends after %d", a.Size(), len(a.Buf()))
		}
	case kind == wire.EventLost:
		if ev.Err == nil && a.Lost() == nil {
			return g.Broke("EventLost without a reason")
		}
	case kind == wire.EventConfirmed:
		if ev.N < 0 || uint64(ev.N) > g.sending.ExpectConfirms()-g.stats.Confirmed {
			return g.Broke("%d messages are confirmed, %d are to be", ev.N, g.sending.ExpectConfirms()-g.stats.Confirmed)
		}
	}
	return nil
}

// ReceiveEOF is the machine's.
func (g *machine) ReceiveEOF(rest []byte, ev *wire.Event) (err error) {
	err = ErrGoexit
	defer g.caught(&err)
	err = g.m.ReceiveEOF(rest, ev)
	switch {
	case ev.Kind == wire.EventGranted:
		return err
	case err != nil:
		ev.Kind = wire.EventNone
		return err
	case ev.Kind == wire.EventNone:
		return nil
	case ev.Kind != wire.EventMessage:
		return g.Broke("ReceiveEOF tells event %v", ev.Kind)
	}
	return g.Told(ev)
}

// Accept is the machine's; an error has ended the connection.
func (g *machine) Accept() (err error) {
	err = ErrGoexit
	defer g.caught(&err)
	g.m.Accept()
	return nil
}

// Refuse is the machine's.
func (g *machine) Refuse(reason error) (err error) {
	err = ErrGoexit
	defer g.caught(&err)
	return g.m.Refuse(reason)
}

// Send is the machine's.
func (g *machine) Send(dst []byte, m wire.Message) (out []byte, sent wire.Sent, err error) {
	out, err = dst, ErrGoexit
	defer g.caught(&err)
	appended, sent, err := g.m.Send(dst, m)
	return g.checked("Send", dst, appended, sent, err)
}

// SendHead is the machine's.
func (g *machine) SendHead(dst []byte, size int64) (out []byte, sent wire.Sent, err error) {
	out, err = dst, ErrGoexit
	defer g.caught(&err)
	appended, sent, err := g.m.SendHead(dst, size)
	return g.checked("SendHead", dst, appended, sent, err)
}

// Repeat is that of r, which is the machine.
func (g *machine) Repeat(r wire.Repeater, dst, form []byte, m wire.Message) (out []byte, sent wire.Sent, err error) {
	out, err = dst, ErrGoexit
	defer g.caught(&err)
	appended, sent, err := r.Repeat(dst, form, m)
	return g.checked("Repeat", dst, appended, sent, err)
}

// Share is that of s, which is the machine.
func (g *machine) Share(s wire.Sharer, dst, form []byte, m wire.Message) (out, same []byte, sent wire.Sent, err error) {
	out, err = dst, ErrGoexit
	defer g.caught(&err)
	appended, same, sent, err := s.Share(dst, form, m)
	out, sent, err = g.checked("Share", dst, appended, sent, err)
	return out, same, sent, err
}

// checked checks what the machine has made of a message.
func (g *machine) checked(name string, dst, out []byte, sent wire.Sent, err error) ([]byte, wire.Sent, error) {
	(*Session)(g).moved() // what has been sent may be granted, or refused
	switch {
	case err != nil:
		return dst, sent, err
	case len(out) < len(dst), sent.Body > wire.BodyHeld:
		return dst, wire.Sent{}, g.Broke("%s returns %d bytes for %d, and body %d", name, len(out), len(dst), sent.Body)
	}
	return out, sent, nil
}

// BodySent is the machine's; an error has ended the connection.
func (g *machine) BodySent() (err error) {
	err = ErrGoexit
	defer g.caught(&err)
	g.m.BodySent()
	return nil
}

// Output is the machine's.
func (g *machine) Output(dst []byte) (out []byte) {
	out, err := dst, ErrGoexit
	defer g.caught(&err)
	out, err = g.m.Output(dst), nil
	if len(out) < len(dst) {
		g.Broke("Output returns %d bytes for %d", len(out), len(dst))
		return dst
	}
	return out
}

// Close is the machine's.
func (g *machine) Close(dst []byte) (out []byte) {
	out, err := dst, ErrGoexit
	defer g.caught(&err)
	out, err = g.m.Close(dst), nil
	if len(out) < len(dst) {
		g.Broke("Close returns %d bytes for %d", len(out), len(dst))
		return dst
	}
	return out
}

// Hint is the machine's, if it has one.
func (g *machine) Hint(first []byte) (hint string) {
	err := ErrGoexit
	defer g.caught(&err)
	if h, ok := g.m.(wire.Hinter); ok {
		hint = h.Hint(first)
	}
	err = nil
	return hint
}

// Awaiting is the machine's.
func (g *machine) Awaiting() (n int) {
	err := ErrGoexit
	defer g.caught(&err)
	n, err = g.m.Awaiting(), nil
	if n < 0 {
		g.Broke("Awaiting returns %d", n)
		return 0
	}
	return n
}

// AwaitingProgram is the machine's, if it can tell.
func (g *machine) AwaitingProgram() (n int) {
	err := ErrGoexit
	defer g.caught(&err)
	if d, ok := g.m.(wire.Deferrer); ok {
		n = d.AwaitingProgram()
	}
	err = nil
	return n
}

// wreck stands in for a machine that has broken its contract.
type wreck struct{ err error }

func (w wreck) Receive([]byte, *wire.Event) (int, error) { return 0, w.err }
func (w wreck) ReceiveEOF([]byte, *wire.Event) error     { return w.err }
func (wreck) Accept()                                    {}
func (w wreck) Refuse(error) error                       { return w.err }
func (w wreck) Send(dst []byte, _ wire.Message) ([]byte, wire.Sent, error) {
	return dst, wire.Sent{}, w.err
}
func (w wreck) SendHead(dst []byte, _ int64) ([]byte, wire.Sent, error) {
	return dst, wire.Sent{}, w.err
}
func (wreck) BodySent()                {}
func (wreck) Output(dst []byte) []byte { return dst }
func (wreck) Awaiting() int            { return 0 }
func (wreck) Close(dst []byte) []byte  { return dst }
