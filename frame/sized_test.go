package frame_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/parley-net/parley/frame"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// Frames as others have them: each message as it is sent and received.
//
// Verifies: FRAME-02, FRAME-03, FRAME-04, FRAME-13, FRAME-23
func TestTranscripts(t *testing.T) {
	for _, c := range []struct {
		name    string
		p       frame.Protocol
		message string
		bytes   string
	}{
		// Modbus Messaging on TCP/IP Implementation Guide: the MBAP header's
		// length counts the unit identifier and what follows.
		{"Modbus TCP, read 3 registers", frame.Protocol{Size: frame.U16BE, Offset: 4}, "00 01 00 00 00 06 11 03 00 6B 00 03", ""},
		{"Modbus TCP, their values", frame.Protocol{Size: frame.U16BE, Offset: 4}, "00 01 00 00 00 09 11 03 06 AE 41 56 52 43 40", ""},
		{"Modbus TCP, size left out", frame.Protocol{Size: frame.U16BE, Offset: 4}, "00 01 00 00 FF FF 11 03 00 6B 00 03", "00 01 00 00 00 06 11 03 00 6B 00 03"},
		{"Modbus TCP, head left out", frame.Protocol{Size: frame.U16BE, Offset: 4, Strip: 6}, "11 03 00 6B 00 03", "00 00 00 00 00 06 11 03 00 6B 00 03"},
		// The examples of Netty's LengthFieldBasedFrameDecoder.
		{"Netty 1", frame.Protocol{Size: frame.U16BE}, "000C 48454C4C4F2C20574F524C44", ""},
		{"Netty 2", frame.Protocol{Size: frame.U16BE, Strip: 2}, "48454C4C4F2C20574F524C44", "000C 48454C4C4F2C20574F524C44"},
		{"Netty 3", frame.Protocol{Size: frame.U16BE, Adjust: -2}, "000E 48454C4C4F2C20574F524C44", ""},
		{"Netty 4", frame.Protocol{Size: frame.U32BE, Offset: 2}, "CAFE 0000000C 48454C4C4F2C20574F524C44", ""},
		{"Netty 5", frame.Protocol{Size: frame.U32BE, Adjust: 2}, "0000000C CAFE 48454C4C4F2C20574F524C44", ""},
		// Protocol Buffers, writeDelimitedTo.
		{"protobuf, 5 bytes", frame.Protocol{Size: frame.Varint, Strip: frame.Head}, "08 96 01 10 01", "05 08 96 01 10 01"},
		{"protobuf, 300 bytes", frame.Protocol{Size: frame.Varint, Strip: 1}, strings.Repeat("61", 300), "AC 02" + strings.Repeat("61", 300)},
		{"protobuf, empty", frame.Protocol{Size: frame.Varint, Strip: frame.Head}, "", "00"},
		{"protobuf, whole", frame.Protocol{Size: frame.Varint}, "AC 02" + strings.Repeat("61", 300), ""},
		{"protobuf, whole, size left out", frame.Protocol{Size: frame.Varint}, "00" + strings.Repeat("61", 300), "AC 02" + strings.Repeat("61", 300)},
		// gRPC's length-prefixed messages: a flag, then the size.
		{"gRPC", frame.Protocol{Size: frame.U32BE, Offset: 1, Strip: frame.Head}, "08 01", "00 00000002 08 01"},
		// PostgreSQL: a letter, then a size that counts itself.
		{"PostgreSQL", frame.Protocol{Size: frame.U32BE, Offset: 1, Adjust: -4}, "51 00000010 53454C454354203B313B3200", "51 00000010 53454C454354203B313B3200"},
		{"u64le", frame.Protocol{Size: frame.U64LE, Strip: frame.Head}, "41", "0100000000000000 41"},
		{"magic and crc16-modbus", frame.Protocol{Magic: "\xAA\x55", Size: frame.U8, Strip: frame.Head, Check: frame.CRC16Modbus, Over: frame.OverPayload},
			"313233343536373839", "AA55 0B 313233343536373839 374B"},
		{"its check not counted", frame.Protocol{Magic: "\xAA\x55", Size: frame.U8, Adjust: 2, Strip: frame.Head, Check: frame.CRC16Modbus, Over: frame.OverPayload},
			"313233343536373839", "AA55 09 313233343536373839 374B"},
		{"magic and a gap before the size", frame.Protocol{Magic: "\xAA\x55", Offset: 4, Size: frame.U8, Strip: frame.Head}, "41 42", "AA55 0000 02 41 42"},
		{"fixed", frame.Protocol{Fixed: 4}, "01020304", ""},
		{"fixed with magic", frame.Protocol{Fixed: 4, Magic: "\xAA", Strip: frame.Head}, "010203", "AA 010203"},
		{"fixed with magic and xor8, whole", frame.Protocol{Fixed: 4, Magic: "\xAA", Check: frame.Xor8}, "AA 0102", "AA 0102 A9"},
	} {
		t.Run(c.name, func(t *testing.T) {
			sent := c.bytes
			if sent == "" {
				sent = c.message
			}
			want, in := unhex(t, sent), unhex(t, c.message)
			if got := encode(t, c.p, wire.Bytes(in)); !bytes.Equal(got, want) {
				t.Fatalf("% X is sent as % X, want % X", in, got, want)
			}
			if strings.Contains(c.name, "left out") && c.p.Strip == 0 {
				in = want
			}
			for _, role := range roles {
				for _, limit := range []int64{0, 1} {
					s := wiretest.Stream{Role: role, Bytes: append(bytes.Clone(want), want...), Limits: wire.Limits{MaxMessage: limit}}
					wiretest.CheckSplits(t, c.p, s)
					d := wiretest.NewDriver(t, c.p, role, s.Limits)
					d.Feed(s.Bytes)
					if got := d.Messages(); len(got) != 2 || !bytes.Equal(got[0].Bytes(), in) || !bytes.Equal(got[1].Bytes(), in) || d.EOF() != nil {
						t.Errorf("limit %d: % X is received as %v", limit, s.Bytes, d.Events)
					}
				}
			}
		})
	}
}

