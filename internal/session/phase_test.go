package session

import (
	"slices"
	"strings"
	"testing"
)

// everyState returns all pairs of a phase and a state of the peer, legal or not.
func everyState() (all []State) {
	for p := range phaseNames {
		for q := range peerNames {
			all = append(all, State{Phase(p), PeerState(q)})
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
	reached := map[State]bool{{}: true}
	for todo := []State{{}}; len(todo) > 0; todo = todo[1:] {
		from := todo[0]
		for _, to := range everyState() {
			if !from.legal(to) {
				continue
			}
			if to.phase < from.phase || to.phase == from.phase && !to.Ended() && from.peer != PeerSending || from.phase == PhaseDone {
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

// The predicates are what their names say in every State.
func TestStatePredicates(t *testing.T) {
	for _, s := range everyState() {
		name := peerNames[s.peer]
		if got, want := s.Ended(), strings.HasSuffix(name, "nded"); got != want {
			t.Errorf("%v: ended: %v", s, got)
		}
		if got, want := s.Violated(), strings.HasPrefix(name, "violated"); got != want {
			t.Errorf("%v: violated: %v", s, got)
		}
		if got, want := s.Reset(), strings.HasPrefix(name, "reset"); got != want {
			t.Errorf("%v: reset: %v", s, got)
		}
		if got, want := s.Writable(), s.phase < PhaseHalfClosed && !s.Reset(); got != want {
			t.Errorf("%v: writable: %v", s, got)
		}
	}
}
