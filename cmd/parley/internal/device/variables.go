package device

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// maxChannels is how many channels a variable may have.
const maxChannels = 1000

var (
	channelForm  = regexp.MustCompile(`^(\w+)\[(\d+)\.\.(\d+)\]$`)
	variableForm = regexp.MustCompile(`^[\pL_][\pL\pN_-]*$`)
)

// variableKeys are the keys of the long form of a variable.
var variableKeys = []string{"value", "type", "unit", "format", "min", "max", "step", "valid", "command", "select"}

// state reads [state].
func (r *fileReader) state(f *tomlFile, n node) error {
	n = n.at("state")
	for _, key := range slices.Sorted(maps.Keys(f.State)) {
		at := n.at(key)
		v, err := r.variable(key, f.State[key], at)
		if err != nil {
			return prefixed(err, "state "+key)
		}
		if r.prog.variables[v.name] != nil {
			return at.errorf("state %s: it is there twice", v.name)
		}
		r.prog.variables[v.name] = v
	}
	for _, key := range slices.Sorted(maps.Keys(f.State)) {
		if err := r.selects(key, f.State[key], n.at(key)); err != nil {
			return prefixed(err, "state "+key)
		}
	}
	return nil
}

// variable reads one variable: a value, or a table with more about it.
func (r *fileReader) variable(key string, value any, n node) (*variable, error) {
	v := &variable{name: key}
	if m := channelForm.FindStringSubmatch(key); m != nil {
		v.name = m[1]
		v.lo, _ = strconv.Atoi(m[2])
		v.hi, _ = strconv.Atoi(m[3])
		if v.lo < 1 || v.hi < v.lo || v.hi-v.lo >= maxChannels {
			return nil, n.errorf("channels are written name[1..4], at most %d of them", maxChannels)
		}
	} else if strings.ContainsAny(key, "[]") {
		return nil, n.errorf("channels are written name[1..4]")
	}
	table, ok := value.(map[string]any)
	if !ok {
		if !isScalar(value) {
			return nil, n.errorf("want a string, a number, true or false, or a table with %s", strings.Join(variableKeys, ", "))
		}
		v.first = value
		return v, nil
	}
	if !variableForm.MatchString(v.name) {
		return nil, n.errorf("the name of a variable is letters, digits and _")
	}
	for _, k := range slices.Sorted(maps.Keys(table)) {
		if !slices.Contains(variableKeys, k) {
			return nil, n.at(k).errorf("there is no %q here: a variable has %s", k, strings.Join(variableKeys, ", "))
		}
	}
	return v, v.read(table, n)
}

// read reads the long form.
func (v *variable) read(t map[string]any, n node) error {
	if !isScalar(t["value"]) {
		return n.at("value").errorf("value: want its first value, a string, a number, true or false")
	}
	for _, step := range []func(map[string]any, node) error{v.readKind, v.readFormat, v.readLimits, v.readValid} {
		if err := step(t, n); err != nil {
			return err
		}
	}
	var err error
	if v.first, err = v.accept(t["value"], t["value"]); err != nil {
		return n.at("value").errorf("value %v: %w", t["value"], err)
	}
	for _, c := range v.each {
		if c.first, err = c.accept(t["value"], t["value"]); err != nil {
			return n.at("value").errorf("value %v: %w", t["value"], err)
		}
	}
	return nil
}

// readKind reads type and unit. Without a type it is that of the value.
func (v *variable) readKind(t map[string]any, n node) error {
	kinds := map[string]kind{"float": kindFloat, "int": kindInt, "bool": kindBool, "text": kindText}
	switch t["value"].(type) {
	case float64:
		v.kind = kindFloat
	case int64:
		v.kind = kindInt
	case bool:
		v.kind = kindBool
	default:
		v.kind = kindText
	}
	if want, ok := t["type"]; ok {
		name, _ := want.(string)
		if v.kind, ok = kinds[name]; !ok {
			return n.at("type").errorf("type %v: want float, int, bool, text", want)
		}
	}
	if unit, ok := t["unit"]; ok {
		v.unit, ok = unit.(string)
		if !ok || v.kind != kindFloat && v.kind != kindInt {
			return n.at("unit").errorf("unit %v: want the text of a number's unit, as in \"V\"", unit)
		}
	}
	return nil
}

// readFormat reads format. A bool is shown as 1 or 0 without one.
func (v *variable) readFormat(t map[string]any, n node) error {
	if v.kind == kindBool {
		v.format, v.verb = "%d", 'd'
	}
	f, ok := t["format"]
	if !ok {
		return nil
	}
	v.format, _ = f.(string)
	var err error
	if v.verb, err = formatVerb(v.format); err != nil {
		return n.at("format").errorf("format %v: %w", f, err)
	}
	switch quoted := v.verb == 's' || v.verb == 'q'; {
	case v.kind == kindText && !quoted:
		return n.at("format").errorf("format %q: a text has %%s or %%q", v.format)
	case v.kind == kindBool && v.verb != 'd' && v.verb != 's':
		return n.at("format").errorf("format %q: true and false have %%d (1 and 0) or %%s", v.format)
	case v.kind != kindText && v.verb == 'q':
		return n.at("format").errorf("format %q: a number has a verb such as %%.3f, %%+.8E or %%d; %%q puts a text in quotes", v.format)
	}
	return nil
}

