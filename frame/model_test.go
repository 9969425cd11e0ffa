package frame_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/parley-net/parley/frame"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// A model is the wire said plainly: it has the whole stream, and looks at each of
// its bytes as often as it likes.
type model struct {
	p     frame.Protocol
	in    []byte
	told  []string // messages, and "lost"
	fatal bool
}

func (m *model) message(p []byte) { m.told = append(m.told, fmt.Sprintf("% x", p)) }
func (m *model) lost()            { m.told = append(m.told, "lost") }

func (m *model) most() int64 {
	if m.p.Max > 0 {
		return m.p.Max
	}
	return 64 << 20
}

// sizeAt reads the size at i: the place behind it, or whether more is needed, or it
// can't be.
func (m *model) sizeAt(i int) (size int64, next int, more, bad bool) {
	if i > len(m.in) {
		return 0, 0, true, false
	}
	p := m.in[i:]
	var v uint64
	n := map[frame.Size]int{frame.U8: 1, frame.U16BE: 2, frame.U16LE: 2, frame.U32BE: 4, frame.U32LE: 4, frame.U64BE: 8, frame.U64LE: 8}[m.p.Size]
	switch {
	case m.p.Size == frame.Varint:
		v, n = binary.Uvarint(p)
		if n == 0 && len(p) < 10 {
			return 0, 0, true, false
		}
		if n <= 0 {
			return 0, 0, false, true
		}
	case len(p) < n:
		return 0, 0, true, false
	case m.p.Size == frame.U16LE || m.p.Size == frame.U32LE || m.p.Size == frame.U64LE:
		for k := n - 1; k >= 0; k-- {
			v = v<<8 | uint64(p[k])
		}
	default:
		for _, b := range p[:n] {
			v = v<<8 | uint64(b)
		}
	}
	return int64(v), i + n, false, v > math.MaxInt64/2
}

// frameAt reads the head of the frame at i. known: its end is, though it is refused.
func (m *model) frameAt(i int) (head, end int64, more, refused, known bool) {
	magic := len(m.p.Magic)
	offset := m.p.Offset
	if offset == 0 {
		offset = magic
	}
	varied := 0
	if m.p.Size == frame.NoSize {
		head, end = int64(i+magic), int64(i+m.p.Fixed)
	} else {
		size, next, more, bad := m.sizeAt(i + offset)
		if more || bad {
			return 0, 0, more, bad, false
		}
		head, end = int64(next), int64(next)+size+m.p.Adjust
		if size+m.p.Adjust < 0 {
			return 0, 0, false, true, false
		}
		if m.p.Size == frame.Varint {
			varied = next - i - offset - 1
		}
	}
	payload := end - head - int64(trailer(m.p.Check))
	start := int64(i + m.p.Strip)
	switch {
	case m.p.Strip == frame.Head:
		start = head
	case m.p.Strip > offset && m.p.Size != frame.NoSize:
		start += int64(varied)
	}
	if payload < 0 || payload > m.most() || start > end-int64(trailer(m.p.Check)) {
		return head, end, false, true, true
	}
	return head, end, false, false, true
}

// sized reads frames with a size in front, or of a fixed size.
func (m *model) sized() {
	for at := 0; at < len(m.in); {
		magic := []byte(m.p.Magic)
		if rest := m.in[at:]; len(rest) < len(magic) && bytes.HasPrefix(magic, rest) {
			m.fatal = true
			return
		}
		good := bytes.HasPrefix(m.in[at:], magic)
		var head, end int64
		if good {
			var more, refused, known bool
			head, end, more, refused, known = m.frameAt(at)
			switch {
			case more:
				m.fatal = true
				return
			case refused && len(magic) > 0:
				good = false
			case refused && !known:
				m.fatal = true
				return
			case refused:
				m.lost()
				if end > int64(len(m.in)) {
					m.fatal = true
					return
				}
				at = int(end)
				continue
			}
		}
		if !good {
			if at = m.searched(at + 1); at < 0 {
				m.fatal = true
				return
			}
			m.lost()
			continue
		}
		if end > int64(len(m.in)) {
			m.fatal = true
			return
		}
		m.deliver(at, int(head), int(end))
		at = int(end)
	}
}

