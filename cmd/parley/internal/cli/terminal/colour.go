package terminal

import (
	"os"
	"strings"
)

// Colours of what is shown on a terminal: only where standard output is one that
// has them, and NO_COLOR is not set.
const (
	ColourTime = "\x1b[2m"  // times
	ColourIn   = "\x1b[36m" // what came, or came from the server
	ColourOut  = "\x1b[32m" // what left, or came from the client
	ColourOff  = "\x1b[0m"
)

// HasColour reports whether a stream is a terminal with colours.
func HasColour(stream any) bool {
	name := os.Getenv("TERM")
	return IsTerminal(stream) && os.Getenv("NO_COLOR") == "" && name != "" && name != "dumb" && !strings.HasPrefix(name, "vt")
}
