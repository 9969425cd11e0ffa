package line_test

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/parley-net/parley/line"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// told describes what a machine has told: messages quoted (bytes in %x), banner
// lines behind !, losses.
func told(d *wiretest.Driver) string {
	var all []string
	for _, e := range d.Events {
		switch e.Kind {
		case wire.EventOpen:
			if len(all) > 0 {
				all = append(all, "open")
			}
		case wire.EventBanner:
			all = append(all, fmt.Sprintf("!%s", e.Message.Bytes()))
		case wire.EventMessage:
			if e.Message.Type() == wire.TypeBytes {
				all = append(all, fmt.Sprintf("<%x>", e.Message.Bytes()))
			} else {
				all = append(all, fmt.Sprintf("%q", e.Message.Bytes()))
			}
		default:
			all = append(all, e.Kind.String())
		}
	}
	return strings.Join(all, " ")
}

// cases are conversations, of which every split has the same outcome.
var cases = []struct {
	name  string
	p     line.Protocol
	role  wire.Role
	limit int64
	sends []string // said as soon as the connection is open
	in    string
	want  string
	err   string // how the stream has ended
	reply bool   // each message is answered with "a"
	out   string
}{
	{name: "any", in: "lf\ncrlf\r\ncr\rlast", want: `"lf" "crlf" "cr" "last"`},
	{name: "any, empty ones", in: "\n\r\n\r\r\n\n\r", want: `"" "" "" "" "" ""`},
	{name: "any, LF CR", in: "a\n\rb\n", want: `"a" "" "b"`},
	{name: "any, CR CR LF", in: "a\r\r\nb\r\n", want: `"a" "" "b"`},
	{name: "any, CR and the end", in: "a\r", want: `"a"`},
	{name: "lf", p: line.Protocol{End: line.Ends(line.LF)}, in: "a\r\nb\n\rc", want: `"a\r" "b" "\rc"`},
	{name: "crlf", p: line.Protocol{End: line.Ends(line.CRLF)}, in: "a\nb\r\nc\rd\r\r\ne\r", want: `"a\nb" "c\rd\r" "e\r"`},
	{name: "cr", p: line.Protocol{End: line.Ends(line.CR)}, in: "a\nb\r\r\nc", want: `"a\nb" "" "\nc"`},
	{name: "nul", p: line.Protocol{End: line.Ends(line.NUL)}, in: "a\r\n\x00\x00b", want: `"a\r\n" "" "b"`},
	{name: "etx", p: line.Protocol{End: line.Ends("\x03")}, in: "a\x03b\x03", want: `"a" "b"`},
	{name: "two bytes", p: line.Protocol{End: line.Ends("$ ")}, in: "a$$ b$ $c", want: `"a$" "b" "$c"`},
	{name: "two with the same last byte", p: line.Protocol{End: line.Ends("ab", "b")}, in: "xabyb", want: `"x" "y"`},
	{name: "one inside another", p: line.Protocol{End: line.Ends("abc", "b")}, in: "xabcabc", want: `"xa" "ca" "c"`},
	{name: "longer", p: line.Protocol{End: line.Ends("a", "abc")}, in: "1abc2abb3a4ab", want: `"1" "2" "bb3" "4" "b"`},
	{name: "three grades", p: line.Protocol{End: line.Ends(";", ";;", ";;;")}, in: "1;2;;3;;;4;;;;5", want: `"1" "2" "3" "4" "" "5"`},
	{name: "cr, crlf", p: line.Protocol{End: line.Ends(line.CR, line.CRLF)}, in: "a\rb\r\nc\nd\r\n", want: `"a" "b" "c\nd"`},
	{name: "limit", limit: 3, in: "abc\nabc\r\nabcd\nabc\nabcde\r\na\rabcdefghijk\r\n\nd", want: `"abc" "abc" lost "abc" lost "a" lost "" "d"`},
	{name: "limit without an end", limit: 3, in: "abcdefgh", want: "lost"},
	{name: "limit, two lost in a row", limit: 3, in: "abcdefgh\nabcd\nabcdefghijkl\r\nabc", want: `lost lost lost "abc"`},
	{name: "limit, long ends", p: line.Protocol{End: line.Ends("<end>", "<end>\n", "<e>")}, limit: 2, in: "abcdefghi<end<end>\nab<e>abcdefghijklmn<e<end<e>ab<end>1", want: `lost "ab" lost "ab" "1"`},
	{name: "limit, same", p: line.Protocol{Send: line.Same}, role: wire.Accepting, limit: 3, reply: true, in: "1\nabcdefgh\r2\r\n3\r", want: `"1" lost "2" "3"`, out: "a\na\ra\r"},
	{name: "limit, an echo", p: line.Protocol{Echo: true}, limit: 3, sends: []string{"abcdefgh", "q"}, in: "abcdefgh\nq\n1\n", want: `lost "1"`, out: "abcdefgh\nq\n"},
	{name: "limit, a line of the banner", p: line.Protocol{Skip: 1}, limit: 3, in: "abcdefgh\nabc\n", err: "before the connection was open"},
	{name: "limit at the end", limit: 3, in: "abcd", err: "limit of 3 bytes"},
	{name: "Max", p: line.Protocol{Max: 2}, in: "ab\nabc\nc\n", want: `"ab" lost "c"`},

	{name: "same, LF", role: wire.Accepting, reply: true, in: "1\n2\n", want: `"1" "2"`, out: "a\na\n"},
	{name: "same, CR LF", role: wire.Accepting, reply: true, in: "1\r\n2\r\n3\r\n", want: `"1" "2" "3"`, out: "a\r\na\r\na\r\n"},
	{name: "same, CR", role: wire.Accepting, reply: true, in: "1\r2\r3\r", want: `"1" "2" "3"`, out: "a\r\na\ra\r"},
	{name: "same, mixed", role: wire.Accepting, reply: true, in: "1\n2\r\n3\n4\r5\r\n6\n", want: `"1" "2" "3" "4" "5" "6"`, out: "a\na\r\na\na\r\na\ra\n"},
	{name: "same, end of the stream", role: wire.Accepting, reply: true, in: "1\r\n2", want: `"1" "2"`, out: "a\r\na\r\n"},
	{name: "same, nothing before", role: wire.Accepting, reply: true, in: "1", want: `"1"`, out: "a\n"},
	{name: "same of a set", p: line.Protocol{End: line.Ends(line.NUL, "\x03")}, role: wire.Accepting, reply: true, in: "1\x032\x003", want: `"1" "2" "3"`, out: "a\x03a\x00a\x00"},
	{name: "same, first of a set", p: line.Protocol{End: line.Ends(line.NUL, "\x03")}, role: wire.Accepting, sends: []string{"hi"}, out: "hi\x00"},
	{name: "dialing sends LF", reply: true, in: "1\r\n2\r", want: `"1" "2"`, out: "a\na\n"},
	{name: "dialing, same", p: line.Protocol{Send: line.Same}, sends: []string{"q"}, reply: true, in: "1\r\n", want: `"1"`, out: "q\na\r\n"},
	{name: "accepting, send", p: line.Protocol{Send: line.CR}, role: wire.Accepting, reply: true, in: "1\n", want: `"1"`, out: "a\r"},

	{name: "skip", p: line.Protocol{Skip: 2}, in: "Welcome\r\n\r\n1\r\n2\r\n", want: `!Welcome ! open "1" "2"`},
	{name: "skip, not all", p: line.Protocol{Skip: 3}, in: "Welcome\r\nto\r\nthe", want: `!Welcome !to`, err: `1 more lines of the banner were awaited (option Skip); 2 lines had come, the last "to", and "the" behind it`},
	{name: "skip, nothing", p: line.Protocol{Skip: 1}, err: "nothing had come"},
	{name: "skip, accepting", p: line.Protocol{Skip: 1}, role: wire.Accepting, in: "a\n", want: `"a"`},
	{name: "prompt", p: line.Protocol{Prompt: "> "}, in: "Hello\r\n> 1.0\r\n> 2\r\n3\r\n> > 4", want: `!Hello open "1.0" "2\r\n3" "" "4"`},
	{name: "prompt inside a line", p: line.Protocol{Prompt: ">"}, in: ">a > b\n>c>\n>\n>", want: `"a > b" "c>" ""`},
	{name: "prompt, cut off", p: line.Protocol{Prompt: ">>> "}, in: ">>> a\n>>", want: `"a\n>>"`},
	{name: "prompt, one line, then the end", p: line.Protocol{Prompt: ">>> "}, in: ">>> a\r\nb\r\n", want: `"a\r\nb"`},
	{name: "prompt, never", p: line.Protocol{Prompt: ">"}, in: "login: ", err: `the prompt ">" was awaited (option Prompt); what had come is "login: "`},
	{name: "prompt, never, with lines", p: line.Protocol{Prompt: ">"}, in: "a\nb\n", want: "!a !b", err: `2 lines had come, the last "b"`},
	{name: "prompt in latin-1", p: line.Protocol{Prompt: "°>", Charset: line.Latin1}, in: "\xb0>1\xb0\r\n\xb0>", want: `"1°"`},
	{name: "prompt and skip", p: line.Protocol{Prompt: "> ", Skip: 2}, in: "> no prompt\n> nor this\nmore\n> 1\n> ", want: `!> no prompt !> nor this !more open "1"`},
	{name: "prompt, limit", p: line.Protocol{Prompt: "> "}, limit: 6, in: "> a\nb\ncd\n> a\nb\ncde\n> ", want: `"a\nb\ncd" lost`},
	{name: "prompt, far over the limit", p: line.Protocol{Prompt: "> "}, limit: 3, in: "> a\r\nbbbbbbbbbbb > \r\n\r\nc > d\r\n>\r\n> e\n> abcdefghij\n> > f\n> ", want: `lost "e" lost "" "f"`},
	{name: "prompt, far over the limit, the end", p: line.Protocol{Prompt: "> "}, limit: 3, in: "> a\nbbbbbbbbbbb\n>", want: `lost`},
	{name: "prompt, limit and echo", p: line.Protocol{Prompt: "> ", Echo: true}, limit: 5, sends: []string{"a", "b"}, in: "> a\n1\n2222222222\n> b\n2\n> ", want: `lost "2"`, out: "a\nb\n"},
	{name: "prompt, limit and a longer end", p: line.Protocol{Prompt: "b>", End: line.Ends("a", "abc")}, limit: 2, in: "b>1111111111abcxxxab>2ab>", want: `lost "2"`},
	{name: "prompt with a longer end", p: line.Protocol{Prompt: "b>", End: line.Ends("a", "abc")}, in: "b>1abcb>2ab>3ab4abcb>", want: `"1" "2" "3ab4"`},
	{name: "prompt in another row", p: line.Protocol{Prompt: "\x1b[0m> "}, in: "\x1b[0m> 1\n\x1b[0m2\n\x1b[0m> ", want: `"1\n\x1b[0m2"`},

	{name: "echo", p: line.Protocol{Echo: true}, sends: []string{"*IDN?", "MEAS?"}, in: "*IDN?\r\nACME\r\n MEAS? \r\n1\r\n1\r\n", want: `"ACME" "1" "1"`, out: "*IDN?\nMEAS?\n"},
	{name: "echo, none", p: line.Protocol{Echo: true}, sends: []string{"*IDN?"}, in: "ACME\r\n", want: `"ACME"`, out: "*IDN?\n"},
	{name: "echo behind a push", p: line.Protocol{Echo: true}, sends: []string{"a", "b"}, in: "push\na\n1\nb\n2\nb\n", want: `"push" "1" "2" "b"`, out: "a\nb\n"},
	{name: "echo, one is missing", p: line.Protocol{Echo: true}, sends: []string{"a", "b"}, in: "1\nb\n2\na\n", want: `"1" "2" "a"`, out: "a\nb\n"},
	{name: "echo at the end of the stream", p: line.Protocol{Echo: true}, sends: []string{"a"}, in: "a", out: "a\n"},
	{name: "echo with prompt", p: line.Protocol{Echo: true, Prompt: "> "}, sends: []string{"a", "b", "c"}, in: "> a\r\n1\r\n2\r\n> b\r\n> 3\r\nc\r\n> ", want: `"1\r\n2" "" "3\r\nc"`, out: "a\nb\nc\n"},
	{name: "echo, accepting", p: line.Protocol{Echo: true}, role: wire.Accepting, sends: []string{"a"}, in: "a\n", want: `"a"`, out: "a\n"},

	{name: "block", p: line.SCPI(), in: "#15he\nlo\nCURV #212a\r\nb\r\n#14c\n;X\r\n", want: `"#15he\nlo" "CURV #212a\r\nb\r\n#14c\n;X"`},
	{name: "blocks", p: line.SCPI(), in: "A #11\n,#11\r;#11\n:#11\n\n", want: `"A #11\n,#11\r;#11\n:#11\n"`},
	{name: "block, binary", p: line.SCPI(), in: "#13\xff\x00\n\n", want: `<233133ff000a>`},
	{name: "no blocks", p: line.SCPI(), in: "A#15a\n#H15\n#Q7\n#B1\n#(a\n'#15a\n\"a#15\n#\n#1\n#2a\n#21a\n", want: `"A#15a" "#H15" "#Q7" "#B1" "#(a" "'#15a" "\"a#15" "#" "#1" "#2a" "#21a"`},
	{name: "quotes", p: line.SCPI(), in: "'it''s #15a'\n'a',#11\n\n\"'\" #11\n\n", want: `"'it''s #15a'" "'a',#11\n" "\"'\" #11\n"`},
	{name: "block behind a block", p: line.SCPI(), in: "#11a#15\n", want: `"#11a#15"`},
	{name: "block of nothing", p: line.SCPI(), in: "#10\n#10;#11\n\n", want: `"#10" "#10;#11\n"`},
	{name: "block of unknown size", p: line.SCPI(), in: "#0a #15b'\"\r\n1\n", want: `"#0a #15b'\"" "1"`},
	{name: "block, cut off", p: line.SCPI(), in: "1\nC #15he", want: `"1"`, err: "inside the block that begins at byte 4"},
	{name: "header, cut off", p: line.SCPI(), in: "#21", want: `"#21"`},
	{name: "block of unknown size, cut off", p: line.SCPI(), in: "#0ab", want: `"#0ab"`},
	{name: "block over the limit", p: line.SCPI(), limit: 8, in: "1\nA #210aaaaa\naaaaB\n2\n#15abcde\n#16abcdef\n3\n", want: `"1" lost "2" "#15abcde" lost "3"`},
	{name: "block over the limit, cut off", p: line.SCPI(), limit: 8, in: "#6100000aaaa", want: "lost", err: "inside a block of a message that is too long"},
	{name: "block over the limit, behind it cut off", p: line.SCPI(), limit: 8, in: "#210aaaaaaaaaabc", want: "lost"},
	{name: "two blocks over the limit", p: line.SCPI(), limit: 8, in: "#16abcdef,#17abcdefg\n1\n", want: `lost "1"`},
	{name: "limit before a block", p: line.SCPI(), limit: 8, in: "abcdefgh #11\n\nb\n", want: `lost "b"`},
	{name: "blocks and quotes of a message over the limit", p: line.SCPI(), limit: 8, in: "abcdefghijk '#15'\nb\nabcdefghijk '' #15a\nb\n,;#13\n\n\n:\"#12\nc\nabcdefghijk#11\nd\nabcdefghijk #11\n#12\ne\nabcdefghijk #2x #0#19\nf", want: `lost "b" lost "c" lost "d" lost "e" lost "f"`},
	{name: "a block behind a message over the limit, cut off", p: line.SCPI(), limit: 8, in: "abcdefghijk #15abc", want: "lost", err: "inside a block of a message that is too long"},
	{name: "a header behind a message over the limit, cut off", p: line.SCPI(), limit: 8, in: "abcdefghijk #21", want: "lost"},
	{name: "blocks of an answer over the limit", p: line.Protocol{Blocks: true, Prompt: ">"}, limit: 8, in: ">a #12\n>,bbbbbbb\n#13\n>\n\n#0>\n>b\n>", want: `lost "b"`},
	{name: "block with prompt", p: line.Protocol{Blocks: true, Prompt: ">"}, in: ">#14a\n>b\n>#11\n\n#12\n>\n>", want: `"#14a\n>b" "#11\n\n#12\n>"`},
	{name: "block over the limit with prompt", p: line.Protocol{Blocks: true, Prompt: ">"}, limit: 8, in: ">a\n#19\n>aaaaaaa>b\n>c\n>", want: `lost "c"`},
	{name: "block, trimmed", p: line.Protocol{Blocks: true, Trim: true}, in: "  #12\t \t\r\n #0a \n  #12  , \n", want: `"#12\t " "#0a " "#12  ,"`},
	{name: "block and echo", p: line.Protocol{Blocks: true, Echo: true}, sends: []string{"D #11\n"}, in: "D #11\n\r\nok\r\n", want: `"ok"`, out: "D #11\n\n"},

	{name: "trim", p: line.Protocol{Trim: true, End: line.Ends(line.LF)}, in: " a b\t\r\n \n\v\f1", want: `"a b" "" "1"`},
	{name: "utf-8", in: "é\n\xe9\n", want: `"é" <e9>`},
	{name: "latin-1", p: line.Protocol{Charset: line.Latin1}, in: "\xe9\xff\x80\nabc\n\xe9", want: `"éÿ\u0080" "abc" "é"`},
	{name: "latin-1, block", p: line.Protocol{Charset: line.Latin1, Blocks: true}, in: "#12\xe9\n\n#11a\n#0\xe9\n", want: `<233132e90a> "#11a" <2330e9>`},
	{name: "ascii", p: line.Protocol{Charset: line.ASCII}, in: "é\na\n", want: `<c3a9> "a"`},
	{name: "bytes", p: line.Protocol{Charset: line.Bytes}, in: "a\n\n", want: `<61> <>`},
}

