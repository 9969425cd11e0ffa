package endpoint

import (
	"encoding"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/frame"
)

// frames returns the frame wire.
func frames() wire {
	const flag = "1|0"
	return wire{
		name: "frame",
		options: []Option{
			{"size", "FORM", "the size in front of a message: u8, u16be, u16le, u32be, u32le, u64be, u64le, varint"},
			{"offset", "BYTES", "where the size stands in the frame, magic included (behind it)"},
			{"adjust", "N", "what is added to the size to have what stands behind it (0)"},
			{"strip", "BYTES|head", "leading bytes that are not part of the message (0)"},
			{"magic", "0xHEX", "what each frame begins with, or percent escapes: %AA%55"},
			{"check", "NAME", "the trailer: sum8, xor8, crc16-modbus, crc16-ccitt-false, crc16-xmodem, crc32, crc32c; -le behind it: low byte first"},
			{"over", "all|payload", "what the check is over (all)"},
			{"fixed", "BYTES", "frames of so many bytes, without a size"},
			{"slip", flag, "frames between C0, as RFC 1055"},
			{"cobs", flag, "frames stuffed by COBS, with a zero behind"},
			{"stx", flag, "frames between 02 and 03, with DLE (10) in front of either"},
			{"max", "BYTES", "the largest payload (67108864)"},
		},
		build: buildFrame,
	}
}

func buildFrame(v *values) parley.Protocol {
	p := frame.Protocol{
		Offset: int(v.integer("offset", 0, math.MaxInt32)),
		Adjust: v.integer("adjust", math.MinInt64, math.MaxInt64),
		Strip:  v.strip("strip"),
		Magic:  v.bytes("magic"),
		Fixed:  int(v.integer("fixed", 1, math.MaxInt32)),
		Max:    v.integer("max", 1, math.MaxInt64),
	}
	v.text("size", &p.Size)
	v.text("check", &p.Check)
	v.text("over", &p.Over)
	var marks []string
	for name, m := range map[string]frame.Marks{"slip": frame.SLIP, "cobs": frame.COBS, "stx": frame.STX} {
		if v.flag(name) {
			marks = append(marks, name)
			p.Marks = m
		}
	}
	switch {
	case v.err != nil:
	case len(marks) > 1:
		v.err = errors.New("slip, cobs and stx exclude each other, as each says where a frame ends: write one of them")
	case v.has("offset") && p.Offset == 0 && p.Magic != "":
		v.err = fmt.Errorf("offset=0: the size would stand inside the magic, whose bytes offset counts too: write offset=%d or more, or leave it out", len(p.Magic))
	default:
		v.err = p.Validate(0)
	}
	return p
}

// integer reads an option that is a number; 0 stands for a missing one.
func (v *values) integer(name string, least, most int64) int64 {
	if !v.has(name) {
		return 0
	}
	n, err := strconv.ParseInt(v.q.Get(name), 10, 64)
	switch {
	case err == nil && least <= n && n <= most:
		return n
	case least < -math.MaxInt32:
		v.fail(name, "a number, as 2 or -2")
	default:
		v.fail(name, fmt.Sprintf("a number from %d", least))
	}
	return 0
}

func (v *values) strip(name string) int {
	if v.q.Get(name) == "head" {
		return frame.Head
	}
	n, err := strconv.ParseUint(v.q.Get(name), 10, 31)
	if v.has(name) && err != nil {
		v.fail(name, "a number from 0, or head")
	}
	return int(n)
}

// bytes reads an option that stands for itself, or for hexadecimal digits behind
// 0x.
func (v *values) bytes(name string) string {
	s := v.q.Get(name)
	if digits, ok := strings.CutPrefix(s, "0x"); ok {
		b, err := hex.DecodeString(digits)
		if err != nil || len(b) == 0 {
			v.fail(name, "an even number of hexadecimal digits behind 0x, or the bytes as percent escapes, as in %AA%55")
		}
		return string(b)
	}
	if v.has(name) && s == "" {
		v.fail(name, "at least one byte, as in %AA%55 or 0xAA55")
	}
	return s
}

// text reads an option into a value that reads names.
func (v *values) text(name string, into encoding.TextUnmarshaler) {
	if !v.has(name) {
		return
	}
	if err := into.UnmarshalText([]byte(v.q.Get(name))); err != nil && v.err == nil {
		v.err = fmt.Errorf("option %s=%s: %w", name, v.q.Get(name), err)
	}
}
