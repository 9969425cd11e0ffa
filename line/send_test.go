package line_test

import (
	"errors"
	"math/big"
	"strings"
	"testing"

	"github.com/parley-net/parley/line"
	"github.com/parley-net/parley/wire"
	"github.com/parley-net/parley/wire/wiretest"
)

// Verifies: LINE-03, LINE-09, LINE-10
func TestSend(t *testing.T) {
	huge, _ := new(big.Int).SetString("123456789012345678901234567890", 10)
	latin1 := line.Protocol{Charset: line.Latin1}
	scpi := line.SCPI()
	for _, c := range []struct {
		p    line.Protocol
		m    wire.Message
		want string
		err  error
	}{
		{m: wire.Text("*IDN?"), want: "*IDN?\n"},
		{m: wire.Text(""), want: "\n"},
		{m: wire.Bytes([]byte{0, 0xff}), want: "\x00\xff\n"},
		{m: wire.Int(-5), want: "-5\n"},
		{m: wire.BigInt(huge), want: huge.String() + "\n"},
		{m: wire.Float(2), want: "2.0\n"},
		{m: wire.Text("h\xc3\xa9").WithASCII(), want: "h\n"},
		{m: wire.Text("é"), want: "é\n"},
		{m: wire.Object([]any{1}), err: wire.ErrNotRepresentable},
		{m: wire.Text("a\nb"), err: wire.ErrNotRepresentable},
		{m: wire.Text("a\r"), err: wire.ErrNotRepresentable},
		{m: wire.Bytes([]byte("a\n")), err: wire.ErrNotRepresentable},
		{p: line.Protocol{Send: line.CRLF}, m: wire.Text("a"), want: "a\r\n"},
		{p: line.Protocol{Send: line.CRLF}, m: wire.Text("a\r"), err: wire.ErrNotRepresentable},
		{p: line.Protocol{Send: "--", End: line.Ends("\n")}, m: wire.Text("a"), want: "a--"},
		{p: line.Protocol{Send: "--", End: line.Ends("\n")}, m: wire.Text("a-"), err: wire.ErrNotRepresentable},
		{p: line.Protocol{Send: "--", End: line.Ends("--")}, m: wire.Text("a-"), err: wire.ErrNotRepresentable},
		{p: line.Protocol{Send: "--", End: line.Ends("\n"), Blocks: true}, m: wire.Text("#13---"), want: "#13-----"},
		{p: line.Protocol{Send: "--", End: line.Ends("\n"), Blocks: true}, m: wire.Text("#13---;a--b"), err: wire.ErrNotRepresentable},
		{p: line.Protocol{Send: "--", End: line.Ends("\n"), Blocks: true}, m: wire.Text("#14---"), err: wire.ErrNotRepresentable},
		{p: line.Protocol{Send: line.NUL, End: line.Ends(line.LF)}, m: wire.Text("a\n"), err: wire.ErrNotRepresentable},
		{p: scpi, m: wire.Bytes([]byte("CURV #13\r\n\xff,#11\n")), want: "CURV #13\r\n\xff,#11\n\n"},
		{p: scpi, m: wire.Text("CURV #14\r\n\xff"), err: wire.ErrNotRepresentable}, // it would swallow the end
		{p: scpi, m: wire.Text("CURV #19\r\n\xff"), err: wire.ErrNotRepresentable},
		{p: scpi, m: wire.Text("'#13\r\n\xff'"), err: wire.ErrNotRepresentable},
		{p: scpi, m: wire.Text("#0abc"), want: "#0abc\n"},
		{p: scpi, m: wire.Text("#0a\rc"), err: wire.ErrNotRepresentable},
		{p: latin1, m: wire.Text("é\u00ff"), want: "\xe9\xff\n"},
		{p: latin1, m: wire.Text("1 €"), err: wire.ErrNotRepresentable},
		{p: latin1, m: wire.Text("\xff"), err: wire.ErrNotRepresentable},
		{p: latin1, m: wire.Bytes([]byte("é")), want: "é\n"},
		{p: line.Protocol{Charset: line.ASCII}, m: wire.Text("1 é"), err: wire.ErrNotRepresentable},
		{p: line.Protocol{Max: 4}, m: wire.Text("12345"), err: wire.ErrTooLarge},
		{p: line.Protocol{Max: 4}, m: wire.Int(12345), err: wire.ErrTooLarge},
		{p: line.Protocol{Max: 4, Charset: line.Latin1}, m: wire.Text("éééé"), want: "\xe9\xe9\xe9\xe9\n"},
		{m: wire.Text(alphabet(1 << 20)), want: alphabet(1<<20) + "\n"},
		{m: wire.Text(alphabet(1<<20 + 1)), err: wire.ErrTooLarge},
		{m: line.Verbatim(wire.Text("Welcome\r\n> ")), want: "Welcome\r\n> "},
		{p: latin1, m: line.Verbatim(wire.Text("°>")), want: "\xb0>"},
	} {
		d := wiretest.NewDriver(t, c.p, wire.Dialing, wire.Limits{})
		if err := d.Send(c.m); !errors.Is(err, c.err) || string(d.Out) != c.want {
			t.Errorf("%+v, %v: error %v, want %v, out %.40q, want %.40q", c.p, c.m, err, c.err, d.Out, c.want)
		} else if err != nil && (!strings.HasPrefix(err.Error(), c.p.Name()+": ") || strings.Contains(err.Error(), "%!")) {
			t.Errorf("%v: error %v", c.m, err)
		}
		if err := d.SendStream([]byte("x")); !errors.Is(err, wire.ErrNotRepresentable) {
			t.Errorf("SendStream: %v", err)
		}
		d.Close()
		if err := d.Send(wire.Text("late")); err != wire.ErrLeft || string(d.Out) != c.want {
			t.Errorf("behind Close: %v, out %q", err, d.Out)
		}
	}
}

