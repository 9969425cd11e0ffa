package parley

import (
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
)

var phaseNames = []string{"handshake", "open", "closing", "flushed", "halfClosed", "closed", "done"}

var peerNames = []string{"sending", "violated", "reset", "ended", "violatedEnded", "resetEnded"}

func (s state) String() string { return phaseNames[s.phase] + "/" + peerNames[s.peer] }

// everyState returns all pairs of a phase and a state of the peer, legal or not.
func everyState() (all []state) {
	for p := range phaseNames {
		for q := range peerNames {
			all = append(all, state{phase(p), peerState(q)})
		}
	}
	return all
}

// From the beginning the table of steps leads to 36 of the 42 pairs, and to no
// other; each legal step goes on, and none leaves done.
func TestLegalSteps(t *testing.T) {
	unreachable := []string{
		"handshake/violated", "handshake/violatedEnded", "handshake/reset", "handshake/resetEnded",
		"open/violated", "open/violatedEnded",
	}
	reached := map[state]bool{{}: true}
	for todo := []state{{}}; len(todo) > 0; todo = todo[1:] {
		from := todo[0]
		for _, to := range everyState() {
			if !from.legal(to) {
				continue
			}
			if to.phase < from.phase || to.phase == from.phase && !to.ended() && from.peer != peerSending || from.phase == phaseDone {
				t.Errorf("%v → %v is legal", from, to)
			}
			if !reached[to] {
				reached[to] = true
				todo = append(todo, to)
			}
		}
	}
	for _, s := range everyState() {
		if reached[s] == slices.Contains(unreachable, s.String()) {
			t.Errorf("%v: reached: %v", s, reached[s])
		}
	}
}

// An illegal step does nothing, and says so.
func TestIllegalStep(t *testing.T) {
	for _, from := range everyState() {
		for _, to := range everyState() {
			s := from
			if took := s.step(to); took != from.legal(to) || took && s != to || !took && s != from {
				t.Errorf("%v → %v: %v, and it is %v", from, to, took, s)
			}
		}
	}
}

// The predicates are what their names say in every state.
func TestStatePredicates(t *testing.T) {
	for _, s := range everyState() {
		name := peerNames[s.peer]
		if got, want := s.ended(), strings.HasSuffix(name, "nded"); got != want {
			t.Errorf("%v: ended: %v", s, got)
		}
		if got, want := s.violated(), strings.HasPrefix(name, "violated"); got != want {
			t.Errorf("%v: violated: %v", s, got)
		}
		if got, want := s.reset(), strings.HasPrefix(name, "reset"); got != want {
			t.Errorf("%v: reset: %v", s, got)
		}
		if got, want := s.writable(), s.phase < phaseHalfClosed && !s.reset(); got != want {
			t.Errorf("%v: writable: %v", s, got)
		}
	}
}

// steps are those that the tests of the package have taken.
var steps = struct {
	mu    sync.Mutex
	taken map[[2]state]int
}{taken: make(map[[2]state]int)}

var showSteps = flag.Bool("steps", false, "print how often the tests have taken each legal step of a connection's life")

func init() {
	stepped = func(from, to state) {
		steps.mu.Lock()
		steps.taken[[2]state{from, to}]++
		steps.mu.Unlock()
	}
}

// PrintSteps prints how often each legal step has been taken, if -steps asks for it.
func PrintSteps(w io.Writer) {
	if !*showSteps {
		return
	}
	legal, taken := 0, 0
	for _, from := range everyState() {
		for _, to := range everyState() {
			n := steps.taken[[2]state{from, to}]
			if !from.legal(to) || from.phase < phaseClosing && from.violated() || from.phase == phaseHandshake && from.reset() {
				continue
			}
			legal++
			if n > 0 {
				taken++
			}
			fmt.Fprintf(w, "%8d  %v → %v\n", n, from, to)
		}
	}
	fmt.Fprintf(w, "%d of %d legal steps taken\n", taken, legal)
}
