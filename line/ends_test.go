package line_test

import (
	"strings"
	"testing"

	"github.com/parley-net/parley/line"
	"github.com/parley-net/parley/wire"
)

// An end that could never be complete is a mistake; one that begins or ends with another
// is none.
func TestEndsInsideOthers(t *testing.T) {
	for _, c := range []struct {
		ends []string
		bad  bool
	}{
		{[]string{"\r\n", "\n"}, false}, {[]string{"\r", "\r\n"}, false}, {[]string{"ab", "b"}, false}, {[]string{"aa", "a"}, false},
		{[]string{"a;b", ";"}, true}, {[]string{";", "\xcf;\xef\xe8"}, true}, {[]string{"<<end>>", "end"}, true},
	} {
		err := line.Protocol{End: line.Ends(c.ends...)}.Validate(wire.Accepting)
		if (err != nil) != c.bad || c.bad && !strings.Contains(err.Error(), "in its middle") {
			t.Errorf("%q: %v", c.ends, err)
		}
	}
}

// TestCloses says where a message would end.
func TestCloses(t *testing.T) {
	for _, c := range []struct {
		end  line.End
		said string
		want bool
	}{
		{line.End{}, "a\r", true}, {line.End{}, "a\n", true}, {line.End{}, "a\x00", false}, {line.End{}, "", false},
		{line.Ends(line.CRLF), "a\n", false}, {line.Ends(line.CRLF), "a\r\n", true},
		{line.Ends(line.NUL, "END"), "aEND", true}, {line.Ends(line.NUL, "END"), "EN", false},
	} {
		if got := c.end.Closes([]byte(c.said)); got != c.want {
			t.Errorf("%v, %q: %v", c.end, c.said, got)
		}
	}
}
