package replay

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/cli/output"
	"github.com/parley-net/parley/cmd/parley/internal/cli/wording"
	"github.com/parley-net/parley/recording"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy/pickle"
)

// toPickle returns the pickle of what a message says.
func toPickle(m parley.Message, protocol int) ([]byte, error) {
	var v any
	switch m.Type() {
	case parley.TypeBytes:
		v = m.Bytes()
	case parley.TypeText:
		v = m.Text()
	case parley.TypeInt:
		v = m.BigInt()
	case parley.TypeFloat:
		v = m.Float()
	default:
		v = m.Object()
	}
	if protocol == 0 {
		protocol = 5
	}
	return pickle.Append(nil, v, protocol)
}

// replayed is a message of a recording.
type replayed struct {
	*recording.Entry
	// send is the message as a connection takes it that neither looks into
	// pickles nor chooses modes; see asRecorded.
	send parley.Message
	// value is what it says.
	value parley.Message
}

// asRecorded returns the protocol with which a recording is replayed: on serpy
// every message keeps the mode and the pickle that it has there.
func asRecorded(p parley.Protocol) parley.Protocol {
	if own, ok := p.(serpy.Protocol); ok {
		own.ForceMode, own.NoPickle = true, true
		return own
	}
	return p
}

// newReplayed returns the message of an entry, to be replayed on p.
func newReplayed(e *recording.Entry, p parley.Protocol) (replayed, error) {
	r := replayed{Entry: e}
	var err error
	if r.value, err = e.Value.Message(); err != nil {
		return r, e.Errorf("%w", err)
	}
	r.send = r.value
	if own, ok := p.(serpy.Protocol); ok {
		if r.send, err = forSerpy(own, e.Value, r.value); err != nil {
			return r, e.Errorf("%w", err)
		}
	}
	return r, nil
}

// forSerpy returns the form of a message that travels in its mode. A message
// without one gets that which serpy would choose.
func forSerpy(p serpy.Protocol, v recording.Value, m parley.Message) (parley.Message, error) {
	mode, ok := serpy.Mode(m)
	if !ok {
		mode = p.Mode
		switch ack := mode & 1; {
		case m.Type() == parley.TypeObject:
			mode = 4 | ack
		case m.Type() == parley.TypeBytes:
			mode = 2 | ack
		}
	}
	if mode < 4 {
		return serpy.WithMode(m, mode), nil
	}
	if v.Pickle != nil && saysTheSame(v.Pickle, m) {
		return serpy.WithMode(parley.Bytes(v.Pickle), mode), nil
	}
	if !ok && m.Type() != parley.TypeObject { // as serpy does: the bytes of its text
		text, err := p.Encoding.Encode(nil, m.AppendText(nil))
		if err != nil {
			return m, err
		}
		m = parley.Bytes(text)
	}
	b, err := toPickle(m, p.PickleProtocol)
	return serpy.WithMode(parley.Bytes(b), mode), err
}

// saysTheSame reports whether a pickle is that of m. A pickle that can't be
// read says what it says.
func saysTheSame(exact []byte, m parley.Message) bool {
	v, err := pickle.Decode(exact, pickle.Limits{})
	return err != nil || equalValues(recording.FromPickle(v), m)
}

// equalValues reports whether two messages have the same value.
func equalValues(a, b parley.Message) bool {
	if a.Type() != b.Type() {
		return false
	}
	if a.Type() == parley.TypeObject {
		x, okX := recording.ToJSON(a.Object())
		y, okY := recording.ToJSON(b.Object())
		if okX || okY {
			return okX && okY && bytes.Equal(x, y)
		}
	}
	return bytes.Equal(output.Payload(a), output.Payload(b))
}

// described returns a message for an error.
func described(m parley.Message) string {
	const most = 80
	b := output.Payload(m)
	var s string
	switch {
	case m.Type() == parley.TypeInt, m.Type() == parley.TypeFloat, m.Type() == parley.TypeObject:
		s = m.Type().String() + " " + wording.Cut(string(b), most)
		if j, ok := recording.ToJSON(m.Object()); ok && m.Type() == parley.TypeObject {
			s = "object " + wording.Cut(string(j), most)
		}
	default:
		q, err := json.Marshal(string(b[:min(len(b), most)]))
		s = fmt.Sprintf("%v %s", m.Type(), q)
		if err != nil || bytes.ContainsRune(q, '\uFFFD') {
			s = fmt.Sprintf("%v hex %x", m.Type(), b[:min(len(b), most)])
		}
		if len(b) > most {
			s += fmt.Sprintf("… (%d bytes)", len(b))
		}
	}
	if mode, ok := serpy.Mode(m); ok {
		s += fmt.Sprintf(" in mode %d", mode)
	}
	return s
}
