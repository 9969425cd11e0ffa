package session

// This is the whole life of a connection. Two things tell where it stands: how far
// it has come, and what its peer does. Every step goes through step, which refuses
// the illegal ones, under the connection's lock.
//
// A connection's phases, which only ever go on:
//
//	handshake ──→ open ──→ closing ──→ flushed ──→ halfClosed ──→ closed ──→ done
//	    │          │         ↑ │          │                          ↑
//	    ├──────────┼─────────┘ │          │                          │
//	    └──────────┴───────────┴──────────┴──────────────────────────┘
//
// Along the line goes what ends politely (see close.go); whatever can't go on is
// closed at once (abort). What the peer does:
//
//	sending ──┬──────────────────────────→ ended
//	          │                              │
//	          ├──→ reset ──────────────────→ resetEnded
//	          │
//	          └──→ violated ───────────────→ violatedEnded
//
// The peer can be reset in open only, as later nothing depends on it, and violated
// from closing on, as a violation begins the end. So there are 36 places to be in.

// Phase is how far a connection has come.
type Phase uint8

const (
	PhaseHandshake  Phase = iota
	PhaseOpen             // OnOpen has been called
	PhaseClosing          // the program sends nothing more, and what arrives is dropped; what was sent leaves
	PhaseFlushed          // that has left, and is confirmed; the machine's last words follow
	PhaseHalfClosed       // our direction is closed
	PhaseClosed           // so is the connection: err says why
	PhaseDone             // its goroutines have returned, and so has OnClose
)

// PeerState is what the peer does.
type PeerState uint8

const (
	PeerSending       PeerState = iota
	PeerViolated                // it has broken the rules: what it sends is discarded
	PeerReset                   // it has closed, and takes nothing more; what it had sent is read
	PeerEnded                   // its stream has ended; from here on nothing comes
	PeerViolatedEnded           // likewise, after PeerViolated
	PeerResetEnded              // likewise, after PeerReset
)

// State is where a connection stands.
type State struct {
	phase Phase
	peer  PeerState
}

var (
	phaseNames = [...]string{"handshake", "open", "closing", "flushed", "halfClosed", "closed", "done"}
	peerNames  = [...]string{"sending", "violated", "reset", "ended", "violatedEnded", "resetEnded"}
)

// String names both.
func (s State) String() string { return phaseNames[s.phase] + "/" + peerNames[s.peer] }

// phaseSteps holds the phases that may follow each.
var phaseSteps = [...][]Phase{
	PhaseHandshake:  {PhaseOpen, PhaseClosing, PhaseClosed},
	PhaseOpen:       {PhaseClosing, PhaseClosed},
	PhaseClosing:    {PhaseFlushed, PhaseClosed},
	PhaseFlushed:    {PhaseHalfClosed, PhaseClosed},
	PhaseHalfClosed: {PhaseClosed},
	PhaseClosed:     {PhaseDone},
	PhaseDone:       {},
}

// peerSteps holds what may follow each of the peer's states, in the phases given.
var peerSteps = [...][]struct {
	to          PeerState
	first, last Phase
}{
	PeerSending:       {{PeerEnded, PhaseHandshake, PhaseClosed}, {PeerReset, PhaseOpen, PhaseOpen}, {PeerViolated, PhaseClosing, PhaseClosed}},
	PeerViolated:      {{PeerViolatedEnded, PhaseClosing, PhaseClosed}},
	PeerReset:         {{PeerResetEnded, PhaseOpen, PhaseClosed}},
	PeerEnded:         {{PeerResetEnded, PhaseOpen, PhaseOpen}},
	PeerViolatedEnded: {},
	PeerResetEnded:    {},
}

// legal reports whether a connection may go from s to another state: one step of
// one of the two.
func (s State) legal(to State) bool {
	if s.peer == to.peer {
		for _, p := range phaseSteps[s.phase] {
			if p == to.phase {
				return true
			}
		}
	}
	if s.phase == to.phase {
		for _, p := range peerSteps[s.peer] {
			if p.to == to.peer && p.first <= s.phase && s.phase <= p.last {
				return true
			}
		}
	}
	return false
}

// LegalSteps returns all steps that a connection can come to take.
func LegalSteps() (steps [][2]State) {
	reached := map[State]bool{{}: true}
	for todo := []State{{}}; len(todo) > 0; todo = todo[1:] {
		from := todo[0]
		for p := range PhaseDone + 1 {
			for q := range PeerResetEnded + 1 {
				to := State{p, q}
				if !from.legal(to) {
					continue
				}
				steps = append(steps, [2]State{from, to})
				if !reached[to] {
					reached[to] = true
					todo = append(todo, to)
				}
			}
		}
	}
	return steps
}

// Stepped is told of each step, if a test has set it.
var Stepped func(from, to State)

// step goes to another state, and reports whether that is legal; else it does
// nothing.
func (s *State) step(to State) bool {
	if !s.legal(to) {
		return false
	}
	if Stepped != nil {
		Stepped(*s, to)
	}
	*s = to
	return true
}

// Advance goes on to a later phase, and reports whether that is legal.
func (s *State) Advance(to Phase) bool { return s.step(State{to, s.peer}) }

// PeerIs notes what the peer does now, and reports whether that is legal.
func (s *State) PeerIs(p PeerState) bool { return s.step(State{s.phase, p}) }

// PeerEnds notes that the peer's stream has ended.
func (s *State) PeerEnds() {
	switch s.peer {
	case PeerSending:
		s.PeerIs(PeerEnded)
	case PeerViolated:
		s.PeerIs(PeerViolatedEnded)
	case PeerReset:
		s.PeerIs(PeerResetEnded)
	}
}

// peerResets notes that the peer takes nothing more.
func (s *State) peerResets() {
	if s.peer == PeerEnded {
		s.PeerIs(PeerResetEnded)
	} else {
		s.PeerIs(PeerReset)
	}
}

// Ending reports whether the end has begun, or is over.
func (s State) Ending() bool { return s.phase >= PhaseClosing }

// Closed reports whether the connection is gone.
func (s State) Closed() bool { return s.phase >= PhaseClosed }

// Ended reports whether the peer's stream has ended.
func (s State) Ended() bool { return s.peer >= PeerEnded }

// Violated reports whether the peer has broken the rules.
func (s State) Violated() bool { return s.peer == PeerViolated || s.peer == PeerViolatedEnded }

// Reset reports whether the peer takes nothing more.
func (s State) Reset() bool { return s.peer == PeerReset || s.peer == PeerResetEnded }

// Writable reports whether something can be written.
func (s State) Writable() bool { return s.phase < PhaseHalfClosed && !s.Reset() }

// Phase returns how far the connection has come.
func (s *State) Phase() Phase { return s.phase }
