package serpy

import (
	"bytes"
	"fmt"

	"github.com/parley-net/parley/serpy/b85"
	"github.com/parley-net/parley/serpy/pickle"
	"github.com/parley-net/parley/wire"
)

// Send implements wire.Machine. Data follows a change of mode at once: the
// peer handles blocks in order.
func (m *machine) Send(dst []byte, msg wire.Message) ([]byte, wire.Sent, error) {
	if m.left {
		return dst, wire.Sent{}, wire.ErrLeft
	}
	if int64(msg.Len()) > maxMessage {
		return dst, wire.Sent{}, fmt.Errorf("%w: %d bytes, serpy takes %d; send it in parts", wire.ErrTooLarge, msg.Len(), int64(maxMessage))
	}
	mode, err := m.choose(&msg)
	if err != nil {
		return dst, wire.Sent{}, err
	}
	out := dst
	if mode != m.out {
		out = m.appendSetMode(out, mode)
	}
	out, err = m.appendData(out, &msg, mode)
	if err != nil {
		return dst, wire.Sent{}, err
	}
	if acknowledged(mode) {
		out = append(out, eot)
	}
	return append(out, separator), m.sentIn(mode), nil
}

// sentIn notes that a message has been sent in the given mode.
func (m *machine) sentIn(mode uint8) wire.Sent {
	if mode != m.out {
		m.out = mode
		m.setsMode()
	}
	if m.untold = !acknowledged(mode); !m.untold {
		m.unconfirmed++
	}
	return wire.Sent{Confirm: !m.untold}
}

// Repeat implements wire.Repeater: a message is the same on every connection, but
// for the change of mode that may stand before it.
func (m *machine) Repeat(dst, form []byte, msg wire.Message) ([]byte, wire.Sent, error) {
	out, same, sent, err := m.Share(dst, form, msg)
	return append(out, same...), sent, err
}

// Share implements wire.Sharer.
func (m *machine) Share(dst, form []byte, msg wire.Message) (out, same []byte, sent wire.Sent, err error) {
	if m.left {
		return dst, nil, wire.Sent{}, wire.ErrLeft
	}
	mode, err := m.choose(&msg)
	if err != nil {
		return dst, nil, wire.Sent{}, err
	}
	if form[0] == soh { // data begins with none
		form = form[bytes.IndexByte(form, separator)+1:]
	}
	if mode != m.out {
		dst = m.appendSetMode(dst, mode)
	}
	return dst, form, m.sentIn(mode), nil
}

// appendSetMode appends the command that says what follows is in the given
// mode.
func (*machine) appendSetMode(out []byte, mode uint8) []byte {
	out = append(out, soh)
	out = append(out, setMode...)
	return append(out, '0'+mode, separator)
}

// choose returns the mode in which msg travels.
func (m *machine) choose(msg *wire.Message) (uint8, error) {
	asked := int(m.mode)
	if own, ok := Mode(*msg); ok {
		asked = own
	}
	if asked < 0 || asked > 5 {
		return 0, fmt.Errorf("%w: serpy has no mode %d; use 0 to 5", wire.ErrNotRepresentable, asked)
	}
	mode := uint8(asked)
	if msg.Confirm() {
		mode |= 1
	}
	ack := mode & 1

	fits, why := mode, ""
	data := msg.Bytes()
	switch msg.Type() {
	case wire.TypeInt, wire.TypeFloat:
		return mode, nil
	case wire.TypeObject:
		if mode < 4 {
			fits, why = 4|ack, "an object travels as a pickle"
		}
	case wire.TypeBytes:
		switch {
		case !m.forceMode:
			fits = 2 | ack
		case mode >= 4 && len(data) == 0:
			fits, why = 3, "an empty message is no pickle"
		}
	}
	if at := conflict(data, fits); at >= 0 {
		fits = 2 | ack
		if m.forceMode {
			why = fmt.Sprintf("byte %02X at offset %d has a meaning there", data[at], at)
		}
	}
	if (fits == 0 || fits == 2) && len(data) == 0 {
		fits, why = 3, "an empty message vanishes there"
	}
	if m.forceMode && fits != mode {
		return 0, fmt.Errorf("%w: serpy can't send %v in mode %d: %s; send it in mode %d",
			wire.ErrNotRepresentable, msg.Type(), mode, why, fits)
	}
	return fits, nil
}

// conflict returns the offset of the first byte of data that has a meaning in
// the given mode, or -1.
func conflict(data []byte, mode uint8) int {
	if mode >= 2 {
		return -1
	}
	if len(data) > 0 && data[0] == soh {
		return 0
	}
	if i := bytes.IndexByte(data, separator); i >= 0 || mode == 0 {
		return i
	}
	return bytes.IndexByte(data, eot)
}

// appendData appends the form of msg in the given mode, without its EOT and
// separator. What it appends in case of an error means nothing.
func (m *machine) appendData(out []byte, msg *wire.Message, mode uint8) ([]byte, error) {
	start := len(out)
	var err error
	switch msg.Type() {
	case wire.TypeBytes:
		if mode < 2 {
			return append(out, msg.Bytes()...), nil
		}
		return b85.Encode(out, msg.Bytes()), nil // in mode 4 and 5 they are a pickle
	case wire.TypeObject:
		out, err = m.appendPickle(out, msg.Object())
	case wire.TypeText:
		out, err = m.encoding.Encode(out, msg.Bytes())
	default:
		out = msg.AppendText(out)
	}
	if err != nil || mode < 2 {
		return out, err
	}
	if mode >= 4 && msg.Type() != wire.TypeObject {
		text := out[start:]
		if out, err = m.appendPickle(out, text); err != nil {
			return out, err
		}
		out = append(out[:start], out[start+len(text):]...)
	}
	plain := out[start:]
	out = b85.Encode(out, plain)
	return append(out[:start], out[start+len(plain):]...), nil
}

func (m *machine) appendPickle(out []byte, v any) ([]byte, error) {
	out, err := pickle.Append(out, v, int(m.pickleProtocol))
	if err != nil {
		return out, fmt.Errorf("%w: %w", wire.ErrNotRepresentable, err)
	}
	return out, nil
}

// SendHead implements wire.Machine. The protocol has no streams.
func (m *machine) SendHead(dst []byte, _ int64) ([]byte, wire.Sent, error) {
	return dst, wire.Sent{}, wire.ErrNotRepresentable
}

// BodySent implements wire.Machine. There are no open bodies.
func (m *machine) BodySent() {}
