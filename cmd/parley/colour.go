package main

import (
	"os"
	"strings"
)

// Colours of what is shown on a terminal: only where standard output is one that
// has them, and NO_COLOR is not set.
const (
	colourTime = "\x1b[2m"  // times
	colourIn   = "\x1b[36m" // what came, or came from the server
	colourOut  = "\x1b[32m" // what left, or came from the client
	colourOff  = "\x1b[0m"
)

// hasColour reports whether a stream is a terminal with colours.
func hasColour(stream any) bool {
	name := os.Getenv("TERM")
	return isTerminal(stream) && os.Getenv("NO_COLOR") == "" && name != "" && name != "dumb" && !strings.HasPrefix(name, "vt")
}
