package parley

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

// phase is how far a connection has come.
type phase uint8

const (
	phaseHandshake  phase = iota
	phaseOpen             // OnOpen has been called
	phaseClosing          // the program sends nothing more, and what arrives is dropped; what was sent leaves
	phaseFlushed          // that has left, and is confirmed; the machine's last words follow
	phaseHalfClosed       // our direction is closed
	phaseClosed           // so is the connection: err says why
	phaseDone             // its goroutines have returned, and so has OnClose
)

// peerState is what the peer does.
type peerState uint8

const (
	peerSending       peerState = iota
	peerViolated                // it has broken the rules: what it sends is discarded
	peerReset                   // it has closed, and takes nothing more; what it had sent is read
	peerEnded                   // its stream has ended; from here on nothing comes
	peerViolatedEnded           // likewise, after peerViolated
	peerResetEnded              // likewise, after peerReset
)

// state is where a connection stands.
type state struct {
	phase phase
	peer  peerState
}

// phaseSteps holds the phases that may follow each.
var phaseSteps = [...][]phase{
	phaseHandshake:  {phaseOpen, phaseClosing, phaseClosed},
	phaseOpen:       {phaseClosing, phaseClosed},
	phaseClosing:    {phaseFlushed, phaseClosed},
	phaseFlushed:    {phaseHalfClosed, phaseClosed},
	phaseHalfClosed: {phaseClosed},
	phaseClosed:     {phaseDone},
	phaseDone:       {},
}

// peerSteps holds what may follow each of the peer's states, in the phases given.
var peerSteps = [...][]struct {
	to          peerState
	first, last phase
}{
	peerSending:       {{peerEnded, phaseHandshake, phaseClosed}, {peerReset, phaseOpen, phaseOpen}, {peerViolated, phaseClosing, phaseClosed}},
	peerViolated:      {{peerViolatedEnded, phaseClosing, phaseClosed}},
	peerReset:         {{peerResetEnded, phaseOpen, phaseClosed}},
	peerEnded:         {{peerResetEnded, phaseOpen, phaseOpen}},
	peerViolatedEnded: {},
	peerResetEnded:    {},
}

// legal reports whether a connection may go from s to another state: one step of
// one of the two.
func (s state) legal(to state) bool {
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

// stepped is told of each step, if a test has set it.
var stepped func(from, to state)

// step goes to another state, and reports whether that is legal; else it does
// nothing.
func (s *state) step(to state) bool {
	if !s.legal(to) {
		return false
	}
	if stepped != nil {
		stepped(*s, to)
	}
	*s = to
	return true
}

// advance goes on to a later phase, and reports whether that is legal.
func (s *state) advance(to phase) bool { return s.step(state{to, s.peer}) }

// peerIs notes what the peer does now, and reports whether that is legal.
func (s *state) peerIs(p peerState) bool { return s.step(state{s.phase, p}) }

// peerEnds notes that the peer's stream has ended.
func (s *state) peerEnds() {
	switch s.peer {
	case peerSending:
		s.peerIs(peerEnded)
	case peerViolated:
		s.peerIs(peerViolatedEnded)
	case peerReset:
		s.peerIs(peerResetEnded)
	}
}

// peerResets notes that the peer takes nothing more.
func (s *state) peerResets() {
	if s.peer == peerEnded {
		s.peerIs(peerResetEnded)
	} else {
		s.peerIs(peerReset)
	}
}

// ending reports whether the end has begun, or is over.
func (s state) ending() bool { return s.phase >= phaseClosing }

// closed reports whether the connection is gone.
func (s state) closed() bool { return s.phase >= phaseClosed }

// ended reports whether the peer's stream has ended.
func (s state) ended() bool { return s.peer >= peerEnded }

// violated reports whether the peer has broken the rules.
func (s state) violated() bool { return s.peer == peerViolated || s.peer == peerViolatedEnded }

// reset reports whether the peer takes nothing more.
func (s state) reset() bool { return s.peer == peerReset || s.peer == peerResetEnded }

// writable reports whether something can be written.
func (s state) writable() bool { return s.phase < phaseHalfClosed && !s.reset() }
