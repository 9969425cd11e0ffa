package line_test

import (
	"testing"

	"github.com/parley-net/parley/line"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// What one machine has sent is repeated by another one as it would send it itself, however
// the two peers end their lines and whatever was sent before.
//
// Verifies: LINE-03
func TestRepeat(t *testing.T) {
	heard := []string{"", "a\n", "a\r", "a\r\n", "a\rb\r", "a\x03", "a\x03\x04", "a\x03b\x03"}
	said := []wire.Message{wire.Text("a"), line.Verbatim(wire.Text("> "))}
	messages := []wire.Message{
		wire.Text("a"), wire.Text(""), wire.Text("\nb"), wire.Text("\x04b"), wire.Text("é"), wire.Bytes([]byte("a\xff")), wire.Int(5),
		wire.Text("h\xc3\xa9").WithASCII(), line.Verbatim(wire.Text("> ")), line.Verbatim(wire.Text("a\r")), line.Verbatim(wire.Text("a\r\n")),
	}
	for name, p := range map[string]line.Protocol{
		"same":    {Send: line.Same},
		"default": {},
		"cr":      {Send: line.CR},
		"crlf":    {Send: line.CRLF},
		"set":     {End: line.Ends("\x03", "\x03\x04"), Send: "\x03"},
		"sets":    {End: line.Ends("\x03", "\x03\x04"), Send: line.Same},
		"foreign": {Send: "--", End: line.Ends("\n")},
		"latin1":  {Send: line.Same, Charset: line.Latin1},
		"ascii":   {Send: line.Same, Charset: line.ASCII},
	} {
		machine := func(hears string, says wire.Message) *wiretest.Driver {
			d := wiretest.NewDriver(t, p, wire.Accepting, wire.Limits{})
			d.Feed([]byte(hears))
			_ = d.Send(says) // an error leaves it as it was
			return d
		}
		for _, first := range heard {
			for _, other := range heard {
				for _, m := range messages {
					for n := range 4 {
						form, _, err := machine(first, said[n/2]).Machine.Send(nil, m)
						if err != nil {
							continue
						}
						itself := machine(other, said[n%2]).Machine
						want, wantSent, wantErr := itself.Send([]byte("x"), m)
						again := machine(other, said[n%2]).Machine
						got, sent, err := again.(wire.Repeater).Repeat([]byte("x"), form, m)
						if string(got) != string(want) || sent != wantSent || (err == nil) != (wantErr == nil) {
							t.Fatalf("%s: who has heard %q repeats %q of who has heard %q as %q, %v; sends it as %q, %v", name, other, form, first, got, err, want, wantErr)
						}
						next := wire.Text("\x04b") // with a set, part of the end before it
						want, _, wantErr = itself.Send(nil, next)
						if got, _, err := again.Send(nil, next); string(got) != string(want) || (err == nil) != (wantErr == nil) {
							t.Fatalf("%s: who has repeated %q sends %v as %q, %v; who has sent it, as %q, %v", name, form, next, got, err, want, wantErr)
						}
					}
				}
			}
		}
	}
}
