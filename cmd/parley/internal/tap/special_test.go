package tap

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/parley-net/parley/line"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
	"github.com/parley-net/parley/wire"
)

// step is what one side says: ">" the client, "<" the server.
type step struct{ side, bytes string }

func (l *log) play(steps ...step) {
	for _, s := range steps {
		from := wire.Dialing
		if s.side == "<" {
			from = wire.Accepting
		}
		if s.bytes == "EOF" {
			l.EOF(from)
		} else {
			l.feed(from, []byte(s.bytes))
		}
	}
}

func TestSpecial(t *testing.T) {
	big := strings.Repeat("x", tinyproto.EagerLimit+1)
	for name, c := range map[string]struct {
		protocol wire.Protocol
		steps    []step
		want     string
	}{
		"a client of oneline that does not greet": {
			oneline.Protocol{},
			[]step{{">", "*IDN?\r\n"}, {"<", "ACME "}, {"<", "7\r\n"}, {">", "ping\n"}, {"<", "pong\n"}},
			`open; >text[6] "*IDN?\r"; <text[7] "ACME 7\r"; >text[4] "ping"; <text[4] "pong"; `,
		},
		"a server of oneline that speaks first": {
			oneline.Protocol{},
			[]step{{"<", "welcome, this is more than pong\nready> "}, {">", "*IDN?\n"}},
			`<stopped: parley: oneline protocol error, at byte 0: the answer to the opening "ping" is "welcome, this is more than pong", not "pong": the peer does not speak oneline; a plain device that ends its lines speaks line://; `,
		},
		"a server of oneline that prompts": {
			oneline.Protocol{},
			[]step{{"<", "ready and willing> "}, {">", "*IDN?\n"}, {"<", "ACME\n"}},
			`open; >text[5] "*IDN?"; <text[23] "ready and willing> ACME"; `,
		},
		"a line that is cut off": {
			oneline.Protocol{},
			[]step{{">", "*IDN?\n"}, {"<", "ACM"}, {"<", "EOF"}},
			`open; >text[5] "*IDN?"; <lost: parley: oneline protocol error, at byte 3: the stream ended inside a line; the 3 bytes that arrived of it are not delivered: unexpected EOF; `,
		},
		"other ends of lines": {
			oneline.Protocol{EOL: "\r\n"},
			[]step{{">", "ping\r\ncmd\r"}, {"<", "pong\r\n"}, {">", "\n"}, {"<", " a \r\n"}},
			`open; >text[3] "cmd"; <text[3] " a "; `,
		},
		"bytes that are no text": {
			oneline.Protocol{},
			[]step{{">", "ping\n"}, {"<", "pong\n"}, {">", "\xff?\n"}, {"<", "\xfe!\n"}},
			`open; >text[2] "\xff?" invalid; <text[2] "\xfe!" invalid; `,
		},
		"a farewell before all answers": {
			oneline.Protocol{},
			[]step{{">", "ping\n"}, {"<", "pong\n"}, {">", "list\ndisconnect\nignored\n"}, {"<", "a\nb\n"}, {">", "EOF"}, {"<", "EOF"}},
			`open; >text[4] "list"; >leave; <text[1] "a"; <text[1] "b"; `,
		},
		"shutdown": {
			oneline.Protocol{},
			[]step{{">", "ping\n"}, {"<", "pong\n"}, {">", "shutdown\n"}},
			`open; >shutdown; `,
		},
		"a large message without waiting for the OK": {
			tinyproto.Protocol{},
			[]step{{">", "\xff\x00\x01\x00\x01" + big[1:]}, {"<", "\xff"}, {">", big[:1]}, {"<", "\xff"}, {">", "\x00\x00\x00\x01y"}},
			`open; >bytes[65537] ` + strings.Repeat("78", 64) + `…; >bytes[1] 79; `,
		},
		"a refusal at the end of the stream": {
			tinyproto.Protocol{},
			[]step{{">", "\xff\x00\x00\x00\x05hello"}, {"<", "\xff\x00"}, {"<", "EOF"}},
			`open; >bytes[5] 68656c6c6f; <lost: parley: tinyproto refused, at byte 1: the peer does not take this message; send a smaller one or ask its owner (code 00); `,
		},
		"one side goes on when the other has ended": {
			serpy2.Protocol{},
			[]step{{">", "EOF"}, {">", "ignored"}, {"<", "\xde\xca\xfe\xca\xfe\x21\x61\x00\x00\x00\x01\x00\x00\x00a"}},
			`open; <text[1] "a"; `,
		},
		"a pickle": {
			serpy.Protocol{},
			[]step{{">", "\x01SETMODE4\x1f" + "fCWnhE&\x1f"}},
			`open; >bytes[5] 80054b052e mode 4; `,
		},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLog(c.protocol)
			l.play(c.steps...)
			if got := l.String(); got != c.want {
				t.Errorf("overheard\n  %s\nwant\n  %s", got, c.want)
			}
		})
	}
}