// Verifies: FRAME-05
func TestStripForReceivingOnly(t *testing.T) {
	modbus := unhex(t, "00 01 00 00 00 06 11 03 00 6B 00 03")
	for strip, want := range map[int]string{2: "00 00 00 06 11 03 00 6B 00 03", 7: "03 00 6B 00 03", 12: ""} {
		p := frame.Protocol{Size: frame.U16BE, Offset: 4, Strip: strip}
		for _, limit := range []int64{0, 1} {
			for _, size := range []int{0, 1} {
				if got := events(t, p, wire.Limits{MaxMessage: limit}, modbus, size); got != "message "+wire.Bytes(unhex(t, want)).String() {
					t.Errorf("strip=%d: %s", strip, got)
				}
			}
		}
		m := p.New(wire.Dialing, wire.Limits{})
		for _, err := range []error{second(m.Send(nil, wire.Bytes(modbus))), second(m.SendHead(nil, 3))} {
			if !errors.Is(err, wire.ErrNotRepresentable) {
				t.Errorf("strip=%d: Send returned %v", strip, err)
			}
		}
	}
	// A varint counts as one byte.
	p := frame.Protocol{Size: frame.Varint, Strip: 3}
	stream := append(unhex(t, "AC 02"), bytes.Repeat([]byte("a"), 300)...)
	if got := wiretestMessages(t, p, wire.Accepting, stream); len(got) != 1 || got[0].Len() != 298 {
		t.Errorf("strip=3 behind a varint: %v", got)
	}
}

func second(_ []byte, _ wire.Sent, err error) error { return err }