// Every split of every form gives the same messages and the same output, and they
// are the right ones.
//
// Verifies: LINE-01, LINE-02, LINE-03, LINE-04, LINE-05, LINE-06, LINE-07, LINE-08, LINE-09, LINE-10, LINE-11, LINE-12
func TestReceive(t *testing.T) {
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := wiretest.Stream{Name: c.name, Role: c.role, Bytes: []byte(c.in), Limits: wire.Limits{MaxMessage: c.limit}}
			for _, text := range c.sends {
				s.Sends = append(s.Sends, wire.Text(text))
			}
			if c.reply {
				s.Reply = func(d *wiretest.Driver, _ wire.Message) {
					if err := d.Send(wire.Text("a")); err != nil {
						t.Error(err)
					}
				}
			}
			d := wiretest.NewDriver(t, c.p, c.role, s.Limits)
			d.Reply = s.Reply
			for _, m := range s.Sends {
				if err := d.Send(m); err != nil {
					t.Fatal(err)
				}
			}
			d.Feed(s.Bytes)
			err := d.EOF()
			if got := told(d); got != c.want || string(d.Out) != c.out {
				t.Errorf("%q:\n told %s\n want %s\n out %q, want %q", c.in, got, c.want, d.Out, c.out)
			}
			switch {
			case c.err == "" && err != nil, c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
				t.Errorf("ended with %v, want %q", err, c.err)
			}
			wiretest.CheckSplits(t, c.p, s)
			threeSplits(t, c.p, s)
		})
	}
}

