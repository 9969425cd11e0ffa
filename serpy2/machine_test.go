package serpy2

import (
	"bytes"
	"errors"
	"io"
	"math"
	"math/big"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/parley-net/parley/internal/recorded"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// block is a block as it should be.
func block(kind byte, payload string) []byte {
	return append(header{kind, sum([]byte(payload)), uint32(len(payload))}.append(nil), payload...)
}

// damagedBlock has a checksum that is one too large.
func damagedBlock(kind byte, payload string) []byte {
	b := block(kind, payload)
	b[len(identifier)+1]++
	return b
}

func head(kind byte, checksum, length uint32) []byte {
	return header{kind, checksum, length}.append(nil)
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// events runs a machine over stream, cut into pieces of size bytes (0: whole),
// and returns what it finds, one line for each event. Pieces of payload are
// put together.
func events(t *testing.T, limits wire.Limits, stream []byte, size int) string {
	t.Helper()
	d := wiretest.NewDriver(t, Protocol{}, wire.Accepting, limits)
	if size == 0 {
		size = len(stream)
	}
	for len(stream) > 0 {
		n := min(size, len(stream))
		d.Feed(stream[:n])
		stream = stream[n:]
	}
	d.EOF()
	var lines []string
	for _, e := range d.Events[1:] {
		lines = append(lines, e.String())
	}
	if d.Err != nil {
		lines = append(lines, "end: "+d.Err.Error())
	}
	return strings.Join(lines, "\n")
}

// Verifies: SERPY2-07, SERPY2-08, SERPY2-10, SERPY2-11, SERPY2-13, RUNTIME-47, RUNTIME-48
func TestConformance(t *testing.T) {
	values := join(
		block(kindInt, "\x07\x00\x00\x00\x00\x00\x00\x00"), block(kindFloat, "0x1.8b33333333333p+3"), block(kindStr, "yes µù"),
		block(kindBytes, "\xDE\xCA\xFE\xCA\xFE"), block(kindBytes, ""), block(kindStr, ""), block(kindInt, ""),
		block(kindInt, strings.Repeat("\x80", 20)), block(kindFloat, "-inf"))
	bad := join(
		damagedBlock(kindStr, "bad"), block(kindStr, "good"), block(0x55, "unknown"), damagedBlock(0x55, "unknown"), block(0, ""),
		block(kindFloat, "xyz"), block(kindFloat, ""), block(kindStr, "\xFF"), block(kindStr, "cut \xE2\x82"),
		[]byte("garbage \xDE\xCA\xFE\xDE"), block(kindBytes, "behind"), block(kindInt, strings.Repeat("1", maxInt+1)),
		block(kindFloat, strings.Repeat("1", maxFloat+1)), []byte("\xCA"), block(kindStr, "last"))
	long := join(block(kindStr, strings.Repeat("aé€😀", 100)), damagedBlock(kindStr, strings.Repeat("x", 500)), block(kindBytes, strings.Repeat("y", 999)))
	small := wire.Limits{MaxMessage: 4}
	wiretest.Conformance(t, Protocol{}, []wiretest.Stream{
		{Name: "values", Role: wire.Accepting, Bytes: values, Messages: 9},
		{Name: "values", Role: wire.Dialing, Bytes: values, Messages: 9, Reply: func(d *wiretest.Driver, m wire.Message) {
			if m.BigInt() == nil || m.BigInt().IsInt64() {
				d.Send(m)
			}
		}},
		{Name: "values in pieces", Role: wire.Accepting, Bytes: values, Messages: 9, Limits: small},
		{Name: "bad", Role: wire.Accepting, Bytes: bad, Messages: 3},
		{Name: "bad in pieces", Role: wire.Dialing, Bytes: bad, Messages: 3, Limits: small},
		{Name: "long", Role: wire.Accepting, Bytes: long, Messages: 2},
		{Name: "long in pieces", Role: wire.Accepting, Bytes: long, Messages: 2, Limits: small},
		{Name: "huge bytes announced", Role: wire.Accepting, Bytes: append(head(kindBytes, 0, math.MaxUint32), "and no more"...)},
		{Name: "huge unknown announced", Role: wire.Accepting, Bytes: append(head(3, 0, math.MaxUint32), "and no more"...)},
		{Name: "huge int announced", Role: wire.Accepting, Bytes: append(head(kindInt, 0, math.MaxUint32), "and no more"...)},
		{Name: "garbage only", Role: wire.Accepting, Bytes: bytes.Repeat([]byte("\xDE\xCA\xFE\xCA"), 100)},
	}, nil)
}

func FuzzReceive(f *testing.F) {
	for _, s := range recorded.Streams(f, "serpy2", 1000) {
		f.Add(s.Role == wire.Dialing, uint16(0), s.Bytes)
		f.Add(s.Role == wire.Dialing, uint16(4), s.Bytes)
	}
	f.Add(false, uint16(0), block(kindInt, "\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF"))
	f.Add(false, uint16(4), join(block(kindStr, "e\u0301€"), block(kindBytes, ""), block(kindFloat, "0x1.8p+3")))
	f.Add(false, uint16(3), join(damagedBlock(kindStr, "bad"), block(kindStr, "cut \xE2\x82"), block(0x55, "unknown")))
	f.Add(false, uint16(9), join([]byte("\xDE\xCA\xFE\xDE"), block(kindBytes, "behind"), []byte("\xDE\xCA\xFE\xCA")))
	f.Add(false, uint16(0), append(head(kindInt, 0, maxInt+1), "too long"...))
	f.Fuzz(func(t *testing.T, dialing bool, limit uint16, stream []byte) {
		s := wiretest.Stream{Role: wire.Accepting, Limits: wire.Limits{MaxMessage: int64(limit)}, Bytes: stream}
		if dialing {
			s.Role = wire.Dialing
		}
		wiretest.CheckInput(t, Protocol{}, s)
	})
}

func FuzzParseFloat(f *testing.F) {
	for _, text := range []string{"0x1.8b33333333333p+3", "-0x0.0p+0", "inf", "-nan", " +0X.8P1\n", "1e5", "0x1p1024", "0x0.00000000000008p-1022", "1_0"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		n, err := parseFloat(text[:min(len(text), maxFloat)])
		if err != nil {
			return
		}
		again, err := parseFloat(appendFloat(nil, n))
		if err != nil || !same(again, n) {
			t.Errorf("%q is %v, which comes back as %v, %v", text, n, again, err)
		}
	})
}

// The longest numbers arrive, whatever the limit for messages is.
//
// Verifies: SERPY2-03
func TestLongestNumbers(t *testing.T) {
	stream := join(block(kindInt, strings.Repeat("\x00", maxInt-1)+"\x01"), block(kindFloat, "0x"+strings.Repeat("0", maxFloat-3)+"1"))
	want := "message int " + new(big.Int).Lsh(big.NewInt(1), 8*(maxInt-1)).String()[:64] + "…\nmessage float 1.0"
	for _, size := range []int{0, 1, 100} {
		if got := events(t, wire.Limits{MaxMessage: 1}, stream, size); got != want {
			t.Errorf("in pieces of %d:\n%s\nwant\n%s", size, got, want)
		}
	}
}

// Verifies: SERPY2-14
func TestEndOfStream(t *testing.T) {
	whole := block(kindStr, "whole")
	for _, c := range []struct {
		name   string
		stream []byte
		want   string // the error, or "" for an end in order
	}{
		{"nothing", nil, ""},
		{"between blocks", nil, ""},
		{"in an identifier", []byte("\xDE\xCA"), "at byte 19: the stream ended inside a block, after 2 bytes of it; that message is lost"},
		{"in a header", whole[:13], "at byte 19: the stream ended inside a block, after 13 bytes of it"},
		{"before the payload", whole[:14], "at byte 19: the stream ended inside a block, 5 of its 5 bytes are missing"},
		{"in the payload", whole[:17], "at byte 19: the stream ended inside a block, 2 of its 5 bytes are missing"},
		{"in an unknown block", block(9, "1234")[:15], "at byte 19: the stream ended inside a block, 3 of its 4 bytes are missing"},
		{"in an int", block(kindInt, "1234")[:16], "at byte 19: the stream ended inside a block, after 16 bytes of it"},
		{"in garbage", []byte("GGGG\xDE"), "at byte 19: the stream ended in garbage, 5 bytes that belong to no block"},
	} {
		stream := whole
		if c.name == "nothing" {
			stream = nil
		}
		for size := range 20 {
			d := wiretest.NewDriver(t, Protocol{}, wire.Accepting, wire.Limits{})
			for p := range pieces(join(stream, c.stream), size) {
				d.Feed(p)
			}
			err := d.EOF()
			if c.want == "" {
				if err != nil {
					t.Errorf("%s: %v", c.name, err)
				}
				continue
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%s, in pieces of %d: %v, want %q", c.name, size, err, c.want)
			}
		}
	}
}

// pieces cuts p into pieces of size bytes; 0 leaves it whole.
func pieces(p []byte, size int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for n := size; len(p) > 0; p = p[n:] {
			if n == 0 || n > len(p) {
				n = len(p)
			}
			if !yield(p[:n]) {
				return
			}
		}
	}
}