// Verifies: FRAME-03, FRAME-04, FRAME-13
func TestNotRepresentable(t *testing.T) {
	for _, c := range []struct {
		p    frame.Protocol
		m    wire.Message
		want error
		rule string
	}{
		{frame.Protocol{Size: frame.U16BE, Offset: 4}, wire.Text("short"), wire.ErrNotRepresentable, "these 5 bytes have none at offset 4"},
		{frame.Protocol{Size: frame.Varint}, wire.Text(""), wire.ErrNotRepresentable, "have none at offset 0"},
		{frame.Protocol{Size: frame.Varint}, wire.Text(strings.Repeat("\xFF", 20)), wire.ErrNotRepresentable, "have none at offset 0"},
		{frame.Protocol{Size: frame.U8, Magic: "AB"}, wire.Text("A__"), wire.ErrNotRepresentable, "does not begin with the magic 41 42"},
		{frame.Protocol{Size: frame.U8, Magic: "AB"}, wire.Text("A"), wire.ErrNotRepresentable, "does not begin with the magic"},
		{frame.Protocol{Size: frame.U8, Strip: frame.Head}, wire.Text(strings.Repeat("x", 256)), wire.ErrTooLarge, "at most 255"},
		{frame.Protocol{Size: frame.U8, Strip: frame.Head, Check: frame.CRC32}, wire.Text(strings.Repeat("x", 252)), wire.ErrTooLarge, "at most 251"},
		{frame.Protocol{Size: frame.U32BE, Strip: frame.Head, Max: 10}, wire.Text("12345678901"), wire.ErrTooLarge, "raise max"},
		{frame.Protocol{Size: frame.U32BE, Adjust: 2}, wire.Text("\x00\x00\x00\x00a"), wire.ErrNotRepresentable, "at least 2 bytes, this one has 1"},
		{frame.Protocol{Fixed: 4}, wire.Text("123"), wire.ErrNotRepresentable, "exactly 4 bytes, this one has 3"},
		{frame.Protocol{Fixed: 4}, wire.Text("12345"), wire.ErrTooLarge, "exactly 4 bytes, this one has 5"},
		{frame.Protocol{Fixed: 4, Magic: "A", Check: frame.Sum8}, wire.Text("B12"), wire.ErrNotRepresentable, "magic"},
		{frame.Protocol{Marks: frame.SLIP}, wire.Text(""), wire.ErrNotRepresentable, "no empty message"},
		{frame.Protocol{Marks: frame.COBS, Max: 3}, wire.Text("1234"), wire.ErrTooLarge, "at most 3"},
		{frame.Protocol{Marks: frame.STX}, wire.Int(5), wire.ErrNotRepresentable, "no int"},
		{frame.Protocol{}, wire.Text("x"), wire.ErrNotRepresentable, "nothing says where a frame ends"},
	} {
		m := c.p.New(wire.Dialing, wire.Limits{})
		out, _, err := m.Send([]byte("before"), c.m)
		if !errors.Is(err, c.want) || !strings.Contains(fmt.Sprint(err), c.rule) || string(out) != "before" {
			t.Errorf("%+v: %v is sent as %q with %v, want %q", c.p, c.m, out, err, c.rule)
		}
		if m.Close(nil); second(m.Send(nil, c.m)) != wire.ErrLeft || second(m.SendHead(nil, 1)) != wire.ErrLeft {
			t.Errorf("%+v: sent after the farewell", c.p)
		}
	}
}