// readLimits reads min, max and step. A list of limits has one for each
// channel.
func (v *variable) readLimits(t map[string]any, n node) error {
	for _, key := range []string{"min", "max", "step"} {
		limit, ok := t[key]
		if !ok {
			continue
		}
		list, isList := limit.([]any)
		if !isList {
			if err := v.setLimit(key, limit, n.at(key)); err != nil {
				return err
			}
			continue
		}
		if len(list) != v.hi-v.lo+1 || !v.hasChannels() {
			return n.at(key).errorf("%s: want a number, or a list of one for each channel", key)
		}
		v.eachChannel()
		for i, one := range list {
			if err := v.each[i].setLimit(key, one, n.at(key).at(i)); err != nil {
				return err
			}
		}
	}
	for _, c := range append([]*variable{v}, v.each...) {
		if c.min != nil && c.max != nil && *c.min > *c.max {
			return n.at("min").errorf("min %v is above max %v", *c.min, *c.max)
		}
	}
	return nil
}

// eachChannel makes the channels variables of their own.
func (v *variable) eachChannel() {
	for v.each == nil || len(v.each) <= v.hi-v.lo {
		one := *v
		one.each = nil
		v.each = append(v.each, &one)
	}
}

// setLimit sets one limit, for all channels that there are.
func (v *variable) setLimit(key string, limit any, n node) error {
	if !isNumber(limit) || v.kind != kindFloat && v.kind != kindInt {
		return n.errorf("%s %v: want a number, for a number", key, limit)
	}
	f := number(limit)
	for _, c := range append([]*variable{v}, v.each...) {
		switch key {
		case "min":
			c.min = &f
		case "max":
			c.max = &f
		case "step":
			if c.step = f; f <= 0 {
				return n.errorf("step %v: want a number above 0", limit)
			}
		}
	}
	return nil
}

// readValid reads valid.
func (v *variable) readValid(t map[string]any, n node) error {
	list, ok := t["valid"]
	if !ok {
		return nil
	}
	values, ok := list.([]any)
	if !ok || len(values) == 0 || v.kind == kindBool {
		return n.at("valid").errorf("valid: want a list of the values that it may have")
	}
	for i, one := range values {
		_, isText := one.(string)
		if isText != (v.kind == kindText) || !isText && !isNumber(one) {
			return n.at("valid").at(i).errorf("valid %v: want values of its type", one)
		}
	}
	for _, c := range append([]*variable{v}, v.each...) {
		c.valid = values
	}
	return nil
}

// selects reads select and command, which need all variables.
func (r *fileReader) selects(key string, value any, n node) error {
	t, ok := value.(map[string]any)
	if !ok {
		return nil
	}
	name, _, _ := strings.Cut(key, "[")
	v := r.prog.variables[name]
	if s, ok := t["select"]; ok {
		sel := r.prog.variables[fmt.Sprint(s)]
		if sel == nil || sel.hasChannels() || !v.hasChannels() || !isNumber(sel.first) {
			return n.at("select").errorf("select %v: want the variable that has the number of the channel which counts where none is named", s)
		}
		v.selects = sel.name
		if r.prog.selects == "" {
			r.prog.selects = sel.name
		}
	}
	c, ok := t["command"]
	if !ok {
		return nil
	}
	text, ok := c.(string)
	if !ok || r.prog.grammar != SCPI {
		return n.at("command").errorf("command %v: want the command that sets and tells it, with grammar = \"scpi\"", c)
	}
	r.prog.commands = append(r.prog.commands, command{v, text, n.at("command")})
	return nil
}

// command is a command that a variable has by itself.
type command struct {
	v    *variable
	text string
	at   node
}

// commandRules makes the rules of a command: one that sets the variable, one
// that tells it.
func (r *fileReader) commandRules(c command) error {
	tail := ""
	h, err := parseHeader(c.text)
	if err != nil {
		return c.at.wrap(err)
	}
	if h.query || len(h.params) > 0 || h.any || strings.HasPrefix(c.text, "*") {
		return c.at.errorf("command %q: want a header alone, as in VOLTage; its question and its value come by themselves", c.text)
	}
	channel := ""
	if names := h.captures(); len(names) > 0 {
		channel = names[0]
	}
	if c.v.hasChannels() && channel == "" {
		channel, tail = "channel", "[,(@<channel>)]"
	}
	if !c.v.hasChannels() && channel != "" || len(h.captures()) > 1 {
		return c.at.errorf("command %q: <%s> is a channel, and there are none: write [state.\"%s[1..4]\"]", c.text, channel, c.v.name)
	}
	for _, form := range []string{c.text + " <value>" + tail, c.text + "? [<value>]" + tail} {
		rule := &rule{auto: c.v}
		if err := r.command(rule, form, c.at); err != nil {
			return err
		}
		rule.channel = channel
		r.prog.rules = append(r.prog.rules, rule)
	}
	return nil
}
