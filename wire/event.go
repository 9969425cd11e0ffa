package wire

import (
	"math"
	"unsafe"
)

// A machine tells a message with every event. The methods here fill it in where
// it is, which is faster than making one and copying it.

// SetBytes makes ev an EventMessage with Bytes(b).
func (ev *Event) SetBytes(b []byte) { ev.set(TypeBytes, unsafe.SliceData(b), uint64(len(b))) }

// SetText makes ev an EventMessage with TextBytes(b).
func (ev *Event) SetText(b []byte) { ev.set(TypeText, unsafe.SliceData(b), uint64(len(b))) }

// SetInt makes ev an EventMessage with Int(i).
func (ev *Event) SetInt(i int64) { ev.set(TypeInt, nil, uint64(i)) }

// SetFloat makes ev an EventMessage with Float(f).
func (ev *Event) SetFloat(f float64) { ev.set(TypeFloat, nil, math.Float64bits(f)) }

func (ev *Event) set(t Type, data *byte, num uint64) {
	m := &ev.Message
	ev.Kind = EventMessage
	m.data, m.num, m.obj, m.meta = data, num, nil, meta(t)
}

// SetTag gives the message of ev the 32 bits of its wire.
func (ev *Event) SetTag(tag uint32) { ev.Message = ev.Message.WithTag(tag) }
