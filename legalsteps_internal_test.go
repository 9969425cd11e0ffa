package parley

import (
	"flag"
	"fmt"
	"io"
	"sync"

	"github.com/parley-net/parley/internal/session"
)

// steps are those that the tests of the package have taken.
var steps = struct {
	mu    sync.Mutex
	taken map[[2]session.State]int
}{taken: make(map[[2]session.State]int)}

var showSteps = flag.Bool("steps", false, "print how often the tests have taken each legal step of a connection's life")

func init() {
	session.Stepped = func(from, to session.State) {
		steps.mu.Lock()
		steps.taken[[2]session.State{from, to}]++
		steps.mu.Unlock()
	}
}

// PrintSteps prints how often each legal step has been taken, if -steps asks for it.
func PrintSteps(w io.Writer) {
	if !*showSteps {
		return
	}
	taken, legal := 0, session.LegalSteps()
	for _, step := range legal {
		n := steps.taken[step]
		if n > 0 {
			taken++
		}
		fmt.Fprintf(w, "%8d  %v → %v\n", n, step[0], step[1])
	}
	fmt.Fprintf(w, "%d of %d legal steps taken\n", taken, len(legal))
}
