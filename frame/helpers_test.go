package frame_test

import (
	"encoding/binary"
	"encoding/hex"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/parley-net/parley/frame"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

var roles = []wire.Role{wire.Dialing, wire.Accepting}

// forms are combinations of the options, each option with each other one that
// it may meet.
var forms = []struct {
	name string
	frame.Protocol
}{
	{"u8", frame.Protocol{Size: frame.U8, Strip: frame.Head}},
	{"u16be", frame.Protocol{Size: frame.U16BE, Strip: frame.Head}},
	{"u16le itself counted", frame.Protocol{Size: frame.U16LE, Adjust: -2, Strip: frame.Head}},
	{"u32be", frame.Protocol{Size: frame.U32BE, Strip: frame.Head}},
	{"u32be whole", frame.Protocol{Size: frame.U32BE}},
	{"u32le at 3 with crc32", frame.Protocol{Size: frame.U32LE, Offset: 3, Strip: frame.Head, Check: frame.CRC32}},
	{"u64be whole with crc32c", frame.Protocol{Size: frame.U64BE, Check: frame.CRC32C}},
	{"u64le magic", frame.Protocol{Size: frame.U64LE, Magic: "\xAA\x55", Strip: frame.Head}},
	{"varint", frame.Protocol{Size: frame.Varint, Strip: frame.Head}},
	{"varint whole", frame.Protocol{Size: frame.Varint}},
	{"varint magic whole with xor8", frame.Protocol{Size: frame.Varint, Magic: "ZZ", Offset: 4, Check: frame.Xor8, Over: frame.OverPayload}},
	{"modbus tcp", frame.Protocol{Size: frame.U16BE, Offset: 4, Max: 254}},
	{"magic, crc16 not counted", frame.Protocol{Size: frame.U16LE, Magic: "\xAA\x55", Adjust: 2, Strip: frame.Head, Check: frame.CRC16Modbus}},
	{"magic, whole, crc16 of the payload", frame.Protocol{Size: frame.U32BE, Magic: "\xAA\xAA\x55", Offset: 5, Check: frame.CRC16CCITTFalse, Over: frame.OverPayload}},
	{"magic of one byte, sum8", frame.Protocol{Size: frame.U16BE, Magic: "\x7E", Strip: frame.Head, Check: frame.Sum8}},
	{"fixed", frame.Protocol{Fixed: 16}},
	{"fixed magic", frame.Protocol{Fixed: 20, Magic: "HEAD", Strip: frame.Head}},
	{"fixed magic whole with crc16", frame.Protocol{Fixed: 18, Magic: "\x01\x02", Check: frame.CRC16XMODEMLE}},
	{"slip", frame.Protocol{Marks: frame.SLIP}},
	{"slip crc16", frame.Protocol{Marks: frame.SLIP, Check: frame.CRC16CCITTFalseLE}},
	{"cobs", frame.Protocol{Marks: frame.COBS}},
	{"cobs crc32-le", frame.Protocol{Marks: frame.COBS, Check: frame.CRC32LE}},
	{"stx", frame.Protocol{Marks: frame.STX}},
	{"stx xor8", frame.Protocol{Marks: frame.STX, Check: frame.Xor8}},
	{"stx crc16-modbus-be", frame.Protocol{Marks: frame.STX, Check: frame.CRC16ModbusBE}},
}

// whole reports whether a message of p is a whole frame, head included.
func whole(p frame.Protocol) bool {
	return p.Marks == frame.NoMarks && p.Strip == 0 && len(head(p, 0)) > 0
}

// head is the head of a frame with a payload of n bytes, written down anew from
// what docs/protocol/frame.md says.
func head(p frame.Protocol, n int) []byte {
	b := []byte(p.Magic)
	for len(b) < p.Offset {
		b = append(b, byte(0xE0+len(b)))
	}
	v := uint64(int64(n) - p.Adjust)
	if p.Check != frame.NoCheck {
		v += uint64(trailer(p.Check))
	}
	switch p.Size {
	case frame.U8:
		b = append(b, byte(v))
	case frame.U16BE:
		b = binary.BigEndian.AppendUint16(b, uint16(v))
	case frame.U16LE:
		b = binary.LittleEndian.AppendUint16(b, uint16(v))
	case frame.U32BE:
		b = binary.BigEndian.AppendUint32(b, uint32(v))
	case frame.U32LE:
		b = binary.LittleEndian.AppendUint32(b, uint32(v))
	case frame.U64BE:
		b = binary.BigEndian.AppendUint64(b, v)
	case frame.U64LE:
		b = binary.LittleEndian.AppendUint64(b, v)
	case frame.Varint:
		for ; v >= 0x80; v >>= 7 {
			b = append(b, byte(v)|0x80)
		}
		b = append(b, byte(v))
	}
	return b
}

func trailer(c frame.Check) int {
	switch {
	case strings.HasPrefix(c.String(), "crc32"):
		return 4
	case strings.HasPrefix(c.String(), "crc16"):
		return 2
	case c == frame.NoCheck:
		return 0
	}
	return 1
}

// message returns a message that p carries with about that payload.
func message(p frame.Protocol, payload []byte) wire.Message {
	if p.Fixed > 0 {
		n := p.Fixed - len(p.Magic) - trailer(p.Check)
		payload = append(append(make([]byte, 0, n), payload[:min(n, len(payload))]...), make([]byte, n-min(n, len(payload)))...)
	} else if most := p.Max; most > 0 && int64(len(payload)) > most {
		payload = payload[:most]
	}
	if p.Size == frame.U8 {
		payload = payload[:min(len(payload), 255)]
	}
	if whole(p) {
		payload = append(head(p, len(payload)), payload...)
	}
	return wire.Bytes(payload)
}

// sample is for wiretest.Conformance.
func sample(p frame.Protocol) func(n int) []wire.Message {
	return func(n int) []wire.Message {
		text := strings.Repeat("abcdefghijklmnopqrstuvwxyz", 1+n/26)[:n]
		if int64(n) > p.Traits().MaxMessage || p.Fixed > 0 && n != 5 && n != 16 && n != 1000 {
			n = 5
		}
		return []wire.Message{message(p, []byte(text[:min(n, len(text))]))}
	}
}

// awkward returns n bytes, many of them with a meaning in some form.
func awkward(n int, rng *rand.Rand) []byte {
	const special = "\x00\x01\x02\x03\x10\xC0\xDB\xDC\xDD\xAA\x55\x7E\x80\xFF"
	b := make([]byte, n)
	for i := range b {
		if b[i] = byte(rng.Uint32()); rng.IntN(2) == 0 {
			b[i] = special[rng.IntN(len(special))]
		}
	}
	return b
}

// encode returns messages as p sends them.
func encode(tb testing.TB, p frame.Protocol, ms ...wire.Message) []byte {
	tb.Helper()
	d := wiretest.NewDriver(tb, p, wire.Dialing, wire.Limits{})
	for _, m := range ms {
		if err := d.Send(m); err != nil {
			tb.Fatal(err)
		}
	}
	return d.Out
}

// events runs a machine over stream, cut into pieces of size bytes (0: whole),
// and returns what it finds, one line for each event.
func events(tb testing.TB, p frame.Protocol, limits wire.Limits, stream []byte, size int) string {
	tb.Helper()
	d := wiretest.NewDriver(tb, p, wire.Accepting, limits)
	if size == 0 {
		size = max(1, len(stream))
	}
	for len(stream) > 0 {
		n := min(size, len(stream))
		d.Feed(stream[:n])
		stream = stream[n:]
	}
	d.EOF()
	var lines []string
	for _, e := range d.Events[min(1, len(d.Events)):] {
		lines = append(lines, e.String())
	}
	if d.Err != nil {
		lines = append(lines, "end: "+d.Err.Error())
	}
	return strings.Join(lines, "\n")
}

// unhex reads hexadecimal bytes with blanks between them.
func unhex(tb testing.TB, s string) []byte {
	tb.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		tb.Fatal(err)
	}
	return b
}
