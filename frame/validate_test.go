package frame_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/parley-net/parley/frame"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// Verifies: FRAME-22
func TestValidate(t *testing.T) {
	for _, c := range []struct {
		p    frame.Protocol
		want string
	}{
		{frame.Protocol{}, "nothing says where a frame ends: write size=u16be"},
		{frame.Protocol{Magic: "AB"}, "nothing says where a frame ends"},
		{frame.Protocol{Size: frame.U8, Fixed: 4}, "size=u8 and fixed=4 exclude each other"},
		{frame.Protocol{Size: frame.U8, Marks: frame.COBS}, "size=u8 and cobs exclude each other"},
		{frame.Protocol{Fixed: 4, Marks: frame.SLIP}, "fixed=4 and slip exclude each other"},
		{frame.Protocol{Size: 99}, "unknown (99)"},
		{frame.Protocol{Size: frame.U8, Check: 99}, "unknown (99)"},
		{frame.Protocol{Size: frame.U8, Check: frame.Sum8, Over: 9}, "unknown (9)"},
		{frame.Protocol{Marks: 9}, "unknown (9)"},
		{frame.Protocol{Size: frame.U8, Over: frame.OverPayload}, "over=payload says what a check is computed over, and there is none"},
		{frame.Protocol{Marks: frame.SLIP, Magic: "AB"}, "magic is about the head of a frame, and what stands between the marks of slip has none"},
		{frame.Protocol{Marks: frame.COBS, Strip: 1}, "strip is about the head"},
		{frame.Protocol{Marks: frame.STX, Offset: 1}, "offset is about the head"},
		{frame.Protocol{Marks: frame.STX, Adjust: 1}, "adjust is about the head"},
		{frame.Protocol{Fixed: -1}, "at least 1 byte"},
		{frame.Protocol{Fixed: 8, Offset: 2}, "offset and adjust are about a size"},
		{frame.Protocol{Fixed: 8, Adjust: 2}, "offset and adjust are about a size"},
		{frame.Protocol{Fixed: 4, Magic: "AB", Check: frame.CRC16Modbus}, "leave no room for a message: write fixed=5"},
		{frame.Protocol{Fixed: 100, Max: 50}, "its payload of 100 bytes is above max=50"},
		{frame.Protocol{Fixed: 65 << 20}, "is above max=67108864"},
		{frame.Protocol{Size: frame.U8, Offset: -1}, "can't stand before the frame"},
		{frame.Protocol{Size: frame.U8, Magic: "ABC", Offset: 2}, "the size would stand inside the magic, whose 3 bytes offset counts too: write offset=3 or more"},
		{frame.Protocol{Size: frame.U8, Offset: 5000}, "at most 4096"},
		{frame.Protocol{Size: frame.U8, Magic: strings.Repeat("x", 65)}, "at most 64"},
		{frame.Protocol{Size: frame.U8, Adjust: -256}, "even the largest u8, 255, leaves no frame"},
		{frame.Protocol{Size: frame.U8, Adjust: -254, Check: frame.CRC16XMODEM}, "even the largest u8"},
		{frame.Protocol{Size: frame.U8, Adjust: 1 << 40}, "possible is from"},
		{frame.Protocol{Size: frame.U8, Adjust: -1 << 40}, "possible is from"},
		{frame.Protocol{Size: frame.U16BE, Adjust: 65 << 20}, "even with a size of 0 the payload is above max"},
		{frame.Protocol{Size: frame.U16BE, Strip: -2}, "write 0 for the whole frame, or head (2) for the payload"},
		{frame.Protocol{Size: frame.U16BE, Strip: 5000}, "at most 4096"},
		{frame.Protocol{Fixed: 4, Strip: 4}, "nothing of a frame of 4 bytes would be left"},
		{frame.Protocol{Size: frame.U16BE, Max: -1}, "possible is from 1"},
		{frame.Protocol{Size: frame.U64BE, Max: 1 << 60}, "possible is from 1"},
		{frame.Protocol{Size: frame.U8, Max: 1000}, "size=u8 can't announce more than 255 bytes of payload: write max=255, or a larger size such as u16be"},
		{frame.Protocol{Size: frame.U16LE, Max: 65535, Check: frame.CRC32}, "more than 65531 bytes of payload: write max=65531, or a larger size such as u32le"},
		{frame.Protocol{Size: frame.U32BE, Max: 1 << 33}, "such as u64be"},
	} {
		err := c.p.Validate(wire.Dialing)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.p, err, c.want)
		}
		// Who does not ask is told by the machine.
		m := c.p.New(wire.Accepting, wire.Limits{})
		var broken *wire.ProtocolError
		if _, _, err := wiretest.Receive(m, nil); !errors.As(err, &broken) {
			t.Errorf("%+v: the machine says %v", c.p, err)
		}
		if c.p.Traits().MaxMessage < 0 {
			t.Errorf("%+v: largest message %d", c.p, c.p.Traits().MaxMessage)
		}
	}
	for _, p := range []frame.Protocol{
		{Size: frame.U8, Max: 255}, {Size: frame.U8, Adjust: -255}, {Size: frame.U8, Magic: "AB", Offset: 2, Strip: 3}, {Size: frame.U64LE, Max: 1 << 40},
		{Fixed: 1}, {Fixed: 5, Magic: "AB", Check: frame.CRC16Modbus}, {Marks: frame.SLIP, Check: frame.CRC32, Over: frame.OverPayload, Max: 5},
		{Size: frame.U32BE, Adjust: -4, Strip: 40}, {Fixed: 100 << 20, Max: 100 << 20},
	} {
		if err := p.Validate(wire.Dialing); err != nil {
			t.Errorf("%+v: %v", p, err)
		}
	}
}

// Verifies: FRAME-02
func TestNames(t *testing.T) {
	for i, name := range []string{"u8", "u16be", "u16le", "u32be", "u32le", "u64be", "u64le", "varint"} {
		var s frame.Size
		if err := s.UnmarshalText([]byte(name)); err != nil || s != frame.Size(i+1) || s.String() != name {
			t.Errorf("%s is read as %v, %v", name, s, err)
		}
	}
	var s frame.Size
	if err := s.UnmarshalText([]byte("u24be")); err == nil || err.Error() != `there is no size "u24be": use u8, u16be, u16le, u32be, u32le, u64be, u64le, varint` {
		t.Error(err)
	}
	var o frame.Over
	var m frame.Marks
	if o.UnmarshalText([]byte("payload")) != nil || o != frame.OverPayload || o.UnmarshalText([]byte("head")) == nil ||
		m.UnmarshalText([]byte("stx")) != nil || m != frame.STX || m.UnmarshalText([]byte("")) == nil {
		t.Error("names of over or marks")
	}
}
