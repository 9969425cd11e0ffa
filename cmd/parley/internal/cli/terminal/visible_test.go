package terminal

import (
	"bytes"
	"errors"
	"testing"
)

// What a terminal would obey is shown.
func TestAppendVisible(t *testing.T) {
	got := string(AppendVisible(nil, []byte("ä\t\x1b[31m\x00\n\xff\u0085\u200b\U0001F600")))
	if want := "ä\t\\x1b[31m\\x00\n\\xff\\u0085\\u200b😀"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// What reaches a terminal through visibleWriter can't act on it.
func TestVisibleWriter(t *testing.T) {
	var out bytes.Buffer
	in := "plain\ttext\n\x1b[2J\x07\r\u009b1m\u202e\xff"
	if n, err := (visibleWriter{&out}).Write([]byte(in)); n != len(in) || err != nil {
		t.Errorf("Write: %d, %v", n, err)
	}
	if want := "plain\ttext\n" + `\x1b[2J\a\r\u009b1m\u202e\xff`; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
	gone := errors.New("gone")
	if _, err := (visibleWriter{&failingWriter{gone}}).Write([]byte("x")); err != gone {
		t.Errorf("an error of writing: %v", err)
	}
}

type failingWriter struct{ err error }

func (f *failingWriter) Write([]byte) (int, error) { return 0, f.err }