// threeSplits compares all pairs of cuts.
func threeSplits(t *testing.T, p line.Protocol, s wiretest.Stream) {
	outcome := func(cuts ...int) string {
		d := wiretest.NewDriver(t, p, s.Role, s.Limits)
		d.Reply = s.Reply
		for _, m := range s.Sends {
			if err := d.Send(m); err != nil {
				t.Fatal(err)
			}
		}
		at := 0
		for _, cut := range append(cuts, len(s.Bytes)) {
			d.Feed(s.Bytes[at:cut])
			at = cut
		}
		err := d.EOF()
		return fmt.Sprint(d.Events, string(d.Out), err)
	}
	want := outcome()
	for i := range s.Bytes {
		for j := i; j < len(s.Bytes); j++ {
			if got := outcome(i, j); got != want {
				t.Fatalf("cut at %d and %d: %s, want %s", i, j, got, want)
			}
		}
	}
}

// What was announced beyond the limit is one MessageError that names the place.
//
// Verifies: LINE-09
func TestBlockOverTheLimit(t *testing.T) {
	m := line.SCPI().New(wire.Dialing, wire.Limits{MaxMessage: 100})
	wiretest.Receive(m, nil)
	in := []byte("1\nA #9999999999")
	n, _, _ := wiretest.Receive(m, in)
	n2, ev, err := wiretest.Receive(m, in[n:])
	var lost *wire.MessageError
	if n2 != len(in)-n || err != nil || ev.Kind != wire.EventLost || !errors.As(ev.Err, &lost) || !errors.Is(lost, wire.ErrTooLarge) || lost.Offset != 2 || lost.Protocol != "scpi" {
		t.Fatalf("consumed %d, %v, %v, %v", n2, ev.Kind, ev.Err, err)
	}
	piece := make([]byte, 1<<20)
	for left := 999_999_999; left > 0; left -= len(piece) {
		piece = piece[:min(len(piece), left)]
		if n, ev, err := wiretest.Receive(m, piece); n != len(piece) || ev.Kind != wire.EventNone || err != nil {
			t.Fatalf("%d bytes before the end: consumed %d, %v, %v", left, n, ev.Kind, err)
		}
	}
	n, ev, err = wiretest.Receive(m, []byte("\n2\n"))
	if n != 3 || ev.Kind != wire.EventMessage || ev.Message.Text() != "2" || err != nil {
		t.Errorf("then %d, %v, %v, %v", n, ev.Kind, ev.Message, err)
	}
}