func TestOffer(t *testing.T) {
	m := Protocol{}.New(wire.Accepting, wire.Limits{MaxMessage: 4})
	stream := join(block(kindStr, "12345"), block(kindBytes, "1234"))
	receive := func(p []byte, n int, kind wire.EventKind) wire.Event {
		t.Helper()
		got, ev, err := wiretest.Receive(m, p)
		if got != n || ev.Kind != kind || err != nil {
			t.Fatalf("Receive: %d, %v, %v, want %d, %v", got, ev.Kind, err, n, kind)
		}
		return ev
	}
	receive(nil, 0, wire.EventOpen)
	receive(nil, 0, wire.EventNone)
	receive(stream[:13], 0, wire.EventNone)
	if ev := receive(stream, 14, wire.EventOffer); ev.N != 5 || ev.Message.Type() != wire.TypeText || ev.Message.Len() != 0 {
		t.Errorf("the offer is %+v", ev)
	}
	m.Accept()
	receive(nil, 0, wire.EventNone)
	if ev := receive(stream[14:17], 3, wire.EventData); string(ev.Data) != "123" || &ev.Data[0] != &stream[14] {
		t.Errorf("the first piece is %q, or a copy", ev.Data)
	}
	if ev := receive(stream[17:], 2, wire.EventData); string(ev.Data) != "45" {
		t.Errorf("the second piece is %q", ev.Data)
	}
	if ev := receive(stream[19:], 0, wire.EventEnd); ev.Message.Type() != wire.TypeText {
		t.Errorf("the end is of type %v", ev.Message.Type())
	}
	if ev := receive(stream[19:], 18, wire.EventMessage); string(ev.Message.Bytes()) != "1234" || &ev.Message.Bytes()[0] != &stream[33] {
		t.Errorf("the message is %v, or a copy", ev.Message)
	}
	// A message of which not all is at hand is offered whatever its size.
	if ev := receive(block(kindBytes, "1")[:14], 14, wire.EventOffer); ev.N != 1 || ev.Message.Type() != wire.TypeBytes {
		t.Errorf("the offer is %+v", ev)
	}
}

