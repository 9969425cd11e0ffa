// Ownframe speaks a second wire of its own: a hello, sizes in front, and an
// acknowledgement for each message, so that Confirm works and large messages are
// streams.
package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/wire"
)

func main() {
	srv := &parley.Server{Protocol: Acked{}, Handler: sink{}, Limits: parley.Limits{MaxMessage: 1 << 20}}
	log.Fatal(srv.ListenAndServe("127.0.0.1:7001"))
}

// sink counts bytes, of messages and of streams.
type sink struct{}

// ServeMessage answers with the size.
func (sink) ServeMessage(ctx context.Context, c *parley.Conn, m parley.Message) error {
	return c.Send(ctx, parley.Text(fmt.Sprint("message ", m.Len())))
}

// ServeStream likewise.
func (sink) ServeStream(ctx context.Context, c *parley.Conn, s *parley.Stream) error {
	n, err := io.Copy(io.Discard, s)
	if err != nil {
		return err
	}
	return c.Send(ctx, parley.Text(fmt.Sprint("stream ", n)))
}

// Acked is a wire: "HI" from either side, then D, a size in 4 bytes and the payload
// for a message, A for each message that has come.
type Acked struct{}

const (
	hello  = "HI"
	data   = 'D'
	ack    = 'A'
	header = 5
	most   = 1 << 31
)

// Name returns "acked".
func (Acked) Name() string { return "acked" }

// Traits says what the wire can do.
func (Acked) Traits() wire.Traits {
	return wire.Traits{Types: wire.Types(wire.TypeBytes), MaxMessage: most, Confirms: true, Sized: true, SendsStreams: true, Opaque: true}
}

// New returns a machine, which owes a hello.
func (a Acked) New(_ wire.Role, l wire.Limits) wire.Machine {
	return &acked{Simple: wire.Simple{Protocol: a.Name()}, longest: l.Message(a.Traits()), greet: true, greeted: true}
}

type acked struct {
	wire.Simple
	longest        int64
	greet, greeted bool // our hello is owed, the peer's is awaited
	acks           int  // that we owe
	unacked        int  // messages that the peer has to acknowledge
	left           int64
	inside         bool // a message that was offered
	sending        bool // its body is open
}

// Receive takes a hello, an acknowledgement, or what comes of a message.
func (m *acked) Receive(p []byte, ev *wire.Event) (n int, err error) {
	ev.Kind = wire.EventNone
	n, err = m.receive(p, ev)
	ev.Owes = m.acks > 0 || m.greet
	return m.Took(n), err
}

func (m *acked) receive(p []byte, ev *wire.Event) (int, error) {
	switch {
	case m.inside && m.left == 0:
		m.inside = false
		m.acks++
		ev.Kind, ev.Message = wire.EventEnd, wire.Message{}
		return 0, nil
	case len(p) == 0:
		return 0, nil
	case m.inside:
		n := int(min(int64(len(p)), m.left))
		m.left -= int64(n)
		ev.Kind, ev.Data = wire.EventData, p[:n]
		return n, nil
	case m.greeted:
		if n := min(len(p), len(hello)); string(p[:n]) != hello[:n] {
			return 0, m.Broken("the peer does not begin with HI")
		} else if n < len(hello) {
			return 0, nil
		}
		m.greeted = false
		ev.Kind = wire.EventOpen
		return len(hello), nil
	case p[0] == ack && m.unacked > 0:
		m.unacked--
		ev.Kind, ev.N = wire.EventConfirmed, 1
		return 1, nil
	case p[0] != data:
		return 0, m.Broken("neither a message nor an acknowledgement that is due")
	case len(p) < header:
		return 0, nil
	}
	size := int64(binary.BigEndian.Uint32(p[1:]))
	switch {
	case size > most:
		return 0, m.Broken("a message of more than 2 GiB")
	case size <= m.longest && int64(len(p)) >= header+size:
		m.acks++
		ev.SetBytes(p[header : header+size])
		return header + int(size), nil
	}
	m.inside, m.left = true, size
	ev.Kind, ev.N, ev.Message = wire.EventOffer, size, wire.Bytes(nil)
	return header, nil
}

// ReceiveEOF also knows of the message that was offered.
func (m *acked) ReceiveEOF(rest []byte, ev *wire.Event) error {
	if err := m.Simple.ReceiveEOF(rest, ev); err != nil || !m.inside {
		return err
	}
	return &wire.ProtocolError{Protocol: m.Protocol, Offset: m.Offset, Rule: "the stream ends inside a message", Err: io.ErrUnexpectedEOF}
}

// Send appends the header; the body follows from where it is.
func (m *acked) Send(dst []byte, msg wire.Message) ([]byte, wire.Sent, error) {
	if _, plain := msg.Plain(); !plain {
		return dst, wire.Sent{}, fmt.Errorf("%w: bytes and text only", wire.ErrNotRepresentable)
	}
	return m.SendHead(dst, int64(msg.Len()))
}

// SendHead appends the header of a message of size bytes.
func (m *acked) SendHead(dst []byte, size int64) ([]byte, wire.Sent, error) {
	if size > most {
		return dst, wire.Sent{}, wire.ErrTooLarge
	}
	m.unacked++
	m.sending = true
	return binary.BigEndian.AppendUint32(append(dst, data), uint32(size)), wire.Sent{Body: wire.BodyFollows, Confirm: true}, nil
}

// BodySent lets acknowledgements leave again.
func (m *acked) BodySent() { m.sending = false }

// Output appends the hello and acknowledgements, never inside a message.
func (m *acked) Output(dst []byte) []byte {
	if m.sending {
		return dst
	}
	if m.greet {
		m.greet = false
		dst = append(dst, hello...)
	}
	for ; m.acks > 0; m.acks-- {
		dst = append(dst, ack)
	}
	return dst
}

// Awaiting counts the hello and the acknowledgements that we wait for.
func (m *acked) Awaiting() int {
	if m.greeted {
		return m.unacked + 1
	}
	return m.unacked
}