// A message without an end is one MessageError, in the moment in which the limit
// is passed, and then nothing of it waits in memory but what an end may need.
//
// Verifies: LINE-09, LINE-13
func TestMessageOverTheLimit(t *testing.T) {
	for name, p := range map[string]line.Protocol{
		"any": {}, "scpi": line.SCPI(), "long end": {End: line.Ends("<end of the message>")}, "prompt": {Prompt: "> "},
	} {
		t.Run(name, func(t *testing.T) {
			m := p.New(wire.Dialing, wire.Limits{MaxMessage: 1000})
			wiretest.Receive(m, nil)
			if p.Prompt != "" {
				wiretest.Receive(m, []byte(p.Prompt))
			}
			var waiting []byte
			var ev wire.Event
			lost, most := 0, 0
			for i := range 1 << 20 {
				waiting = append(waiting, "abc 'd"[i%6])
				n, err := m.Receive(waiting, &ev)
				if err != nil {
					t.Fatal(err)
				}
				if ev.Kind == wire.EventLost {
					lost++
				}
				waiting = waiting[:copy(waiting, waiting[n:])]
				if most = max(most, len(waiting)); lost > 0 && len(waiting) > 30 || lost == 0 && i > 1030 {
					t.Fatalf("after %d bytes %d are kept, %d losses told", i, len(waiting), lost)
				}
			}
			if lost != 1 || most > 1030 {
				t.Errorf("%d losses, %d bytes waited", lost, most)
			}
		})
	}
}