func TestRefuse(t *testing.T) {
	reason := errors.New("too large for us")
	for _, first := range [][]byte{block(kindBytes, "12345"), damagedBlock(kindBytes, "12345")} {
		for _, taken := range []int{0, 2, 5} { // bytes received before it is refused
			m := Protocol{}.New(wire.Accepting, wire.Limits{MaxMessage: 4})
			wiretest.Receive(m, nil)
			stream := join(first, block(kindStr, "next"), block(0x55, ""))
			n, ev, _ := wiretest.Receive(m, stream)
			if ev.Kind != wire.EventOffer {
				t.Fatalf("event %v, want an offer", ev.Kind)
			}
			stream = stream[n:]
			if taken > 0 {
				m.Accept()
				n, _, _ = wiretest.Receive(m, stream[:taken])
				stream = stream[n:]
			}
			if err := m.Refuse(reason); err != nil {
				t.Fatal(err)
			}
			n, ev, err := wiretest.Receive(m, stream)
			if n != 5-taken || ev.Kind != wire.EventLost || ev.Err != reason || err != nil {
				t.Errorf("refused after %d bytes: %d, %v, %v, %v", taken, n, ev.Kind, ev.Err, err)
			}
			stream = stream[n:]
			if n, ev, _ = wiretest.Receive(m, stream); ev.Kind != wire.EventMessage || ev.Message.Text() != "next" {
				t.Errorf("behind a refused message: %v %v", ev.Kind, ev.Message)
			}
			if _, ev, _ = wiretest.Receive(m, stream[n:]); ev.Kind != wire.EventLost || ev.Err == reason {
				t.Errorf("a later block is lost for the old reason: %v %v", ev.Kind, ev.Err)
			}
		}
	}
}

