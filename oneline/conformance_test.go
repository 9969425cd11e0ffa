package oneline_test

import (
	"strings"
	"testing"

	"github.com/parley-net/parley/internal/recorded"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

func streams(p oneline.Protocol) []wiretest.Stream {
	eol := orLF(p.EOL)
	commands := 4
	if p.UTF8 {
		commands++ // p FF ing is not ping then
	}
	in := func(lines ...string) []byte { return []byte(strings.Join(lines, eol) + eol) }
	return []wiretest.Stream{
		{Name: "session", Role: wire.Accepting, Messages: commands, Reply: ack.reply,
			Bytes: in("ping", "cmd01", "", "h\xc3\xa9llo", "ping", "p\xffing", " x \r", "disconnect", "behind")},
		{Name: "shutdown", Role: wire.Accepting, Messages: 1, Bytes: in("cmd", "shutdown", "x")},
		{Name: "long", Role: wire.Accepting, Messages: 3, Bytes: in(alphabet(100_000), "x", alphabet(70_000))},
		{Name: "cut", Role: wire.Accepting, Messages: 1, Bytes: append(in("cmd"), "unfinished\r"...)},
		{Name: "over the limit", Role: wire.Accepting, Messages: 1, Limits: wire.Limits{MaxMessage: 20},
			Bytes: in("12345678901234567890", "123456789012345678901")},
		{Name: "session", Role: wire.Dialing, Messages: 5,
			Sends: []wire.Message{wire.Text("list"), wire.Text("cmd"), wire.Int(5)},
			Bytes: in(" pong \r", "one", "", "bad\xff", "  h\u00e9llo\u3000", "disconnect", "\x1c\x1d x \x1e\x1f")},
		{Name: "no pong", Role: wire.Dialing, Bytes: in("nope", "one")},
	}
}

// Verifies: RUNTIME-47, RUNTIME-48
func TestConformance(t *testing.T) {
	for _, p := range []oneline.Protocol{{}, {UTF8: true}, {EOL: "\r\n"}} {
		t.Run(describe(p), func(t *testing.T) {
			wiretest.Conformance(t, p, streams(p), nil)
		})
	}
}

func describe(p oneline.Protocol) string {
	switch {
	case p.UTF8:
		return "UTF8"
	case p.EOL != "":
		return "CRLF"
	}
	return "default"
}

func FuzzMachine(f *testing.F) {
	for _, s := range streams(oneline.Protocol{}) {
		if len(s.Bytes) < 1000 {
			f.Add(s.Bytes, byte(s.Role))
		}
	}
	for _, s := range recorded.Streams(f, "oneline", 1000) {
		f.Add(s.Bytes, byte(s.Role))
	}
	f.Add([]byte("dis\xffconnect\nx"), byte(wire.Accepting))
	f.Add([]byte("pong\r\na\r\nb\rc\r"), byte(wire.Dialing)|8)
	f.Fuzz(func(t *testing.T, in []byte, how byte) {
		p := oneline.Protocol{
			UTF8:    how&4 != 0,
			MaxLine: int(how >> 4),
			EOL:     [...]string{"\n", "\r\n"}[how>>3&1],
		}
		wiretest.CheckInput(t, p, wiretest.Stream{Name: "fuzz", Role: wire.Role(how & 1), Bytes: in})
	})
}
