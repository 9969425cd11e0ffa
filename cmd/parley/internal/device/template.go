package device

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxAnswer is the longest text that a template may become, and the longest
// message that a device answers with.
const maxAnswer = 64 << 20

// template is a text of the file with ${…} in it.
type template []part

// part is a piece of a template: text, or what stands in its place.
type part struct {
	literal string
	name    string      // a capture, request, or
	v       *variable   // a variable, of which
	channel string      // this channel is meant, a number or a capture; or
	expr    *expression // an expression
}

// names are what a template may name besides the variables.
type names struct {
	prog     *program
	captures []string
}

func (n *names) has(name string) bool { return name == "request" || slices.Contains(n.captures, name) }

// errTemplate is a mistake in a template, and at which byte of it.
type errTemplate struct {
	at  int
	err error
}

// parse reads a template. $name and ${name} are looked up among the captures
// and the variables; what else stands in braces is an expression. $$ is a
// dollar.
func (n *names) parse(text string) (template, *errTemplate) {
	var t template
	literal := func(s string) {
		if s == "" {
			return
		}
		if last := len(t) - 1; last >= 0 && t[last].isLiteral() {
			t[last].literal += s
			return
		}
		t = append(t, part{literal: s})
	}
	for at := 0; at < len(text); {
		i := strings.IndexByte(text[at:], '$')
		if i < 0 {
			literal(text[at:])
			break
		}
		literal(text[at : at+i])
		at += i
		name, braced, size := dollar(text[at:])
		switch {
		case size < 0:
			return nil, &errTemplate{at, errors.New("a ${ has no }: a $ is written $$")}
		case name == "$":
			literal("$")
		case name == "" && !braced:
			literal("$")
		default:
			p, err := n.part(name, braced)
			if err != nil {
				return nil, &errTemplate{at, fmt.Errorf("%s in %q %w", text[at:at+size], short(text), err)}
			}
			t = append(t, p)
		}
		at += size
	}
	return t, nil
}

func (p part) isLiteral() bool { return p.name == "" && p.v == nil && p.expr == nil }

// dollar returns the name behind the $ that text begins with, and how many
// bytes it takes, the $ and the braces included; -1: the brace is not closed.
func dollar(text string) (name string, braced bool, size int) {
	rest := text[1:]
	switch {
	case rest == "":
		return "", false, 1
	case rest[0] == '{':
		end := closing(rest)
		if end < 0 {
			return "", true, -1
		}
		return strings.TrimSpace(rest[1:end]), true, end + 2
	case strings.IndexByte("$*#@!?-0123456789", rest[0]) >= 0:
		return rest[:1], false, 2
	}
	n := 0
	for n < len(rest) && isWordByte(rest[n]) {
		n++
	}
	return rest[:n], false, n + 1
}

func isWordByte(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// closing returns where the brace that text begins with is closed; braces in
// quotes do not count.
func closing(text string) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch c := text[i]; c {
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i
			}
		case '\'', '"', '`':
			j := strings.IndexByte(text[i+1:], c)
			if j < 0 {
				continue
			}
			i += j + 1
		}
	}
	return -1
}

var indexed = regexp.MustCompile(`^(\w+)\[\s*(\w+)\s*\]$`)

// part returns what a name stands for.
func (n *names) part(name string, braced bool) (part, error) {
	if name == "" {
		return part{}, errors.New("names nothing; a $ is written $$")
	}
	if n.has(name) {
		return part{name: name}, nil
	}
	if v := n.prog.variables[name]; v != nil {
		return part{v: v}, nil
	}
	if m := indexed.FindStringSubmatch(name); m != nil {
		if v := n.prog.variables[m[1]]; v != nil && v.hasChannels() {
			return n.indexedPart(v, m[2])
		}
	}
	unknown := errors.New("is neither a capture of the request nor a variable of [state]; a $ is written $$")
	if !braced {
		return part{}, unknown
	}
	e, err := n.compile(name)
	if err != nil {
		if isWord(name) {
			return part{}, unknown
		}
		return part{}, fmt.Errorf("is no expression: %w", err)
	}
	return part{expr: e}, nil
}

// indexedPart returns the part volt[2] or volt[ch].
func (n *names) indexedPart(v *variable, channel string) (part, error) {
	if i, err := strconv.Atoi(channel); err == nil {
		if i < v.lo || i > v.hi {
			return part{}, fmt.Errorf("has no such channel: they are %d to %d", v.lo, v.hi)
		}
	} else if !n.has(channel) && n.prog.variables[channel] == nil {
		return part{}, fmt.Errorf("names its channel by %s, which is neither a capture of the request nor a variable of [state]", channel)
	}
	return part{v: v, channel: channel}, nil
}

func isWord(s string) bool {
	for i := range len(s) {
		if !isWordByte(s[i]) {
			return false
		}
	}
	return s != ""
}

// constant returns the template's text if it names nothing.
func (t template) constant() (text string, ok bool) {
	switch {
	case len(t) == 0:
		return "", true
	case len(t) == 1 && t[0].isLiteral():
		return t[0].literal, true
	}
	return "", false
}

// expand returns the template's text.
func (t template) expand(sc *scope) (string, error) {
	if text, ok := t.constant(); ok {
		return text, nil
	}
	var b strings.Builder
	for _, p := range t {
		s, err := p.expand(sc)
		if err != nil {
			return "", err
		}
		if b.Len()+len(s) > maxAnswer {
			return "", errTooLong
		}
		b.WriteString(s)
	}
	return b.String(), nil
}

var errTooLong = fmt.Errorf("the answer would be longer than %d bytes: %w", maxAnswer, scpiErrors.tooMuchData)

func (p part) expand(sc *scope) (string, error) {
	switch {
	case p.expr != nil:
		v, err := p.expr.run(sc)
		if err != nil {
			return "", err
		}
		return show(v), nil
	case p.v != nil:
		r, err := sc.ref(p.v, p.channel)
		if err != nil {
			return "", err
		}
		return sc.st.show(r), nil
	case p.name != "":
		return sc.capture(p.name), nil
	}
	return p.literal, nil
}

// value is expand for a value of the state: an expression that is all of the
// template keeps its type.
func (t template) value(sc *scope) (any, error) {
	if len(t) == 1 && t[0].expr != nil {
		return t[0].expr.run(sc)
	}
	return t.expand(sc)
}

// short shortens a text for an error.
func short(s string) string {
	if len(s) > 60 {
		return s[:57] + "…"
	}
	return s
}