// Verifies: SERPY2-13
func TestTextCheck(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	parts := []string{"a", "é", "€", "😀", "\u0000", "\uFFFD", "\U0010FFFF", "plain text, more than eight bytes"}
	wrong := []string{"\xFF", "\x80", "\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82", "\xF0\x9F\x98", "\xC3"}
	valid := 0
	const rounds = 20000
	for range rounds {
		var text []byte
		for range rng.IntN(6) {
			text = append(text, parts[rng.IntN(len(parts))]...)
		}
		if rng.IntN(2) == 0 {
			i := rng.IntN(len(text) + 1)
			text = append(text[:i:i], append([]byte(wrong[rng.IntN(len(wrong))]), text[i:]...)...)
		}
		var c textCheck
		for rest := text; len(rest) > 0; {
			n := 1 + rng.IntN(min(len(rest), 9))
			c.write(rest[:n])
			rest = rest[n:]
		}
		if got, want := c.valid(), utf8.Valid(text); got != want {
			t.Fatalf("%q in pieces: valid %v, want %v", text, got, want)
		}
		if c.valid() {
			valid++
		}
	}
	if valid < rounds/4 || valid > rounds*3/4 {
		t.Errorf("%d of %d texts were valid: the texts don't test both", valid, rounds)
	}
}

// Verifies: SERPY2-03
func TestInt(t *testing.T) {
	for _, c := range []struct {
		payload string
		want    string
	}{
		{"", "0"}, {"\x00", "0"}, {"\x7F", "127"}, {"\x80", "-128"}, {"\xFF", "-1"}, {"\x00\x80", "-32768"}, {"\xFF\x00", "255"},
		{"\xC0\x27\x09", "600000"},
		{"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F", "9223372036854775807"},
		{"\x00\x00\x00\x00\x00\x00\x00\x80", "-9223372036854775808"},
		{"\x00\x00\x00\x00\x00\x00\x00\x80\x00", "9223372036854775808"},
		{"\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x7F\xFF", "-9223372036854775809"},
		{strings.Repeat("\xFF", 16), "-1"},
		{strings.Repeat("\x00", 16) + "\x01", "340282366920938463463374607431768211456"},
		{strings.Repeat("\x00", 16) + "\xFF", "-340282366920938463463374607431768211456"},
		{strings.Repeat("\x00", 15) + "\x80", "-170141183460469231731687303715884105728"},
	} {
		if got := decodeInt([]byte(c.payload)); got.Type() != wire.TypeInt || got.Text() != c.want {
			t.Errorf("% x is %v, want %s", c.payload, got, c.want)
		}
	}
	rng := rand.New(rand.NewPCG(11, 12))
	for range 1000 {
		p := make([]byte, rng.IntN(40))
		for i := range p {
			p[i] = byte(rng.Uint32())
		}
		want, weight := new(big.Int), big.NewInt(1)
		for i, b := range p {
			v := int64(b)
			if i == len(p)-1 {
				v = int64(int8(b)) // the last byte carries the sign
			}
			want.Add(want, new(big.Int).Mul(weight, big.NewInt(v)))
			weight = new(big.Int).Lsh(weight, 8)
		}
		if got := decodeInt(p); got.BigInt().Cmp(want) != 0 {
			t.Fatalf("% x is %v, want %v", p, got, want)
		}
	}
}

// benchmarkMessages are messages of all types.
func benchmarkMessages() []wire.Message {
	messages := append(wiretest.Sized(wire.Bytes), wiretest.Sized(wire.TextBytes)...)
	return append(messages, wire.Int(-600000), wire.Float(12.35))
}

// In steady state nothing is allocated, whether messages come whole or in
// pieces.
//
// Verifies: RUNTIME-49
func TestSteadyState(t *testing.T) {
	for _, limit := range []int64{0, 4} {
		wiretest.SteadyState(t, Protocol{}, wire.Limits{MaxMessage: limit}, benchmarkMessages()...)
	}
}

func BenchmarkMachine(b *testing.B) {
	wiretest.Benchmark(b, Protocol{}, benchmarkMessages()...)
}

// A plain device, which ends its lines, is named as one.
func TestPlainDevice(t *testing.T) {
	var ev wire.Event
	m := Protocol{}.New(wire.Dialing, wire.Limits{})
	m.Receive(nil, &ev)
	device := []byte("ERR: unknown command\r\n")
	n, err := m.Receive(device, &ev)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.ReceiveEOF(device[n:], &ev); err == nil || !strings.Contains(err.Error(), "plain device") || !strings.Contains(err.Error(), "line://") {
		t.Error(err)
	}
}
