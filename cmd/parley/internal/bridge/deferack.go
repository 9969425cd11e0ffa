package bridge

import (
	"bytes"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/wire"
)

// deferAck returns serpy with acknowledgements that wait until the program has
// sent taken, once for each message in an acknowledged mode; any other wire as
// it is. tinyproto's OK can't wait: it comes before the payload.
func deferAck(p parley.Protocol) parley.Protocol {
	if p, ok := p.(serpy.Protocol); ok {
		return deferred{p}
	}
	return p
}

// isAcknowledged reports whether m's sender waits for an acknowledgement that
// is deferred.
func isAcknowledged(m parley.Message) bool {
	mode, ok := serpy.Mode(m)
	return ok && mode&1 == 1
}

// take lets the sender of m, which has arrived on c, have its acknowledgement.
// It must be called for each message, in their order.
func take(c *parley.Conn, m parley.Message) {
	if isAcknowledged(m) {
		c.Send(c.Context(), parley.Object(taken{})) // if that fails nobody waits for it
	}
}

// taken is sent as an object, and never reaches the wire.
type taken struct{}

// String is what a trace prints.
func (taken) String() string { return "taken: it may be acknowledged" }

type deferred struct{ serpy.Protocol }

func (p deferred) New(role wire.Role, limits wire.Limits) wire.Machine {
	return &deferrer{Machine: p.Protocol.New(role, limits)}
}

// deferrer is a serpy machine whose output waits at each acknowledgement.
type deferrer struct {
	wire.Machine
	owed  []byte // commands, each ended by 1F
	taken int    // acknowledgements that may leave
}

const acknowledgement = "\x01ACKEOT!!\x1f"

// Send takes a message that is to be sent, or notes that one has been taken.
func (w *deferrer) Send(dst []byte, m wire.Message) ([]byte, wire.Sent, error) {
	if _, ok := m.Object().(taken); ok {
		w.taken++
		return dst, wire.Sent{Owes: true}, nil
	}
	return w.Machine.Send(dst, m)
}

// Output appends what may leave of what is owed.
func (w *deferrer) Output(dst []byte) []byte {
	w.owed = w.Machine.Output(w.owed)
	rest := w.owed
	for len(rest) > 0 {
		command := rest[:bytes.IndexByte(rest, 0x1F)+1]
		if string(command) == acknowledgement {
			if w.taken == 0 {
				break
			}
			w.taken--
		}
		dst = append(dst, command...)
		rest = rest[len(command):]
	}
	w.owed = append(w.owed[:0], rest...)
	return dst
}