// Verifies: LINE-08
func TestBlock(t *testing.T) {
	for in, want := range map[string]string{
		"#15hello":              "hello",
		"CURV #15hello,#12ab":   "hello",
		"A,#12\"'":              "\"'",
		"'#12ab' #11c":          "c",
		"#0all of it":           "all of it",
		"x #0":                  "",
		"#10":                   "",
		"#H15 #Q7 #210" + "123": "-",
		"A#12ab":                "-",
		"":                      "-",
		"#":                     "-",
		"#13ab":                 "-",
		"#2a1 :#11c":            "c",
	} {
		got, ok := line.Block(wire.Text(in))
		if want == "-" {
			want = ""
			if ok {
				t.Errorf("%q has the block %q", in, got)
			}
		} else if !ok {
			t.Errorf("%q has no block", in)
		}
		if string(got) != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	for _, n := range []int{0, 1, 9, 10, 100_000} {
		b := line.AppendBlock([]byte("A "), []byte(alphabet(n)))
		if got, ok := line.Block(wire.Bytes(b)); !ok || string(got) != alphabet(n) {
			t.Errorf("%d bytes: %.20q as %.20q", n, b, got)
		}
	}
}

// Verifies: LINE-15
func TestValidate(t *testing.T) {
	both := []wire.Role{wire.Dialing, wire.Accepting}
	for want, c := range map[string]struct {
		p     line.Protocol
		roles []wire.Role
	}{
		"":                                {line.Protocol{End: line.Ends("\r", "\r\n"), Send: line.Same, Blocks: true, Trim: true, Clients: 3, Max: 5, Charset: line.Bytes}, both},
		"empty set":                       {line.Protocol{End: line.Ends()}, both},
		"an empty one":                    {line.Protocol{End: line.Ends("a", "")}, both},
		"more than 64 bytes":              {line.Protocol{End: line.Ends(alphabet(65))}, both},
		"more than 16 ends":               {line.Protocol{End: line.Ends(strings.Split(alphabet(17), "")...)}, both},
		"can't be told apart":             {line.Protocol{End: line.Ends("a", "abxy", "b")}, both},
		"send has 65 bytes":               {line.Protocol{Send: alphabet(65)}, both},
		"skip is -1":                      {line.Protocol{Skip: -1}, both},
		"clients is -1":                   {line.Protocol{Clients: -1}, both},
		"max is -1":                       {line.Protocol{Max: -1}, both},
		"max is 2147483648":               {line.Protocol{Max: 1 << 31}, both},
		"charset 9":                       {line.Protocol{Charset: 9}, both},
		"prompt has 300 bytes":            {line.Protocol{Prompt: alphabet(300)}, both},
		"prompt \">\\n\" contains an end": {line.Protocol{Prompt: ">\n"}, both},
		"latin-1 has no '€'":              {line.Protocol{Prompt: "€", Charset: line.Latin1}, both},
		"with blocks an end":              {line.Protocol{Blocks: true, End: line.Ends("#")}, both},
		"nor be digits alone":             {line.Protocol{Blocks: true, End: line.Ends("3")}, both},
		"not be told from the prompt":     {line.Protocol{Prompt: "bc", End: line.Ends("a", "ab")}, both},
		"makes a longer one":              {line.Protocol{Prompt: "b", End: line.Ends("a", "abc")}, both},
		"a dialer reads; a listener":      {line.Protocol{Prompt: "> "}, both[1:]},
		"what a dialer reads":             {line.Protocol{Skip: 1}, both[1:]},
		"say what a dialer":               {line.Protocol{Echo: true}, both[1:]},
	} {
		for _, role := range both {
			err := wire.Validate(c.p, role)
			expected := want != "" && (len(c.roles) == 2 || role == c.roles[0])
			if expected != (err != nil) || expected && (!strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "parley: line: ")) {
				t.Errorf("%q, %v: %v", want, role, err)
			}
			wiretest.CheckInput(t, c.p, wiretest.Stream{Role: role, Bytes: []byte("a\r\n#12a\r\n€>b")}) // no panic at least
		}
	}
}

// Verifies: LINE-16
func TestTraits(t *testing.T) {
	if tr := (line.Protocol{}).Traits(); tr.Clients != 0 || tr.Lockstep || tr.Confirms || tr.Sized || tr.SendsStreams || tr.Opaque || tr.MaxMessage != 1<<20 || tr.Types != wire.Types(wire.TypeText) {
		t.Errorf("%+v", tr)
	}
	if tr := (line.Protocol{Clients: 2, Charset: line.Bytes, Blocks: true}).Traits(); tr.Clients != 2 || tr.MaxMessage != 64<<20 || tr.Types != wire.Types(wire.TypeBytes) {
		t.Errorf("%+v", tr)
	}
	if line.SCPI().Name() != "scpi" || (line.Protocol{}).Name() != "line" || !line.SCPI().Blocks {
		t.Error("names")
	}
	if line.Ends("\n") != line.Ends("\n", "\n") || line.Ends("\r") == line.Ends("\n") {
		t.Error("sets of ends can't be compared")
	}
	for e, want := range map[line.End]string{{}: "any end of line", line.Ends("\n", "\r\n", "\x00", "x"): `LF, CR LF, NUL, "x"`} {
		if e.String() != want {
			t.Error(e)
		}
	}
}
