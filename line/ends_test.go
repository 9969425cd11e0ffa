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
