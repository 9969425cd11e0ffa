package serpy2

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// Verifies: SERPY2-11
func TestGarbage(t *testing.T) {
	first, second := block(kindStr, "first"), block(kindStr, "second")
	for _, c := range []struct {
		name    string
		garbage string
		want    string // the run of garbage, or "" if there is none
	}{
		{"none", "", ""},
		{"one byte", "G", "at byte 19: 1 bytes"},
		{"long", strings.Repeat("G", 1000), "at byte 19: 1000 bytes"},
		{"beginning of an identifier", "\xDE\xCA\xFE\xCA", "at byte 19: 4 bytes"},
		{"overlapping beginnings", "\xDE\xDE\xCA\xDE\xCA\xFE\xDE\xCA\xFE\xCA", "at byte 19: 10 bytes"},
		{"wrong last byte", "\xDE\xCA\xFE\xCA\xFF", "at byte 19: 5 bytes"},
		{"end of an identifier", "\xCA\xFE\xCA\xFE", "at byte 19: 4 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			want := `message text[5] "first"` + "\n"
			if c.want != "" {
				want += "lost: parley: serpy2 message lost, " + c.want + " that belong to no block were skipped; " +
					"either something else writes to this connection, or a block before them had a wrong length\n"
			}
			want += `message text[6] "second"`
			for size := range 20 {
				if got := events(t, wire.Limits{}, join(first, []byte(c.garbage), second), size); got != want {
					t.Errorf("in pieces of %d:\n%s\nwant\n%s", size, got, want)
				}
			}
		})
	}
}

// Of garbage nothing has to be kept but what may be the beginning of an
// identifier.
//
// Verifies: SERPY2-11
func TestGarbageIsNotKept(t *testing.T) {
	for garbage, kept := range map[string]int{"G": 0, "GGGGGGGGGG": 0, "GGGG\xDE": 1, "G\xDE\xCA\xFE\xCA": 4, "\xDE\xCA\xDE\xCA": 2, "\xDE\xCA\xFE\xCA\xFF": 0, "G\xCA\xFE\xCA\xFE": 0} {
		m := Protocol{}.New(wire.Dialing, wire.Limits{})
		wiretest.Receive(m, nil)
		if n, _, err := wiretest.Receive(m, []byte(garbage)); n != len(garbage)-kept || err != nil {
			t.Errorf("% x: %d bytes consumed, %v, want all but %d", garbage, n, err, kept)
		}
	}
}

// What is found in random bytes of the identifier's alphabet does not depend
// on how they come, and is what a search over the whole finds.
//
// Verifies: SERPY2-11
func TestGarbageIsFoundAsInTheWhole(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for range 2000 {
		stream := make([]byte, rng.IntN(60))
		for i := range stream {
			stream[i] = identifier[rng.IntN(3)]
		}
		whole := append(append([]byte("G"), stream...), block(kindStr, "x")...)
		skipped := bytes.Index(whole, []byte(identifier))
		m := Protocol{}.New(wire.Dialing, wire.Limits{}).(*machine)
		wiretest.Receive(m, nil)
		rest := []byte(nil)
		for i, b := range whole {
			rest = append(rest, b)
			n, ev, _ := wiretest.Receive(m, rest)
			rest = rest[n:]
			if ev.Kind == wire.EventNone {
				continue
			}
			if ev.Kind != wire.EventLost || i+1 != skipped+len(identifier) || m.read != int64(skipped) {
				t.Fatalf("% x: %v after %d bytes, %d consumed; the identifier begins at %d", whole, ev.Kind, i+1, m.read, skipped)
			}
			break
		}
	}
}

// Verifies: SERPY2-08, SERPY2-10, SERPY2-13
func TestLost(t *testing.T) {
	tooLong := func(kind byte, n int) []byte { return block(kind, strings.Repeat("1", n)) }
	for _, c := range []struct {
		name   string
		stream []byte
		want   string
	}{
		{"checksum", damagedBlock(kindStr, "bad"), "a block of 3 bytes has the checksum 00000127, its header says 00000128: damaged, or its length is wrong"},
		{"checksum of nothing", damagedBlock(kindBytes, ""), "a block of 0 bytes has the checksum 00000000, its header says 00000001"},
		{"checksum before type", damagedBlock(0x55, "bad"), "checksum"},
		{"checksum before UTF-8", damagedBlock(kindStr, "\xFF"), "checksum"},
		{"checksum before float", damagedBlock(kindFloat, "xyz"), "checksum"},
		{"checksum before length", damagedBlock(kindInt, strings.Repeat("1", maxInt+1)), "checksum"},
		{"type", block(0x55, "data"), "unknown type 55"},
		{"type, empty", block(0x00, ""), "unknown type 00"},
		{"UTF-8", block(kindStr, "a\xFF"), "not UTF-8"},
		{"cut rune", block(kindStr, "a\xF0\x9F\x98"), "not UTF-8"},
		{"surrogate", block(kindStr, "\xED\xA0\x80"), "not UTF-8"},
		{"float", block(kindFloat, "xyz"), "not as Python's float.hex() writes it: not a hexadecimal number"},
		{"float, empty", block(kindFloat, ""), "not a hexadecimal number"},
		{"float, range", block(kindFloat, "0x1p1024"), "beyond the range of a double"},
		{"float, long", tooLong(kindFloat, maxFloat+1), "the text of a float is 65 bytes long, at most 64 are taken"},
		{"int, long", tooLong(kindInt, maxInt+1), "an int of 1025 bytes, at most 1024 are taken"},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := Protocol{}.New(wire.Dialing, wire.Limits{})
			wiretest.Receive(m, nil)
			var lost *wire.MessageError
			if n, ev, err := wiretest.Receive(m, c.stream); n != len(c.stream) || err != nil || !errors.As(ev.Err, &lost) || lost.Protocol != "serpy2" {
				t.Errorf("Receive: %d of %d bytes, %v, %v, want a *MessageError", n, len(c.stream), ev.Err, err)
			}
			for _, limits := range []wire.Limits{{}, {MaxMessage: 1}} {
				for _, size := range []int{0, 1, 7, 15} {
					got := events(t, limits, join(block(kindInt, "\x05"), c.stream, block(kindInt, "\x07")), size)
					lines := strings.Split(got, "\n")
					if len(lines) != 3 || lines[0] != "message int 5" || lines[2] != "message int 7" ||
						!strings.HasPrefix(lines[1], "lost: parley: serpy2 message lost, at byte 15: ") || !strings.Contains(lines[1], c.want) {
						t.Errorf("limit %d, in pieces of %d:\n%s\nwant 5, a loss with %q, 7", limits.MaxMessage, size, got, c.want)
					}
				}
			}
		})
	}
}