// What a device says besides its answers: the banner is told, prompt and echo are
// not, whoever is faster.
//
// Verifies: CARRY-03
func TestDialog(t *testing.T) {
	shell := []step{
		{"<", "ACME console 2.1\r\nready\r\ndev> "},
		{">", "meas?\n"}, {"<", "meas?\r\n1.0\r\n2.0\r\ndev> "},
		{">", "a\nb\n"}, {"<", "a\r\ndev> b\r\n\xff\r\ndev> "},
	}
	for name, c := range map[string]struct {
		protocol wire.Protocol
		steps    []step
		want     string
	}{
		"banner, prompt and echo": {
			line.Protocol{Prompt: "dev> ", Echo: true}, shell,
			`<banner "ACME console 2.1"; <banner "ready"; open; >text[5] "meas?"; <text[8] "1.0\r\n2.0"; ` +
				`>text[1] "a"; >text[1] "b"; <text[0] ""; <bytes[1] ff; `,
		},
		"without their options all is data": {
			line.Protocol{}, shell[:2],
			`open; <text[16] "ACME console 2.1"; <text[5] "ready"; >text[5] "meas?"; `,
		},
		"echo alone": {
			line.Protocol{Echo: true},
			[]step{{">", "A? \r\n"}, {">", "B?\r"}, {"<", "A?\r\n1\r\nB?\r\n"}, {"<", "A?\r\n"}},
			`open; >text[3] "A? "; >text[2] "B?"; <text[1] "1"; <text[2] "A?"; `,
		},
		"an echo of latin-1": {
			line.Protocol{Echo: true, Charset: line.Latin1},
			[]step{{">", "gr\xfcn\n"}, {"<", "gr\xfcn\nok\n"}},
			`open; >text[5] "grün"; <text[2] "ok"; `,
		},
		"an echo that is no text": {
			line.Protocol{Echo: true},
			[]step{{">", "\xff\xfe\n"}, {"<", "\xff\xfe\nok\n"}},
			`open; >bytes[2] fffe; <text[2] "ok"; `,
		},
		"skipped lines": {
			line.Protocol{Skip: 2},
			[]step{{"<", "one\ntwo\n"}, {">", "x"}, {"<", "three\n"}, {">", "EOF"}},
			`<banner "one"; <banner "two"; open; <text[5] "three"; >text[1] "x"; `,
		},
		"a banner that is cut off": {
			line.Protocol{Skip: 2},
			[]step{{"<", "one\ntw"}, {"<", "EOF"}},
			`<banner "one"; <lost: parley: line protocol error, at byte 6: the stream ended while 1 more lines of the banner were awaited (option Skip); 1 lines had come, the last "one", and "tw" behind it: unexpected EOF; `,
		},
	} {
		t.Run(name, func(t *testing.T) {
			whole, bytewise := newLog(c.protocol), newLog(c.protocol)
			whole.play(c.steps...)
			for _, s := range c.steps {
				pieces := strings.Split(s.bytes, "")
				if s.bytes == "EOF" {
					pieces = []string{s.bytes}
				}
				for _, p := range pieces {
					bytewise.play(step{s.side, p})
				}
			}
			for _, l := range []*log{whole, bytewise} {
				if got := l.String(); got != c.want {
					t.Errorf("overheard\n  %s\nwant\n  %s", got, c.want)
				}
			}
		})
	}
}

