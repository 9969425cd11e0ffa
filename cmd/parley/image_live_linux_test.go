package main

import (
	"fmt"
	"testing"

	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
)

// --live draws on a terminal of any size, with and without colours and characters
// beyond ASCII, and gives it back.
func TestImageLiveAtATerminal(t *testing.T) {
	url := instrument(t)
	for _, size := range [][2]int{{80, 24}, {200, 60}} {
		for env, row := range map[string]string{"TERM=xterm-256color": "▀▀▀", "NO_COLOR=1": "[ .:=+*#%@-]{3}", "LC_ALL=C": "[ .:=+*#%@-]{3}"} {
			term := atTerminalWith(t, []string{"LC_ALL=C.UTF-8", env}, "image", url, "--ask", "int:0", "--shape", "3x2", "--type", "float32", "--live", "--every", "20ms")
			term.resize(size[0], size[1])
			term.shows(row)
			to := "…"
			if env == "LC_ALL=C" {
				to = "to"
			}
			term.shows(fmt.Sprintf(`^3x2 float32  0 %s 4  [\d.]+/s  \d+ shown, \d+ dropped$`, to))
			term.types("\x03")
			term.ends(fault.Interrupted)
		}
	}
	term := atTerminalWith(t, []string{"TERM=dumb"}, "image", url, "--ask", "int:0", "--live")
	term.shows(`--live shows pictures on a terminal that can move its cursor`)
	term.ends(fault.Usage)
}
