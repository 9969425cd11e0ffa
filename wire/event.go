package wire

import "math"

// A Message is large, and a machine tells one with every event. The methods
// here fill it in where it is, which takes a third of the time of making one
// and copying it.

// SetBytes makes ev an EventMessage with Bytes(b).
func (ev *Event) SetBytes(b []byte) { ev.set(TypeBytes, b, 0) }

// SetText makes ev an EventMessage with TextBytes(b).
func (ev *Event) SetText(b []byte) { ev.set(TypeText, b, 0) }

// SetInt makes ev an EventMessage with Int(i).
func (ev *Event) SetInt(i int64) { ev.set(TypeInt, nil, uint64(i)) }

// SetFloat makes ev an EventMessage with Float(f).
func (ev *Event) SetFloat(f float64) { ev.set(TypeFloat, nil, math.Float64bits(f)) }

func (ev *Event) set(t Type, data []byte, num uint64) {
	m := &ev.Message
	ev.Kind = EventMessage
	m.data, m.obj, m.num, m.typ, m.mode, m.flags = data, nil, num, t, 0, 0
}

// SetMode gives the message of ev serpy's mode, 0 to 5.
func (ev *Event) SetMode(mode int) { ev.Message.mode = uint8(mode) + 1 }
