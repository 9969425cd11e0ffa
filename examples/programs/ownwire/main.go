// Ownwire speaks a wire of its own: records of text, each a line that begins with "@".
// Half of its machine is wire.Simple.
package main

import (
	"bytes"
	"context"
	"fmt"
	"log"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/wire"
)

func main() {
	srv := &parley.Server{Protocol: Records{}, Handler: parley.HandlerFunc(
		func(ctx context.Context, c *parley.Conn, m parley.Message) error { return c.Send(ctx, m) })}
	log.Fatal(srv.ListenAndServe("127.0.0.1:7000"))
}

// Records is a wire of lines of text that begin with "@"; others are lost.
type Records struct{}

// Name returns "records".
func (Records) Name() string { return "records" }

// Traits says that messages are text of at most 64 KiB.
func (Records) Traits() wire.Traits {
	return wire.Traits{Types: wire.Types(wire.TypeText), MaxMessage: 64 << 10}
}

// New returns a machine.
func (r Records) New(_ wire.Role, l wire.Limits) wire.Machine {
	return &machine{Simple: wire.Simple{Protocol: r.Name()}, longest: int(l.Message(r.Traits()))}
}

type machine struct {
	wire.Simple
	longest, looked int
}

// Receive takes the next line.
func (m *machine) Receive(p []byte, ev *wire.Event) (int, error) {
	if m.Begin(ev) {
		return 0, nil
	}
	i := bytes.IndexByte(p[m.looked:], '\n')
	if i < 0 {
		if m.looked = len(p); len(p) > m.longest+1 {
			return 0, m.Broken(fmt.Sprintf("a record of more than %d bytes", m.longest))
		}
		return 0, nil
	}
	i += m.looked
	m.looked = 0
	switch {
	case i > m.longest+1:
		return 0, m.Broken(fmt.Sprintf("a record of more than %d bytes", m.longest))
	case i == 0 || p[0] != '@':
		m.Lose(ev, `a record begins with "@"`, nil)
	default:
		ev.SetText(p[1:i])
	}
	return m.Took(i + 1), nil
}

// Send appends a record.
func (m *machine) Send(dst []byte, msg wire.Message) ([]byte, wire.Sent, error) {
	out := msg.AppendText(append(dst, '@')) // numbers too, as text
	text := out[len(dst)+1:]
	switch {
	case msg.Type() == wire.TypeObject || bytes.IndexByte(text, '\n') >= 0:
		return dst, wire.Sent{}, fmt.Errorf("%w: text without the end of a line", wire.ErrNotRepresentable)
	case len(text) > m.longest:
		return dst, wire.Sent{}, wire.ErrTooLarge
	}
	return append(out, '\n'), wire.Sent{}, nil
}