// A message above the limit costs itself, and no memory.
func TestTooLarge(t *testing.T) {
	for name, c := range map[string]struct {
		protocol wire.Protocol
		steps    []step
	}{
		"tinyproto": {tinyproto.Protocol{}, []step{{">", "\xff\x00\x00\x10\x00"}, {">", strings.Repeat("x", 4096)}, {"<", "\xff\xff"}, {">", "\x00\x00\x00\x05after"}}},
		"serpy2": {serpy2.Protocol{}, []step{
			{">", "\xde\xca\xfe\xca\xfe\x81\x00\x80\x07\x00\x00\x10\x00\x00" + strings.Repeat("x", 4096)},
			{">", "\xde\xca\xfe\xca\xfe\x21\x12\x02\x00\x00\x05\x00\x00\x00after"},
		}},
		"serpy": {serpy.Protocol{}, []step{{">", strings.Repeat("x", 4096)}, {">", "\x1fafter\x1f"}}},
	} {
		var items []Item
		l := &log{Decoder: NewDecoder(c.protocol, 100, func(i Item) {
			if i.Kind != Open && i.Kind != Confirmed {
				items = append(items, i)
			}
		})}
		l.play(c.steps...)
		if len(items) != 2 || items[0].Kind != Lost || items[1].Kind != Message || string(items[1].Message.Bytes()) != "after" {
			t.Errorf("%s: overheard %v", name, items)
			continue
		}
		var large *TooLargeError
		if !errors.As(items[0].Err, &large) && !errors.Is(items[0].Err, wire.ErrTooLarge) {
			t.Errorf("%s: %v", name, items[0].Err)
		}
	}
}

// What follows a stop is not decoded, and not an error.
func TestStop(t *testing.T) {
	l := newLog(tinyproto.Protocol{})
	l.play(step{">", "GET / HTTP/1.1\r\n"}, step{"<", "\xff"}, step{">", "more"}, step{"<", "EOF"})
	l.Stop(wire.Dialing, errors.New("again"))
	if len(l.items) != 1 || l.items[0].Kind != Stopped || l.items[0].From != wire.Dialing {
		t.Errorf("overheard %s", l)
	}
}

// Whatever two sides say, in whatever pieces: the decoder neither dies nor
// says more than it was told.
func FuzzDecoder(f *testing.F) {
	f.Add(uint8(0), []byte("\x05ping\n\x85pong\n\x04cmd\n\x84ack\n"))
	f.Add(uint8(1), []byte("\x01\xff\x81\xff\x06\x00\x00\x00\x02hi\x86\xff\x00\x00\x00\x01y\x01\xff"))
	f.Add(uint8(1), []byte("\x05\xff\x00\x02\x00\x00\x85\xff\x00\x02\x00\x00\x02\xff\xff\x82\xff\xff"))
	f.Add(uint8(2), []byte("\x10\x01SETMODE3\x1fVPa!s\x04\x1f\x94\x01ACKMODCG\x1f\x01ACKEOT!!\x1f"))
	f.Add(uint8(3), []byte("\x0f\xde\xca\xfe\xca\xfe\x21\x61\x00\x00\x00\x01\x00\x00\x00a"))
	protocols := []wire.Protocol{oneline.Protocol{}, tinyproto.Protocol{}, serpy.Protocol{}, serpy2.Protocol{}, oneline.Protocol{EOL: "\r\n"}, line.Protocol{Prompt: ">", Echo: true}, line.SCPI()}
	f.Add(uint8(5), []byte("\x83\x41\n>\x03ab\n\x88ab\nc\r\n>"))
	f.Add(uint8(6), []byte("\x05#13\n\n\n\x02a\n\x86#9999\n"))
	f.Fuzz(func(t *testing.T, which uint8, script []byte) {
		fed, said, stopped := 0, 0, 0
		d := NewDecoder(protocols[int(which)%len(protocols)], 1<<16, func(i Item) {
			if i.Kind == Message {
				said += i.Message.Len()
			}
			if stopped > 0 {
				t.Errorf("%v behind the stop", i.Kind)
			}
			if i.Kind == Stopped {
				stopped++
			}
		})
		// Each piece has its side and length in front.
		for len(script) > 0 {
			from, n := wire.Role(script[0]>>7), int(script[0]&0x7F)
			script = script[1:]
			n = min(n, len(script))
			fed += n
			if n == 0 {
				d.EOF(from)
			}
			d.Feed(from, bytes.Clone(script[:n]))
			script = script[n:]
		}
		if said > 2*fed+64 { // a ping, say, is four bytes of five
			t.Errorf("%d bytes were said, %d fed", said, fed)
		}
	})
}
