package line_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/parley-net/parley/line"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// Protocols between which and themselves messages travel. (One with Prompt, Skip
// or Echo needs a device.)
var plain = map[string]line.Protocol{
	"default": {},
	"crlf":    {End: line.Ends(line.CRLF), Send: line.CRLF},
	"cr":      {End: line.Ends(line.CR), Send: line.CR, Charset: line.ASCII},
	"set":     {End: line.Ends(line.NUL, "\x03\x04", "\x03"), Send: line.NUL, Charset: line.Latin1},
	"bytes":   {Charset: line.Bytes, Trim: true},
	"scpi":    line.SCPI(),
}

func streams(p line.Protocol) []wiretest.Stream {
	end := line.LF
	if p.Send != "" {
		end = p.Send
	}
	in := func(lines ...string) []byte { return []byte(strings.Join(lines, end) + end) }
	echo := func(d *wiretest.Driver, m wire.Message) { _ = d.Send(m) }
	var all []wiretest.Stream
	for _, role := range []wire.Role{wire.Dialing, wire.Accepting} {
		all = append(all,
			wiretest.Stream{Name: "lines", Role: role, Messages: 5, Reply: echo, Bytes: in("*IDN?", "", " x ", "h\xc3\xa9llo\xff", "last")},
			wiretest.Stream{Name: "long", Role: role, Messages: 3, Bytes: in(alphabet(100_000), "x", alphabet(70_000))},
			wiretest.Stream{Name: "no end", Role: role, Messages: 1, Bytes: append(in("cmd"), "unfinished"...)},
			wiretest.Stream{Name: "over the limit", Role: role, Messages: 1, Limits: wire.Limits{MaxMessage: 20}, Bytes: in("12345678901234567890", "123456789012345678901")},
			wiretest.Stream{Name: "sends", Role: role, Messages: 2, Bytes: in("a", "b"), Sends: []wire.Message{wire.Text("q"), wire.Int(5), wire.Float(0.5)}})
		if p.Blocks {
			all = append(all,
				wiretest.Stream{Name: "blocks", Role: role, Messages: 4, Reply: echo, Bytes: in("#15a\nb\n\r", "C #212"+alphabet(12)+",#13\xff\x00\n", "#0\xff'", "'#15a\"")},
				wiretest.Stream{Name: "announced", Role: role, Messages: 1, Bytes: []byte("a\n#9999999999abc")},
				wiretest.Stream{Name: "block over the limit", Role: role, Messages: 2, Limits: wire.Limits{MaxMessage: 20}, Bytes: in("a", "#221"+alphabet(21), "b")})
		}
	}
	return all
}

func alphabet(n int) string {
	return strings.Repeat("abcdefghijklmnopqrstuvwxyz", 1+n/26)[:n]
}

// Verifies: RUNTIME-47, RUNTIME-48, LINE-14
func TestConformance(t *testing.T) {
	for name, p := range plain {
		t.Run(name, func(t *testing.T) { wiretest.Conformance(t, p, streams(p), nil) })
	}
}

// Verifies: RUNTIME-49
func TestSteadyState(t *testing.T) {
	messages := append(wiretest.Sized(wire.TextBytes), wiretest.Sized(wire.Bytes)...)
	messages = append(messages, wire.Text("h\u00e9"), wire.Int(-600000), wire.Float(12.35), wire.Text(""))
	for name, p := range plain {
		t.Run(name, func(t *testing.T) {
			own := messages
			if p.Charset == line.ASCII {
				own = messages[:6]
			}
			wiretest.SteadyState(t, p, wire.Limits{}, own...)
		})
	}
	block := wire.Bytes(line.AppendBlock([]byte("CURV "), bytes.Repeat([]byte("\n"), 1000)))
	wiretest.SteadyState(t, line.SCPI(), wire.Limits{}, block)
}

// A dialogue with a device that greets, prompts and echoes costs no allocation
// either.
//
// Verifies: RUNTIME-49, LINE-07
func TestSteadyDialogue(t *testing.T) {
	m := line.Protocol{Prompt: "> ", Echo: true}.New(wire.Dialing, wire.Limits{})
	var ev wire.Event
	feed := func(s []byte) {
		for len(s) > 0 {
			n, err := m.Receive(s, &ev)
			if err != nil {
				t.Fatal(err)
			}
			s = s[n:]
		}
	}
	feed([]byte("hello\r\n> "))
	m.Receive(nil, &ev)
	out, answer, question := make([]byte, 0, 100), []byte("MEAS?\r\n1.5\r\n> "), wire.Text("MEAS?")
	exchange := func() {
		out, _, _ = m.Send(out[:0], question)
		feed(answer)
		if ev.Kind != wire.EventMessage || ev.Message.Len() != 3 {
			t.Fatal(ev)
		}
	}
	exchange()
	if n := testing.AllocsPerRun(100, exchange); n != 0 {
		t.Errorf("%v allocations for a question and its answer", n)
	}
}

func BenchmarkMachine(b *testing.B) {
	for _, name := range []string{"default", "crlf", "scpi"} {
		b.Run(name, func(b *testing.B) { wiretest.Benchmark(b, plain[name], wiretest.Sized(wire.TextBytes)...) })
	}
}

// fuzzed makes options of a few bytes.
func fuzzed(how uint32, end, prompt string) line.Protocol {
	p := line.Protocol{
		Blocks: how&1 != 0, Trim: how&2 != 0, Echo: how&4 != 0, Skip: int(how >> 3 & 3), Charset: line.Charset(how >> 5 & 3), Max: int64(how >> 8 & 63),
	}
	if how&(1<<7) != 0 {
		p.Send = line.Same
	}
	if how&(1<<15) != 0 {
		p.Prompt = prompt
	}
	if end != "" {
		p.End = line.Ends(strings.Split(end, ",")...)
	}
	return p
}

func FuzzMachine(f *testing.F) {
	for _, c := range cases {
		how := uint32(c.p.Skip)<<3 | uint32(c.p.Charset)<<5 | uint32(c.limit)<<8 | 1<<15
		for i, on := range []bool{c.p.Blocks, c.p.Trim, c.p.Echo} {
			if on {
				how |= 1 << i
			}
		}
		f.Add([]byte(c.in), byte(c.role), how, "", c.p.Prompt)
	}
	f.Add([]byte("1abc2abb3a4ab"), byte(0), uint32(0), "a,abc", "")
	f.Add([]byte("1;2;;3;;;4;;;;5"), byte(1), uint32(128), ";,;;,;;;", "")
	f.Add([]byte("0"), byte(1), uint32(32776), "\xcf;\xef\xe8,;", "")
	f.Fuzz(func(t *testing.T, in []byte, role byte, how uint32, end, prompt string) {
		p := fuzzed(how, end, prompt)
		if p.Validate(wire.Dialing) != nil {
			return
		}
		var sends []wire.Message
		for _, m := range []wire.Message{wire.Text("a"), wire.Text("bc")} {
			if _, _, err := p.New(wire.Role(role&1), wire.Limits{}).Send(nil, m); err == nil {
				sends = append(sends, m)
			}
		}
		wiretest.CheckInput(t, p, wiretest.Stream{Name: fmt.Sprintf("%+v", p), Role: wire.Role(role & 1), Bytes: in, Sends: sends,
			Reply: func(d *wiretest.Driver, m wire.Message) { _ = d.Send(m) }})
	})
}
