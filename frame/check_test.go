package frame_test

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/parley-net/parley/frame"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// checks are the trailers of "123456789", the check values of the catalogue of
// parametrised CRC algorithms (CRC-16/MODBUS, CRC-16/IBM-3740, CRC-16/XMODEM,
// CRC-32/ISO-HDLC, CRC-32/ISCSI).
var checks = map[string]string{
	"sum8": "DD", "xor8": "31", "sum8-le": "DD", "xor8-le": "31",
	"crc16-modbus": "37 4B", "crc16-modbus-le": "37 4B", "crc16-modbus-be": "4B 37",
	"crc16-ccitt-false": "29 B1", "crc16-ccitt-false-le": "B1 29",
	"crc16-xmodem": "31 C3", "crc16-xmodem-le": "C3 31",
	"crc32": "CB F4 39 26", "crc32-le": "26 39 F4 CB",
	"crc32c": "E3 06 92 83", "crc32c-le": "83 92 06 E3",
}

// Verifies: FRAME-10
func TestChecks(t *testing.T) {
	for name, want := range checks {
		var c frame.Check
		if err := c.UnmarshalText([]byte(name)); err != nil {
			t.Error(err)
			continue
		}
		p := frame.Protocol{Size: frame.U8, Strip: frame.Head, Check: c, Over: frame.OverPayload}
		got := encode(t, p, wire.Text("123456789"))[len("\x00123456789"):]
		if !bytes.Equal(got, unhex(t, want)) {
			t.Errorf("%s: % X, want %s", name, got, want)
		}
	}
	var c frame.Check
	for _, name := range []string{"", "crc", "crc32-be", "crc16-modbus-be-le", "md5-le", "CRC32"} {
		if err := c.UnmarshalText([]byte(name)); err == nil || !strings.Contains(err.Error(), "use sum8, xor8") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// naive is a check bit by bit.
func naive(c frame.Check, p []byte) uint32 {
	bits := func(crc, poly uint32, width int, reflected bool) uint32 {
		for _, b := range p {
			for i := range 8 {
				bit := uint32(b>>(7-i)) & 1
				if reflected {
					bit = uint32(b>>i) & 1
					if crc = crc ^ bit; crc&1 != 0 {
						crc = crc>>1 ^ poly
					} else {
						crc >>= 1
					}
					continue
				}
				top := crc>>(width-1)&1 ^ bit
				crc = crc << 1 & (1<<width - 1)
				if top != 0 {
					crc ^= poly
				}
			}
		}
		return crc
	}
	sum := uint32(0)
	switch strings.TrimSuffix(c.String(), "-le") {
	case "sum8":
		for _, b := range p {
			sum = (sum + uint32(b)) & 0xFF
		}
	case "xor8":
		for _, b := range p {
			sum ^= uint32(b)
		}
	case "crc16-modbus", "crc16-modbus-be":
		sum = bits(0xFFFF, 0xA001, 16, true)
	case "crc16-ccitt-false":
		sum = bits(0xFFFF, 0x1021, 16, false)
	case "crc16-xmodem":
		sum = bits(0, 0x1021, 16, false)
	case "crc32":
		sum = ^bits(0xFFFFFFFF, 0xEDB88320, 32, true)
	case "crc32c":
		sum = ^bits(0xFFFFFFFF, crc32.Castagnoli, 32, true) // Go has the polynomial reversed already
	}
	return sum
}

// Every check of every length, over all and over the payload, is that of the
// definition, whole and in pieces.
//
// Verifies: FRAME-10, FRAME-11
func TestChecksBitByBit(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for name := range checks {
		var c frame.Check
		if err := c.UnmarshalText([]byte(name)); err != nil {
			t.Fatal(err)
		}
		for n := range 40 {
			for _, over := range []frame.Over{frame.OverAll, frame.OverPayload} {
				for _, strip := range []int{0, frame.Head} {
					p := frame.Protocol{Size: frame.U16LE, Offset: 3, Magic: "AB", Strip: strip, Check: c, Over: over}
					payload := awkward(n, rng)
					h := head(p, n)
					m := wire.Bytes(payload)
					if strip == 0 {
						m = wire.Bytes(append(bytes.Clone(h), payload...))
					} else {
						h[2] = 0
					}
					covered := append(bytes.Clone(h), payload...)
					if over == frame.OverPayload {
						covered = payload
					}
					got := encode(t, p, m)
					sum := naive(c, covered)
					digits := fmt.Sprintf("%0*X", 2*trailer(c), sum)
					want := unhex(t, digits)
					if strings.HasSuffix(name, "-le") || name == "crc16-modbus" {
						for i, j := 0, len(want)-1; i < j; i, j = i+1, j-1 {
							want[i], want[j] = want[j], want[i]
						}
					}
					if !bytes.Equal(got, append(append(bytes.Clone(h), payload...), want...)) {
						t.Fatalf("%s over %v, %d bytes: % X, want % X behind % X", name, over, n, got, want, covered)
					}
					for _, limits := range []wire.Limits{{}, {MaxMessage: 1}} {
						wiretest.CheckSplits(t, p, wiretest.Stream{Role: wire.Accepting, Bytes: got, Limits: limits, Messages: 1})
						if all := events(t, p, limits, got, 1); all != "message "+m.String() {
							t.Fatalf("%s over %v, strip %d: %s", name, over, strip, all)
						}
					}
				}
			}
		}
	}
}

// A wrong check costs one frame, wherever the damage is.
//
// Verifies: FRAME-12
func TestWrongCheck(t *testing.T) {
	p := frame.Protocol{Size: frame.U16BE, Strip: frame.Head, Check: frame.CRC16CCITTFalse}
	first, bad, last := encode(t, p, wire.Text("first")), encode(t, p, wire.Text("123456789")), encode(t, p, wire.Text("last"))
	for at := 2; at < len(bad); at++ {
		broken := bytes.Clone(bad)
		broken[at] ^= 1
		stream := bytes.Join([][]byte{first, broken, last}, nil)
		for _, limits := range []wire.Limits{{}, {MaxMessage: 2}} {
			for _, size := range []int{0, 1, 5} {
				lines := strings.Split(events(t, p, limits, stream, size), "\n")
				if len(lines) != 3 || lines[0] != "message "+wire.Bytes([]byte("first")).String() || lines[2] != "message "+wire.Bytes([]byte("last")).String() ||
					!strings.HasPrefix(lines[1], "lost: parley: frame message lost, at byte 9: a frame of 13 bytes has the crc16-ccitt-false ") {
					t.Fatalf("byte %d, limit %d, in pieces of %d: %q", at, limits.MaxMessage, size, lines)
				}
			}
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	payload := bytes.Repeat([]byte("abcdefghijklmnop"), 4<<10)
	for _, c := range []frame.Check{frame.Sum8, frame.Xor8, frame.CRC16Modbus, frame.CRC16XMODEM, frame.CRC32, frame.CRC32C} {
		b.Run(c.String(), func(b *testing.B) {
			m := frame.Protocol{Size: frame.U32BE, Strip: frame.Head, Check: c}.New(wire.Dialing, wire.Limits{})
			dst := make([]byte, 0, len(payload)+64)
			b.SetBytes(int64(len(payload)))
			for b.Loop() {
				if _, _, err := m.Send(dst, wire.Bytes(payload)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
