package device

import (
	"fmt"
)

// state is what changes in a device: the values of its variables, the turns of
// its sequences, its errors. It belongs to the device, or to one session of it.
type state struct {
	def    *program
	cells  map[string][]any // a value, or one for each channel
	turns  map[int]int      // by the number of the rule
	status status
}

// newState returns the state that a device begins with.
func newState(def *program) *state {
	s := &state{def: def, cells: make(map[string][]any), turns: make(map[int]int)}
	s.reset()
	s.status.depth = def.errorDepth
	return s
}

// reset gives every variable its first value (*RST).
func (s *state) reset() {
	for name, v := range s.def.variables {
		cell := make([]any, v.hi-v.lo+1)
		for i := range cell {
			cell[i] = v.first
		}
		s.cells[name] = cell
	}
}

// follow makes the state one of a file that has been read again: a variable
// keeps its value if the file still has it, and may have that value.
func (s *state) follow(def *program) {
	if s.def == def {
		return
	}
	old := *s
	s.def, s.cells, s.turns = def, make(map[string][]any), make(map[int]int)
	s.status.depth = def.errorDepth
	s.reset()
	for name, v := range def.variables {
		was := old.def.variables[name]
		if was == nil {
			continue
		}
		for ch := max(v.lo, was.lo); ch <= min(v.hi, was.hi); ch++ {
			value := old.cells[name][ch-was.lo]
			if kept, err := v.of(ch).accept(value, v.first); err == nil {
				s.cells[name][ch-v.lo] = kept
			}
		}
	}
}

// ref is a variable and the channel of it that is meant.
type ref struct {
	v  *variable
	ch int
}

// ref returns the channel ch of a variable; ch 0 is the one that counts where none is
// named.
func (s *state) ref(v *variable, ch int) (ref, error) {
	if ch == 0 && v.hasChannels() {
		ch = v.lo
		if sel := s.def.variables[v.selects]; sel != nil {
			ch = int(number(s.cells[sel.name][0]))
		}
	}
	if ch < v.lo || ch > v.hi {
		return ref{}, fmt.Errorf("%s has no channel %d, only %d to %d: %w", v.name, ch, v.lo, v.hi, scpiErrors.suffixOutOfRange)
	}
	return ref{v.of(ch), ch}, nil
}

// present returns the channel that counts where a command may name one and
// does not: what the variable that selects it says, else the first.
func (s *state) present() int {
	if sel := s.def.variables[s.def.selects]; sel != nil {
		return int(number(s.cells[sel.name][0]))
	}
	return 1
}

func (s *state) get(r ref) any        { return s.cells[r.v.name][r.ch-r.v.lo] }
func (s *state) set(r ref, value any) { s.cells[r.v.name][r.ch-r.v.lo] = value }
func (s *state) show(r ref) string    { return r.v.show(s.get(r)) }
