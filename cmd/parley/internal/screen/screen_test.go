package screen

import (
	"io"
	"regexp"
	"slices"
	"testing"
	"time"
)

func TestScreen(t *testing.T) {
	for name, test := range map[string]struct{ in, want string }{
		"text":              {"hello", "hello\n"},
		"rows":              {"a\r\nb", "a\nb\n"},
		"line feed":         {"a\nb", "a\n b\n"},
		"wrap":              {"1234567890abc", "1234567890\nabc\n"},
		"full row":          {"1234567890\r\nb", "1234567890\nb\n"},
		"back over the end": {"1234567890\rx", "x234567890\n"},
		"scroll":            {"a\r\nb\r\nc\r\nd", "b\nc\nd\n"},
		"backspace":         {"abc\b\bX", "aXc\n"},
		"tab":               {"a\tb", "a       b\n"},
		"absolute":          {"\x1b[2;3Hx\x1b[1dy\x1b[Gz", "z  y\n  x\n"},
		"relative":          {"abc\x1b[2D-\x1b[Bd\x1b[A\x1b[Ce", "a-c e\n  d\n"},
		"erase to the end":  {"abcdef\x1b[3D\x1b[K", "abc\n"},
		"erase to here":     {"abcdef\x1b[3D\x1b[1K", "    ef\n"},
		"erase characters":  {"abcdef\r\x1b[2X", "  cdef\n"},
		"delete characters": {"abcdefghij\r\x1b[C\x1b[2P", "adefghij\n"},
		"delete the rest":   {"abcdef\r\x1b[C\x1b[99P", "a\n"},
		"erase below":       {"a\r\nb\r\nc\x1b[2;1H\x1b[J", "a\n"},
		"erase all":         {"a\r\nb\x1b[2J", "\n"},
		"colours":           {"\x1b[1;31mred\x1b[0m", "red\n"},
		"other screen":      {"a\x1b[?1049h", "\n"},
		"insert":            {"ac\b\x1b[4hb\x1b[4l", "abc\n"},
		"reverse line feed": {"a\r\nb\x1bM\x1bMc", " c\na\nb\n"},
		"scrolled part":     {"a\r\nb\r\nc\x1b[1;2r\x1b[2H\nd", "b\nd\nc\n"},
		"scrolled back":     {"a\r\nb\r\nc\x1b[2;3r\x1b[2H\x1bMd\x1b[r", "a\nd\nb\n"},
		"UTF-8":             {"äöü", "äöü\n"},
	} {
		for _, size := range []int{len(test.in), 1} {
			s := New(10, 3)
			for piece := range slices.Chunk([]byte(test.in), size) {
				s.Write(piece)
			}
			if got := s.String(); got != test.want {
				t.Errorf("%s, in pieces of %d: got %q, want %q", name, size, got, test.want)
			}
			if f := s.Foreign(); f != nil {
				t.Errorf("%s: foreign %q", name, f)
			}
		}
	}
}

// A line that was too long for a row is found as one, however long it was, and what was
// there for a moment only is remembered.
func TestBrokenLinesAndErased(t *testing.T) {
	s := New(10, 4)
	s.Write([]byte("0123456789abc\r\nfull row..\r\nx"))
	if got, want := s.Lines(), "0123456789abc\nfull row..\nx\n"; got != want {
		t.Errorf("lines %q, want %q", got, want)
	}
	if err := s.Await(regexp.MustCompile(`(?m)^0123456789abc$`), 0); err != nil {
		t.Error(err)
	}
	s.Write([]byte("\r\x1b[Ky\r\n\r\n"))
	if got, want := s.Lines(), "full row..\ny\n"; got != want && got != "abc\n"+want {
		t.Errorf("scrolled: lines %q, want %q", got, want)
	}
	if got := s.Erased(); !slices.Equal(got, []string{"x"}) {
		t.Errorf("erased %q, want x", got)
	}
	s.Write([]byte("\x1b[2J"))
	if got := s.Lines(); got != "\n" {
		t.Errorf("erased: lines %q", got)
	}
}

func TestForeign(t *testing.T) {
	s := New(10, 3)
	s.Write([]byte("\a\x1b]0;t\x1b[5i\u009b1mx\x7f"))
	want := []string{`'\a'`, `"\x1b]"`, `"\x1b[5i"`, `'\u009b'`, `'\x7f'`}
	if got := s.Foreign(); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestAwait(t *testing.T) {
	s := New(10, 3)
	go s.Write([]byte("ready"))
	if err := s.Await(regexp.MustCompile("ready"), time.Minute); err != nil {
		t.Error(err)
	}
	if err := s.Await(regexp.MustCompile("never"), time.Nanosecond); err == nil {
		t.Error("Await of what never comes returned no error")
	}
}

func TestResize(t *testing.T) {
	s := New(10, 3)
	s.Write([]byte("1234567890\r\nb\r\nc"))
	s.Resize(5, 2)
	if got, want := s.String(), "12345\nb\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if x, y := s.Cursor(); x != 1 || y != 1 {
		t.Errorf("the cursor is at %d, %d", x, y)
	}
}

// Ctrl-C makes the terminal discard what is under way, in the middle of a sequence
// too.
func TestSequenceThatIsCutOff(t *testing.T) {
	for _, cut := range []string{"\x1b", "\x1b[", "\x1b[1", "\x1b[1;2"} {
		s := New(20, 3)
		io.WriteString(s, "one\r\ntwo"+cut)
		io.WriteString(s, "\x1b[1A\rthree")
		if got := s.String(); got != "three\ntwo\n" || s.Foreign() != nil {
			t.Errorf("after %q the screen is %q, foreign %q", cut, got, s.Foreign())
		}
	}
}