// searched returns where, at i or behind it, a frame can begin.
func (m *model) searched(i int) int {
	for ; i < len(m.in); i++ {
		if !bytes.HasPrefix(m.in[i:], []byte(m.p.Magic)) {
			continue
		}
		switch _, _, more, refused, _ := m.frameAt(i); {
		case more:
			return -1
		case !refused:
			return i
		}
	}
	return -1
}

func (m *model) deliver(at, head, end int) {
	body := m.in[at : end-trailer(m.p.Check)]
	covered := body
	if m.p.Over == frame.OverPayload {
		covered = m.in[head : end-trailer(m.p.Check)]
	}
	if !m.checked(covered, m.in[end-trailer(m.p.Check):end]) {
		m.lost()
		return
	}
	strip := m.p.Strip
	switch offset := max(m.p.Offset, len(m.p.Magic)); {
	case strip == frame.Head:
		strip = head - at
	case m.p.Size == frame.Varint && strip > offset:
		strip += head - at - offset - 1
	}
	m.message(body[strip:])
}

func (m *model) checked(covered, check []byte) bool {
	sum := naive(m.p.Check, covered)
	for i := range check {
		shift := 8 * (len(check) - 1 - i)
		if m.p.Check == frame.CRC16Modbus || strings.HasSuffix(m.p.Check.String(), "-le") {
			shift = 8 * i
		}
		if check[i] != byte(sum>>shift) {
			return false
		}
	}
	return true
}

// marked reads frames between marks.
func (m *model) marked() {
	var data []byte
	inside, escaped, raw, bad := false, false, 0, false
	for _, b := range m.in {
		switch m.p.Marks {
		case frame.SLIP:
			switch {
			case b == 0xC0:
				if raw > 0 {
					m.whole(data, bad || escaped)
				}
				data, raw, escaped, bad = nil, 0, false, false
				continue
			case escaped:
				escaped = false
				bad = bad || b != 0xDC && b != 0xDD
				data = append(data, map[byte]byte{0xDC: 0xC0, 0xDD: 0xDB}[b])
			case b == 0xDB:
				escaped = true
			default:
				data = append(data, b)
			}
			raw++
		case frame.COBS:
			if b != 0 {
				data = append(data, b)
				raw++
				continue
			}
			if raw > 0 {
				m.whole(plainCOBS(data))
			}
			data, raw = nil, 0
		case frame.STX:
			switch {
			case !inside && b != 2: // told when a frame begins
				raw++
				bad = true
			case !inside:
				if bad {
					m.lost()
				}
				inside, bad, data, raw = true, false, nil, 1
			case escaped:
				escaped = false
				data = append(data, b)
			case b == 0x10:
				escaped = true
			case b == 2:
				m.lost()
				data = nil
			case b == 3:
				m.whole(data, false)
				inside, raw = false, 0
			default:
				data = append(data, b)
			}
		}
	}
	m.fatal = raw > 0
}

func plainCOBS(p []byte) (data []byte, bad bool) {
	for len(p) > 0 {
		n := int(p[0])
		if n > len(p) {
			return nil, true
		}
		data = append(data, p[1:n]...)
		if p = p[n:]; len(p) > 0 && n < 255 {
			data = append(data, 0)
		}
	}
	return data, false
}

func (m *model) whole(data []byte, bad bool) {
	n := len(data) - trailer(m.p.Check)
	if bad || n < 0 || int64(n) > m.most() || !m.checked(data[:n], data[n:]) {
		m.lost()
		return
	}
	m.message(data[:n])
}

