package device

import (
	"maps"
	"slices"
	"strings"
)

// variableOf returns the variable that a key of when, set or add names, and
// the channel: volt, volt[2], volt[ch].
func (r *fileReader) variableOf(of *rule, key, what string, n node) (*variable, string, error) {
	if v := r.prog.variables[key]; v != nil {
		return v, "", nil
	}
	if m := indexed.FindStringSubmatch(key); m != nil {
		if v := r.prog.variables[m[1]]; v != nil && v.hasChannels() {
			names := &names{prog: r.prog, captures: of.captures}
			if _, err := names.indexedPart(v, m[2]); err != nil {
				return nil, "", n.errorf("%s %s %w", what, key, err)
			}
			return v, m[2], nil
		}
	}
	return nil, "", n.errorf("%s %s: there is no such variable: name it in [state], with its first value", what, key)
}

// conditions reads when.
func (r *fileReader) conditions(of *rule, when map[string]any, n node) ([]condition, error) {
	var out []condition
	for _, key := range slices.Sorted(maps.Keys(when)) {
		at := n.at(key)
		v, ch, err := r.variableOf(of, key, "when", at)
		if err != nil {
			return nil, err
		}
		if !isScalar(when[key]) {
			return nil, at.errorf("when %s: want a string, a number, true or false", key)
		}
		want, err := v.accept(when[key], v.first)
		if err != nil {
			return nil, at.errorf("when %s: %v can't be its value: %w", key, when[key], err)
		}
		out = append(out, condition{v, ch, want})
	}
	return out, nil
}

// assignments reads set.
func (r *fileReader) assignments(of *rule, set map[string]any, n node) ([]assignment, error) {
	var out []assignment
	for _, key := range slices.Sorted(maps.Keys(set)) {
		at := n.at(key)
		v, ch, err := r.variableOf(of, key, "set", at)
		if err != nil {
			return nil, err
		}
		a := assignment{v: v, channel: ch, fixed: set[key]}
		if !isScalar(a.fixed) {
			return nil, at.errorf("set %s: want a string, a number, true or false", key)
		}
		text, isText := a.fixed.(string)
		if isText && strings.Contains(text, "$") {
			if a.text, err = r.template(of, text, at); err != nil {
				return nil, prefixed(err, "set "+key)
			}
			a.fixed = nil
		} else if _, err := v.accept(a.fixed, v.first); err != nil {
			return nil, at.errorf("set %s: %v can't be its value: %w", key, a.fixed, err)
		}
		out = append(out, a)
	}
	return out, nil
}

// additions reads add.
func (r *fileReader) additions(of *rule, add map[string]any, n node) ([]assignment, error) {
	var out []assignment
	for _, key := range slices.Sorted(maps.Keys(add)) {
		at := n.at(key)
		v, ch, err := r.variableOf(of, key, "add", at)
		if err != nil {
			return nil, err
		}
		if !isNumber(add[key]) || !isNumber(v.first) {
			return nil, at.errorf("add %s: want a number for a number", key)
		}
		out = append(out, assignment{v: v, channel: ch, fixed: add[key]})
	}
	return out, nil
}

// change is a value that a variable is to have.
type change struct {
	ref   ref
	value any
}

// assign works out what a rule sets and adds, and then changes all of it; at
// an error nothing has been changed.
func (sc *scope) assign(r *rule) error {
	var changes []change
	for _, a := range r.set {
		c, err := sc.change(a)
		if err != nil {
			return err
		}
		changes = append(changes, c)
	}
	present := func(at ref) any {
		for _, c := range changes {
			if c.ref == at {
				return c.value
			}
		}
		return sc.st.get(at)
	}
	for _, a := range r.add {
		at, err := sc.ref(a.v, a.channel)
		if err != nil {
			return err
		}
		value, err := at.v.accept(sum(present(at), a.fixed), present(at))
		if err != nil {
			return err
		}
		changes = append(changes, change{at, value})
	}
	for _, c := range changes {
		sc.st.set(c.ref, c.value)
	}
	return nil
}

// change works out one assignment.
func (sc *scope) change(a assignment) (change, error) {
	at, err := sc.ref(a.v, a.channel)
	if err != nil {
		return change{}, err
	}
	was := sc.st.get(at)
	value := a.fixed
	if a.text != nil {
		if value, err = a.text.value(sc); err != nil {
			return change{}, err
		}
	}
	if s, ok := value.(string); ok && a.v.kind == kindAny {
		value = sameType(s, was)
	}
	value, err = at.v.accept(value, was)
	return change{at, value}, err
}
