package connect

import (
	"bufio"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/parley-net/parley/cmd/parley/internal/cli/app"
	"github.com/parley-net/parley/cmd/parley/internal/cli/output"
	"github.com/parley-net/parley/cmd/parley/internal/cli/talk"
	"github.com/parley-net/parley/serpy"

	"github.com/parley-net/parley"
)

// newConsole returns a console without a terminal, and what it tells.
func newConsole(t *testing.T, modes bool) (*console, *output.Printer, *[]string) {
	t.Helper()
	a := app.New("devel", nil, io.Discard, io.Discard)
	p, err := output.NewPrinter(a, output.Flags{})
	if err != nil {
		t.Fatal(err)
	}
	var told []string
	c := &console{kind: "text", modes: modes, mode: -1, out: p, tell: func(s string) { told = append(told, s) }}
	return c, p, &told
}

func TestConsoleReadsMessages(t *testing.T) {
	for line, want := range map[string]parley.Message{
		"hello":       parley.Text("hello"),
		" ":           parley.Text(" "),
		"int:0x10":    parley.Int(16),
		"float:1.5":   parley.Float(1.5),
		"hex:00 ff":   parley.Bytes([]byte{0, 255}),
		"bytes:a":     parley.Bytes([]byte("a")),
		"text:int:5":  parley.Text("int:5"),
		"text:":       parley.Text(""),
		"//path":      parley.Text("/path"),
		"other:thing": parley.Text("other:thing"),
	} {
		c, _, _ := newConsole(t, false)
		m, ok, err := c.read(line)
		if !ok || err != nil || m.String() != want.String() {
			t.Errorf("%q: got %v, %v, %v; want %v", line, m, ok, err, want)
		}
	}
	c, _, _ := newConsole(t, false)
	c.kind = "int"
	if m, ok, err := c.read("5"); !ok || err != nil || m.Int() != 5 {
		t.Errorf("with --type int: got %v, %v, %v", m, ok, err)
	}
	if m, ok, err := c.read(""); ok || err != nil {
		t.Errorf("an empty line: got %v, %v, %v", m, ok, err)
	}
}

func TestConsoleMistakes(t *testing.T) {
	for line, want := range map[string]string{
		"int:x":      "want an integer",
		"@/nowhere":  "no such file",
		"hex:0":      "two hex digits",
		"/dance":     "no command /dance: /help lists them",
		"/quit now":  "no command /quit now",
		"/mode 1":    "only serpy has modes",
		"/":          "no command /",
		"json:[1,":   "unexpected end of JSON input",
		"b64:=":      "base64",
		"float:much": "want a number",
	} {
		c, _, told := newConsole(t, false)
		_, ok, err := c.read(line)
		if ok || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, %v; want %q", line, ok, err, want)
		}
		if len(*told) > 0 {
			t.Errorf("%q: told %q", line, *told)
		}
	}
}

func TestConsoleCommands(t *testing.T) {
	c, p, told := newConsole(t, true)
	for _, line := range []string{"/mode 3", "/hex", "/rtt", "/rtt ", "/help"} {
		if _, ok, err := c.read(line); ok || err != nil {
			t.Errorf("%q: got %v, %v", line, ok, err)
		}
	}
	if want := []string{"sending in mode 3", "hexadecimal on", "round-trip time on", "round-trip time off"}; !slices.Equal((*told)[:4], want) {
		t.Errorf("told %q, want %q", *told, want)
	}
	if help := (*told)[4]; !strings.Contains(help, "/mode 0…5") || !strings.Contains(help, "int:5") {
		t.Errorf("/help tells %q", help)
	}
	if !p.Flags.Hex || p.Flags.RTT {
		t.Errorf("the printer has %+v", p.Flags)
	}
	m, _, _ := c.read("hello")
	if mode, ok := serpy.Mode(m); !ok || mode != 3 {
		t.Errorf("the message has mode %d, %v", mode, ok)
	}
	for _, line := range []string{"/mode", "/mode 6", "/mode x"} {
		if _, _, err := c.read(line); err == nil {
			t.Errorf("%q: no error", line)
		}
	}
	if _, _, err := c.read("/quit"); err != talk.ErrLeave {
		t.Errorf("/quit: got %v", err)
	}
}

func TestConsoleCompletes(t *testing.T) {
	t.Chdir("../../..") // where there is a folder of files: help
	serpy, _, _ := newConsole(t, true)
	other, _, _ := newConsole(t, false)
	for _, test := range []struct {
		c     *console
		begun string
		want  []string
	}{
		{serpy, "", []string{"/help", "/hex", "/mode ", "/quit", "/rtt", "text:", "bytes:", "int:", "float:", "hex:", "b64:", "json:", "@"}},
		{serpy, "/h", []string{"/help", "/hex"}},
		{serpy, "/m", []string{"/mode "}},
		{serpy, "/mode ", []string{"/mode 0", "/mode 1", "/mode 2", "/mode 3", "/mode 4", "/mode 5"}},
		{serpy, "/mode 3", []string{"/mode 3"}},
		{other, "/m", nil},
		{other, "in", []string{"int:"}},
		{other, "int:5", nil},
		{other, "hello", nil},
		{other, "@help/exit", []string{"@help/exit-codes.txt"}},
	} {
		if got := test.c.complete(test.begun); !slices.Equal(got, test.want) {
			t.Errorf("%q: got %q, want %q", test.begun, got, test.want)
		}
	}
}

func TestScriptedLines(t *testing.T) {
	c, _, _ := newConsole(t, false)
	s := &scripted{console: c, lines: bufio.NewReader(strings.NewReader("one\n\n/hex\nint:2\nthree"))}
	for _, want := range []parley.Message{parley.Text("one"), parley.Int(2), parley.Text("three")} {
		if m, err := s.Next(); err != nil || m.String() != want.String() {
			t.Errorf("got %v, %v, want %v", m, err, want)
		}
	}
	if _, err := s.Next(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	gone := errors.New("gone")
	s.lines = bufio.NewReader(io.MultiReader(strings.NewReader("one\n"), &failing{gone}))
	s.Next()
	if _, err := s.Next(); err != gone {
		t.Errorf("an error of reading: %v", err)
	}
}

type failing struct{ err error }

func (f *failing) Read([]byte) (int, error) { return 0, f.err }