// randomProtocol makes up options, which may make no sense.
func randomProtocol(rng *rand.Rand) frame.Protocol {
	p := frame.Protocol{}
	switch rng.IntN(4) {
	case 0:
		p.Marks = frame.Marks(1 + rng.IntN(3))
	case 1:
		p.Fixed = 1 + rng.IntN(9)
	default:
		p.Size = frame.Size(1 + rng.IntN(8))
		p.Offset = max(0, rng.IntN(8)-3)
		more, less := max(0, rng.IntN(9)-5), max(0, rng.IntN(9)-5) // mostly 0
		p.Adjust = int64(more - less)
	}
	if p.Marks == frame.NoMarks {
		p.Strip = []int{0, frame.Head, frame.Head, rng.IntN(6)}[rng.IntN(4)]
		p.Magic = []string{"", "", "\x02", "AB", "AAB", "ABAB"}[rng.IntN(6)]
	}
	if rng.IntN(2) == 0 {
		p.Check = frame.Check(rng.IntN(13))
		if p.Check != frame.NoCheck && p.Marks == frame.NoMarks {
			p.Over = frame.Over(rng.IntN(2))
		}
	}
	if rng.IntN(3) == 0 {
		p.Max = int64(1 + rng.IntN(20))
	}
	return p
}

// TestModel: whatever the options and the bytes, and however those are cut, the
// machine tells what the wire said plainly tells.
//
// Verifies: FRAME-01, FRAME-02, FRAME-05, FRAME-06, FRAME-07, FRAME-08, FRAME-09, FRAME-11, FRAME-12, FRAME-13, FRAME-14, FRAME-15, FRAME-16
func TestModel(t *testing.T) {
	seed := rand.Uint64()
	rng := rand.New(rand.NewPCG(seed, 1))
	for runs := 0; runs < 5000; {
		p := randomProtocol(rng)
		if p.Validate(wire.Dialing) != nil {
			continue
		}
		runs++
		m := model{p: p}
		sender := p.New(wire.Dialing, wire.Limits{})
		for range rng.IntN(5) {
			payload := make([]byte, rng.IntN(12))
			for i := range payload {
				payload[i] = "\x00\x01\x02\x03\x10AB\xC0\xDB\xDC\xFF"[rng.IntN(11)]
			}
			if p.Fixed > 0 {
				payload = make([]byte, max(0, p.Fixed-trailer(p.Check)-len(p.Magic)))
			}
			out, _, err := sender.Send(m.in, message(p, payload))
			if err == nil {
				m.in = out
			}
			if rng.IntN(4) == 0 {
				m.in = append(m.in, payload...)
			}
		}
		for range max(0, rng.IntN(4)-2) {
			if len(m.in) > 0 {
				i := rng.IntN(len(m.in))
				switch rng.IntN(3) {
				case 0:
					m.in[i] ^= 1 << rng.IntN(8)
				case 1:
					m.in = append(m.in[:i], m.in[i+1:]...)
				case 2:
					m.in = m.in[:i]
				}
			}
		}
		if p.Marks == frame.NoMarks {
			m.sized()
		} else {
			m.marked()
		}
		limits := wire.Limits{}
		if p.Marks == frame.NoMarks && rng.IntN(2) == 0 {
			limits.MaxMessage = int64(1 + rng.IntN(10))
		}
		d := wiretest.NewDriver(t, p, wire.Role(rng.IntN(2)), limits)
		for rest := bytes.Clone(m.in); len(rest) > 0; {
			n := 1
			if rng.IntN(2) == 0 {
				n += rng.IntN(len(rest))
			}
			d.Feed(bytes.Clone(rest[:n]))
			rest = rest[n:]
		}
		err := d.EOF()
		var told []string
		for _, e := range d.Events {
			switch e.Kind {
			case wire.EventMessage:
				told = append(told, fmt.Sprintf("% x", e.Message.Bytes()))
			case wire.EventLost:
				told = append(told, "lost")
			}
		}
		if got, want := strings.Join(told, "|"), strings.Join(m.told, "|"); got != want || (err != nil) != m.fatal {
			t.Fatalf("seed %d: %+v, limit %d\n in   % x\n got  %s, %v\n want %s, error %v", seed, p, limits.MaxMessage, m.in, got, err, want, m.fatal)
		}
	}
}
