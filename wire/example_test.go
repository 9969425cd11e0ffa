package wire_test

import (
	"bytes"
	"fmt"

	"github.com/parley-net/parley/wire"
)

// Zero is a wire of one's own: messages are bytes that end with a zero. As a
// parley.Protocol it works in servers, clients and everything else as the others do;
// docs/write-your-own-wire.md explains it line by line.
type Zero struct{}

// Name returns "zero".
func (Zero) Name() string { return "zero" }

// Traits says that messages are byte strings, of any size that Limits allow.
func (Zero) Traits() wire.Traits {
	return wire.Traits{Types: wire.Types(wire.TypeBytes), MaxMessage: 1 << 30}
}

// New returns the machine of a connection.
func (z Zero) New(_ wire.Role, limits wire.Limits) wire.Machine {
	return &zeroMachine{Simple: wire.Simple{Protocol: z.Name()}, longest: int(limits.Message(z.Traits()))}
}

type zeroMachine struct {
	wire.Simple
	longest int
	looked  int // how much of the unfinished message has no zero
}

func (m *zeroMachine) Receive(p []byte, ev *wire.Event) (int, error) {
	if m.Begin(ev) {
		return 0, nil
	}
	i := bytes.IndexByte(p[m.looked:], 0)
	if i < 0 {
		i, m.looked = len(p), len(p)
	} else {
		i, m.looked = i+m.looked, 0
	}
	switch {
	case i > m.longest:
		return 0, m.Broken(fmt.Sprintf("a message of more than %d bytes", m.longest))
	case i == len(p):
		return 0, nil
	}
	ev.SetBytes(p[:i])
	return m.Took(i + 1), nil
}

func (m *zeroMachine) Send(dst []byte, msg wire.Message) ([]byte, wire.Sent, error) {
	b, plain := msg.Plain()
	switch {
	case !plain || bytes.IndexByte(b, 0) >= 0:
		return dst, wire.Sent{}, fmt.Errorf("%w: bytes or text without zeros", wire.ErrNotRepresentable)
	case len(b) > m.longest:
		return dst, wire.Sent{}, wire.ErrTooLarge
	}
	return append(append(dst, b...), 0), wire.Sent{}, nil
}

// A wire of one's own in 60 lines.
func ExampleProtocol() {
	m := Zero{}.New(wire.Accepting, wire.Limits{})
	out, _, err := m.Send(nil, wire.Text("hello"))
	fmt.Printf("%q %v\n", out, err)

	var ev wire.Event
	m.Receive(nil, &ev)
	fmt.Println(ev.Kind)
	n, err := m.Receive([]byte("one\x00two"), &ev)
	fmt.Println(n, ev.Kind, ev.Message, err)
	n, err = m.Receive([]byte("two"), &ev)
	fmt.Println(n, ev.Kind, err)
	// Output:
	// "hello\x00" <nil>
	// open
	// 4 message bytes[3] 6f6e65 <nil>
	// 0 none <nil>
}