// What waits for its echo is bounded.
//
// Verifies: LINE-07
func TestEchoIsBounded(t *testing.T) {
	d := wiretest.NewDriver(t, line.Protocol{Echo: true}, wire.Dialing, wire.Limits{})
	for i := range 100_000 {
		if err := d.Send(wire.Text(fmt.Sprint(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Send(wire.Text(strings.Repeat("x", 70_000))); err != nil { // too large to be kept
		t.Fatal(err)
	}
	for _, s := range []string{"a", "b"} {
		if err := d.Send(wire.Text(s)); err != nil {
			t.Fatal(err)
		}
	}
	d.Feed([]byte("0\n99999\na\nb\nb\n"))
	if got := told(d); got != `"0" "99999" "b"` {
		t.Error(got)
	}
}

// An attacker that sends a byte at a time, or no end at all, makes no scan from
// the start: these would not end.
//
// Verifies: LINE-13
func TestNoScanIsQuadratic(t *testing.T) {
	const size = 1 << 18
	for name, c := range map[string]struct {
		p     line.Protocol
		first string
		fill  string
	}{
		"any":             {line.Protocol{}, "", "a"},
		"two bytes":       {line.Protocol{End: line.Ends("ab", "c")}, "", "b"},
		"two last bytes":  {line.Protocol{End: line.Ends("xb", "yc")}, "", "bc"},
		"crlf, LF":        {line.Protocol{End: line.Ends(line.CRLF)}, "", "\n"},
		"long end":        {line.Protocol{End: line.Ends(strings.Repeat("a", 63) + "b")}, "", "a"},
		"blocks":          {line.SCPI(), "", "#9 "},
		"quotes":          {line.SCPI(), "", "'\""},
		"a large block":   {line.SCPI(), "#6500000", "\n"},
		"prompt":          {line.Protocol{Prompt: "> "}, "> ", ">\n"},
		"prompt, no line": {line.Protocol{Prompt: "> "}, "> ", "a"},
		"echo":            {line.Protocol{Echo: true, Prompt: "> "}, "> ", "a\n"},
	} {
		t.Run(name, func(t *testing.T) {
			m := c.p.New(wire.Dialing, wire.Limits{})
			wiretest.Receive(m, nil)
			if c.p.Prompt != "" {
				if n, ev, err := wiretest.Receive(m, []byte(c.first)); n != len(c.first) || ev.Kind != wire.EventOpen || err != nil {
					t.Fatal(n, ev.Kind, err)
				}
				c.first = ""
			}
			in := []byte(c.first + strings.Repeat(c.fill, size/len(c.fill)))[:size]
			for i := 1; i < size; i++ {
				if n, ev, err := wiretest.Receive(m, in[:i]); n != 0 || ev.Kind != wire.EventNone || err != nil {
					t.Fatalf("after %d bytes: n %d, event %v, error %v", i, n, ev.Kind, err)
				}
			}
		})
	}
	t.Run("many messages at once", func(t *testing.T) { // an end that never comes is not looked for in all of them
		for _, p := range []line.Protocol{{}, {End: line.Ends("\x00", "\r", "q")}, line.SCPI()} {
			m := p.New(wire.Accepting, wire.Limits{})
			wiretest.Receive(m, nil)
			in := []byte(strings.Repeat("\r", 1<<20))
			for len(in) > 0 {
				n, ev, err := wiretest.Receive(m, in)
				if n != 1 || ev.Kind != wire.EventMessage || err != nil {
					t.Fatal(n, ev.Kind, err)
				}
				in = in[1:]
			}
		}
	})
}

// Verifies: LINE-12
func TestEndOfTheStream(t *testing.T) {
	for _, role := range []wire.Role{wire.Dialing, wire.Accepting} {
		d := wiretest.NewDriver(t, line.Protocol{}, role, wire.Limits{})
		d.Feed([]byte("*IDN?"))
		if err := d.EOF(); err != nil || told(d) != `"*IDN?"` || d.Last != 1 {
			t.Error(told(d), err)
		}
	}
	d := wiretest.NewDriver(t, line.SCPI(), wire.Dialing, wire.Limits{})
	d.Feed([]byte("#3100abc"))
	var broken *wire.ProtocolError
	if err := d.EOF(); !errors.As(err, &broken) || !errors.Is(err, io.ErrUnexpectedEOF) || broken.Offset != 8 || broken.Protocol != "scpi" {
		t.Error(err)
	}
}