// Verifies: FRAME-08, FRAME-09, FRAME-20
func TestSizesThatCantBe(t *testing.T) {
	five := "message " + wire.Bytes([]byte("hello")).String()
	lost := func(at, rule string) string {
		return "lost: parley: frame message lost, at byte " + at + ": this frame is skipped: " + rule
	}
	end := func(at, rule string) string {
		return "end: parley: frame protocol error, at byte " + at + ": " + rule
	}
	u16 := frame.Protocol{Size: frame.U16BE, Strip: frame.Head, Max: 10}
	for _, c := range []struct {
		name   string
		p      frame.Protocol
		stream string
		want   []string
	}{
		{"above max", u16, "\x00\x0Bhello world\x00\x05hello", []string{lost("0", "parley: message too large: a payload of 11 bytes is announced, max is 10"), five}},
		{"far above max", u16, "\x00\x05hello\xFF\xFFx", []string{five, lost("7", "parley: message too large: a payload of 65535"), end("7", "the stream ended inside a frame, 65534 of its 65537 bytes are missing; that message is lost: unexpected EOF")}},
		{"no room for the check", frame.Protocol{Size: frame.U8, Strip: frame.Head, Check: frame.CRC32}, "\x03abc\x04\x00\x00\x00\x00", []string{
			lost("0", "a frame of 4 bytes has no room for its check of 4 bytes"), "lost: parley: frame message lost, at byte 4: a frame of 5 bytes has the crc32 "}},
		{"too short for strip", frame.Protocol{Size: frame.U8, Strip: 4}, "\x01a\x08abchello", []string{lost("0", "a frame of 2 bytes is too short for strip=4"), five}},
		{"negative", frame.Protocol{Size: frame.U16BE, Adjust: -2, Strip: frame.Head}, "\x00\x07hello\x00\x01", []string{five,
			end("7", "no frame can begin here: its size is 1, which adjust=-2 makes negative; the peer is out of step or has other options")}},
		{"u64 above 63 bits", frame.Protocol{Size: frame.U64BE}, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF", []string{end("0", "no frame can begin here: its size is 18446744073709551615")}},
		{"u64 at 62 bits", frame.Protocol{Size: frame.U64BE}, "\x3F\xFF\xFF\xFF\xFF\xFF\xFF\xFF", []string{
			lost("0", "parley: message too large: a payload of 4611686018427387903 bytes"), end("0", "the stream ended inside a frame, 4611686018427387903 of its")}},
		{"varint of eleven bytes", frame.Protocol{Size: frame.Varint}, "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01", []string{end("0", "no frame can begin here: its size is a varint beyond 64 bits, or of more than 10 bytes")}},
		{"varint of 65 bits", frame.Protocol{Size: frame.Varint}, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x02", []string{end("0", "no frame can begin here: its size is a varint beyond 64 bits")}},
		{"varint of 64 bits", frame.Protocol{Size: frame.Varint}, "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01", []string{end("0", "no frame can begin here: its size is 18446744073709551615")}},
		{"varint longer than need be", frame.Protocol{Size: frame.Varint, Strip: frame.Head}, "\x85\x80\x00hello", []string{five}},
		{"cut off in a size", u16, "\x00", []string{end("0", "the stream ended inside a frame, after 1 bytes of it; that message is lost: unexpected EOF")}},
		{"cut off in a payload", u16, "\x00\x05hello\x00\x05hel", []string{five, end("7", "the stream ended inside a frame, 2 of its 7 bytes are missing")}},
		{"cut off in a check", frame.Protocol{Size: frame.U8, Check: frame.CRC32}, "\x08abcdef", []string{end("0", "the stream ended inside a frame, 2 of its 9 bytes are missing")}},
		{"cut off in a magic", frame.Protocol{Size: frame.U8, Magic: "ABC"}, "AB", []string{end("0", "the stream ended inside a frame, after 2 bytes of it")}},
		{"cut off in a fixed one", frame.Protocol{Fixed: 5}, "hellohel", []string{five, end("5", "the stream ended inside a frame, 2 of its 5 bytes are missing")}},
	} {
		t.Run(c.name, func(t *testing.T) { compare(t, c.p, c.stream, c.want) })
	}
}

// compare checks the beginnings of what a stream gives, however it is cut.
func compare(t *testing.T, p frame.Protocol, stream string, want []string) {
	t.Helper()
	for _, size := range []int{0, 1, 2, 3, 10} {
		lines := strings.Split(events(t, p, wire.Limits{}, []byte(stream), size), "\n")
		if len(lines) != len(want) {
			t.Fatalf("in pieces of %d:\n%s", size, strings.Join(lines, "\n"))
		}
		for i := range lines {
			if !strings.HasPrefix(lines[i], want[i]) {
				t.Errorf("in pieces of %d: %s\nwant %s", size, lines[i], want[i])
			}
		}
	}
}

// Verifies: FRAME-06, FRAME-07
func TestResynchronisation(t *testing.T) {
	p := frame.Protocol{Size: frame.U16BE, Magic: "\xAA\x55", Strip: frame.Head, Max: 100}
	good := "\xAA\x55\x00\x05hello"
	five := "message " + wire.Bytes([]byte("hello")).String()
	garbage := func(at, n string) string {
		return "lost: parley: frame message lost, at byte " + at + ": " + n + " bytes that belong to no frame were skipped; either something else writes to this connection, or a frame before them had a wrong size"
	}
	for _, c := range []struct {
		name   string
		p      frame.Protocol
		stream string
		want   []string
	}{
		{"none", p, good + good, []string{five, five}},
		{"before the first", p, "noise" + good, []string{garbage("0", "5"), five}},
		{"between", p, good + "\xAA" + good, []string{five, garbage("9", "1"), five}},
		{"beginnings of a magic", p, good + "\xAA\xAA\xAA\xAA\xAA" + good, []string{five, garbage("9", "5"), five}},
		{"a size above max is damage", p, good + "\xAA\x55\xFF\xFFxyz" + good, []string{five,
			"lost: parley: frame message lost, at byte 9: parley: message too large: a payload of 65535 bytes is announced, max is 100; 7 bytes were skipped, up to the next magic", five}},
		{"magics with sizes that can't be", p, "x" + strings.Repeat("\xAA\x55\xFF\xFF", 50) + good, []string{garbage("0", "201"), five}},
		{"at the end", p, good + "noise\xAA", []string{five, "end: parley: frame protocol error, at byte 9: the stream ended in 6 bytes that belong to no frame: unexpected EOF"}},
		{"a check that does not fit", frame.Protocol{Size: frame.U8, Magic: "Z", Strip: frame.Head, Check: frame.CRC32}, "Z\x03abcZ\x09hello\x09\x85\xD9\x50", []string{
			"lost: parley: frame message lost, at byte 0: a frame of 5 bytes has no room for its check of 4 bytes; 5 bytes were skipped", "lost: "}},
		{"fixed", frame.Protocol{Fixed: 6, Magic: "Z", Strip: frame.Head}, "ZhelloaZhello", []string{five, "lost: parley: frame message lost, at byte 6: 1 bytes", five}},
	} {
		t.Run(c.name, func(t *testing.T) { compare(t, c.p, c.stream, c.want) })
	}
}

// An attacker who sends nothing but what may begin a frame makes no more work
// than his bytes are worth, and nothing of it is kept.
//
// Verifies: FRAME-06
func TestSearchIsLinear(t *testing.T) {
	for _, c := range []struct {
		p    frame.Protocol
		unit string
	}{
		{frame.Protocol{Size: frame.U32BE, Magic: "\xFF", Max: 10}, "\xFF"},
		{frame.Protocol{Size: frame.U32BE, Magic: strings.Repeat("\xFF", 64), Max: 10}, "\xFF"},
		{frame.Protocol{Size: frame.Varint, Magic: "\xFF\xFF", Max: 10}, "\xFF"},
		{frame.Protocol{Size: frame.U8, Magic: "AB", Offset: 4096, Max: 10}, "AB\xFF"},
	} {
		d := wiretest.NewDriver(t, c.p, wire.Accepting, wire.Limits{})
		began := time.Now()
		for range 64 {
			d.Feed([]byte(strings.Repeat(c.unit, 16<<10)))
			if d.Rest() > 4200 {
				t.Fatalf("%v: %d bytes are kept", c.p, d.Rest())
			}
		}
		if took := time.Since(began); took > time.Minute || len(d.Events) > 1 {
			t.Errorf("%v: %v for 1 MiB, %d events", c.p, took, len(d.Events))
		}
	}
}

// Verifies: FRAME-18
func TestOffer(t *testing.T) {
	p := frame.Protocol{Size: frame.U16BE, Magic: "ZZ", Check: frame.CRC16XMODEM}
	stream := encode(t, p, wire.Text("ZZ__hello"), wire.Text("ZZ__1234"))
	m := p.New(wire.Accepting, wire.Limits{MaxMessage: 8})
	receive := func(p []byte, n int, kind wire.EventKind) wire.Event {
		t.Helper()
		got, ev, err := wiretest.Receive(m, p)
		if got != n || ev.Kind != kind || err != nil {
			t.Fatalf("Receive: %d, %v, %v, want %d, %v", got, ev.Kind, err, n, kind)
		}
		return ev
	}
	receive(nil, 0, wire.EventOpen)
	receive(stream[:3], 0, wire.EventNone)
	if ev := receive(stream, 0, wire.EventOffer); ev.N != 9 || ev.Message.Type() != wire.TypeBytes || ev.Message.Len() != 0 {
		t.Errorf("the offer is %+v", ev)
	}
	m.Accept()
	if ev := receive(stream[:6], 6, wire.EventData); &ev.Data[0] != &stream[0] {
		t.Errorf("the first piece is a copy")
	}
	receive(stream[6:], 3, wire.EventData)
	receive(stream[9:10], 0, wire.EventNone)
	receive(stream[9:], 2, wire.EventEnd)
	if ev := receive(stream[11:], 10, wire.EventMessage); &ev.Message.Bytes()[0] != &stream[11] {
		t.Errorf("the message is %v, or a copy", ev.Message)
	}
}

// Verifies: FRAME-18
func TestRefuse(t *testing.T) {
	reason := errors.New("too large for us")
	for _, f := range forms {
		if f.Marks != frame.NoMarks || f.Fixed > 0 {
			continue
		}
		big, small := message(f.Protocol, bytes.Repeat([]byte("x"), 100)), message(f.Protocol, []byte("ok"))
		stream := encode(t, f.Protocol, big, small)
		for _, size := range []int{1, 5, len(stream)} {
			d := wiretest.NewDriver(t, f.Protocol, wire.Accepting, wire.Limits{MaxMessage: 50})
			d.Refuse = func(_ wire.Message, n int64) error {
				if n > 50 {
					return reason
				}
				return nil
			}
			for b := range slices(stream, size) {
				d.Feed(b)
			}
			if got := fmt.Sprint(d.Events[1:]); got != fmt.Sprintf("[lost: too large for us message %v]", small) || d.EOF() != nil {
				t.Errorf("%s in pieces of %d: %s", f.name, size, got)
			}
		}
	}
}

func slices(p []byte, size int) func(func([]byte) bool) {
	return func(yield func([]byte) bool) {
		for ; len(p) > 0; p = p[min(size, len(p)):] {
			if !yield(p[:min(size, len(p))]) {
				return
			}
		}
	}
}

// A payload that no check follows is not copied, and can be streamed.
//
// Verifies: FRAME-19
func TestSendsStreams(t *testing.T) {
	large := bytes.Repeat([]byte("x"), 20_000)
	for _, f := range forms {
		d := wiretest.NewDriver(t, f.Protocol, wire.Dialing, wire.Limits{})
		payload := message(f.Protocol, large[:1000]).Bytes()
		err := d.SendStream(payload)
		if may := f.Traits().SendsStreams; may != (err == nil) || err != nil && !errors.Is(err, wire.ErrNotRepresentable) {
			t.Errorf("%s: SendsStreams is %v, SendHead returned %v", f.name, may, err)
		} else if may && !bytes.Equal(d.Out, encode(t, f.Protocol, wire.Bytes(payload))) {
			t.Errorf("%s: streamed as % X", f.name, d.Out[:20])
		}
	}
	for _, c := range []struct {
		p    frame.Protocol
		m    []byte
		out  int
		body wire.Body
	}{
		{frame.Protocol{Size: frame.U32BE, Strip: frame.Head}, large, 4, wire.BodyFollows},
		{frame.Protocol{Size: frame.U32BE}, append([]byte{0, 0, 0x4E, 0x20}, large...), 0, wire.BodyFollows},
		{frame.Protocol{Size: frame.U32BE}, append([]byte{0, 0, 0, 0}, large...), 20_004, wire.BodyNone},
		{frame.Protocol{Size: frame.U32BE, Strip: frame.Head, Check: frame.Xor8}, large, 20_005, wire.BodyNone},
	} {
		out, sent, err := c.p.New(wire.Dialing, wire.Limits{}).Send(nil, wire.Bytes(c.m))
		if len(out) != c.out || sent.Body != c.body || err != nil {
			t.Errorf("%+v: %d bytes, %+v, %v", c.p, len(out), sent, err)
		}
	}
	p := frame.Protocol{Size: frame.U32BE, Strip: frame.Head}
	if _, _, err := p.New(wire.Dialing, wire.Limits{}).SendHead(nil, -1); !errors.Is(err, wire.ErrNotRepresentable) {
		t.Errorf("a stream of unknown size: %v", err)
	}
}
