package main

import (
	"bytes"
	"context"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
)

// Text of another encoding is not sent as if it were UTF-8: the error names it.
//
// Verifies: ASK-01
func TestWideStandardInput(t *testing.T) {
	srv := startInside(t, true, "serve", "line://127.0.0.1:0", "--echo")
	url, _, _ := strings.Cut(srv.addr(), "?")
	wide := func(text string, mark bool, big bool) string {
		if mark {
			text = "\uFEFF" + text
		}
		var b []byte
		for _, u := range utf16.Encode([]rune(text)) {
			if big {
				b = append(b, byte(u>>8), byte(u))
			} else {
				b = append(b, byte(u), byte(u>>8))
			}
		}
		return string(b)
	}
	const text = "*IDN?\r\nMEAS?\r\n"
	for _, c := range []struct{ name, in, want string }{
		{"little-endian with a mark", wide(text, true, false), "is UTF-16LE"},
		{"big-endian with a mark", wide(text, true, true), "is UTF-16BE"},
		{"little-endian", wide(text, false, false), "is UTF-16LE"},
		{"big-endian", wide(text, false, true), "is UTF-16BE"},
		{"UTF-8", text, ""},
		{"UTF-8 with a mark", "\uFEFF" + text, ""},
	} {
		for _, args := range [][]string{{"ask", "line://" + url}, {"send", "line://" + url, "--lines"}, {"send", "line://" + url, "-"}} {
			if c.want == "" && args[len(args)-1] == "-" {
				continue
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			var stdout, stderr bytes.Buffer
			code := run(ctx, args, strings.NewReader(c.in), &stdout, &stderr)
			cancel()
			switch {
			case c.want == "" && (code != fault.OK || stdout.String() != "*IDN?\nMEAS?\n"):
				t.Errorf("%s: %v: exit code %d, %q\n%s", c.name, args, code, &stdout, &stderr)
			case c.want != "" && (code != fault.Usage || !strings.Contains(stderr.String(), "standard input "+c.want) || stdout.Len() > 0):
				t.Errorf("%s: %v: exit code %d, want 2 and %q\n%s%s", c.name, args, code, c.want, &stdout, &stderr)
			}
		}
	}
}
