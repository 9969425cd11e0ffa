// Package terminal is what a terminal shows and what it must not be given: colours,
// what it can do, and text with what would act on it escaped.
package terminal

import (
	"os"
	"strings"

	"golang.org/x/term"
)

// IsTerminal reports whether a stream is a terminal.
func IsTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// IsDumb reports whether the terminal can't move its cursor.
func IsDumb() bool { return os.Getenv("TERM") == "dumb" }

// IsUTF8 reports whether the terminal takes more than ASCII, by the locale.
func IsUTF8() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := os.Getenv(name); v != "" {
			v = strings.ToUpper(v)
			return strings.Contains(v, "UTF-8") || strings.Contains(v, "UTF8")
		}
	}
	return true // nothing is said: terminals of today do
}

// ascii has what stands for the characters of our own words where there is only ASCII.
var ascii = strings.NewReplacer("→", "->", "…", "...", "×", "x", "µ", "u", "↑↓", "up/down")

// Words returns s, words of ours and not of a peer or a file, as the terminal takes
// them.
func Words(s string) string {
	if IsUTF8() {
		return s
	}
	return ascii.Replace(s)
}
