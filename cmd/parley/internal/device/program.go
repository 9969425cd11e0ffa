package device

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/wire"
)

// program is a device of a TOML file, checked and prepared.
type program struct {
	grammar    Grammar
	fold       bool // requests may be in any case
	ieee488    bool
	idn        string
	errorDepth int
	variables  map[string]*variable
	selects    string  // the first variable that selects a channel
	rules      []*rule // of the file, then those that commands make
	commands   []command
	fallback   *rule // or nil

	greeting   []response
	prompt     template
	echo       bool
	every      []periodic
	faults     Faults
	maxClients int
	ownState   bool
	files      []string // that it names

	exact  map[string][]int // rules by their whole request
	tree   tree             // rules by their SCPI header
	search []int            // rules that must be tried
}

// periodic is what a device says by itself.
type periodic struct {
	interval  span
	responses []response
}

// rule tells what to do about some requests.
type rule struct {
	// One of these.
	request *string
	pattern *regexp.Regexp
	header  *header
	auto    *variable // with header: the rule sets or tells this variable,
	channel string    // of which the capture has the channel

	kind     string // of the request; "": any
	when     []condition
	captures []string // what templates may name besides the state

	delay     span
	responses []response
	sequence  [][]response // one after the other, from the first again
	onError   []response   // where a value was refused
	hasError  bool
	set       []assignment
	add       []assignment
	close     bool
}

// assignment gives a variable a value.
type assignment struct {
	v       *variable
	channel string
	fixed   any      // or
	text    template // this
}

// condition is what the state must be.
type condition struct {
	v       *variable
	channel string
	want    any
}

// index prepares finding rules.
func (p *program) index() {
	p.exact = make(map[string][]int)
	for i, r := range p.rules {
		switch {
		case r.header != nil:
			p.tree.add(i, r.header)
		case r.request != nil:
			key := p.key(*r.request)
			p.exact[key] = append(p.exact[key], i)
		default:
			p.search = append(p.search, i)
		}
	}
}

// key returns what requests that are the same have in common.
func (p *program) key(s string) string {
	if !p.fold {
		return s
	}
	return strings.Map(lowestFold, s)
}

// lowestFold returns the smallest rune that differs from r by case alone, as
// regular expressions see it.
func lowestFold(r rune) rune {
	low := r
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		low = min(low, f)
	}
	return low
}

// hit is a rule that fits a request, and what of the request it captured.
type hit struct {
	rule     *rule
	number   int
	captures map[string]string
	err      error // its parameters do not fit
}

// find returns the first rule that fits a request in the present state, or nil. Of a SCPI
// command u is what it is made of.
func (p *program) find(st *state, m wire.Message, text string, u *unit) *hit {
	var known []match
	if u != nil {
		known = p.tree.find(u.header, u.query)
	} else {
		for _, i := range p.exact[p.key(text)] {
			known = append(known, match{found: found{rule: i}})
		}
	}
	var refused *hit
	for _, c := range merge(known, p.search) {
		r := p.rules[c.rule]
		if !r.fits(m) {
			continue
		}
		h := r.match(c, text, u)
		if h == nil {
			continue
		}
		h.number = c.rule
		if h.err != nil {
			if refused == nil {
				refused = h
			}
			continue
		}
		if st.is(r.when, h.captures) {
			return h
		}
	}
	return refused
}

// merge puts the rules that are to be tried between those that are known to
// fit, in the order of the file.
func merge(known []match, search []int) []match {
	if len(search) == 0 {
		return known
	}
	out := slices.Clone(known)
	for _, i := range search {
		out = append(out, match{found: found{rule: i}})
	}
	slices.SortStableFunc(out, func(a, b match) int { return a.rule - b.rule })
	return out
}

// match returns what the rule captures of a request, or nil if it does not
// fit.
func (r *rule) match(c match, text string, u *unit) *hit {
	switch {
	case r.header != nil:
		return r.matchUnit(c, u)
	case r.request != nil: // its key has been looked up
		return &hit{rule: r, captures: map[string]string{"0": text}}
	}
	groups := r.pattern.FindStringSubmatch(text)
	if groups == nil {
		return nil
	}
	h := &hit{rule: r, captures: make(map[string]string, len(groups))}
	for i, name := range r.pattern.SubexpNames() {
		h.captures[strconv.Itoa(i)] = groups[i]
		if name != "" {
			h.captures[name] = groups[i]
		}
	}
	return h
}

// matchUnit is match for a SCPI command whose header fits.
func (r *rule) matchUnit(c match, u *unit) *hit {
	h := &hit{rule: r, captures: map[string]string{"0": u.text, "rest": u.params}}
	for i, name := range c.suffixes {
		h.captures[name] = c.numbers[i]
	}
	params, err := splitParams(u.params)
	if err != nil {
		h.err = err
		return h
	}
	for i, p := range params[:min(len(params), 9)] {
		h.captures[strconv.Itoa(i+1)] = p.value
	}
	h.err = r.header.bind(params, h.captures)
	return h
}

// fits reports whether the rule is for requests of the message's type.
func (r *rule) fits(m wire.Message) bool {
	return r.kind == "" || r.kind == m.Type().String() || r.kind == "invalid" && oneline.Invalid(m)
}

// is reports whether the state is as the conditions have it.
func (s *state) is(when []condition, captures map[string]string) bool {
	sc := &scope{st: s, captures: captures}
	for _, c := range when {
		r, err := sc.ref(c.v, c.channel)
		if err != nil || show(s.get(r)) != show(c.want) {
			return false
		}
	}
	return true
}
