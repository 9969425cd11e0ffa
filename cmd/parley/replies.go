package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
)

// A replies file describes a device: rules, each with requests and what is
// answered. The help topic "replies" describes it for users.
type repliesFile struct {
	IgnoreCase bool           `toml:"ignore-case"`
	Default    any            `toml:"default"`
	State      map[string]any `toml:"state"`
	Reply      []replyRule    `toml:"reply"`
}

type replyRule struct {
	Request *string        `toml:"request"`
	Prefix  *string        `toml:"prefix"`
	Pattern *string        `toml:"pattern"`
	Type    string         `toml:"type"`
	When    map[string]any `toml:"when"`

	Delay    string         `toml:"delay"`
	Response any            `toml:"response"`
	Sequence []any          `toml:"sequence"`
	Set      map[string]any `toml:"set"`
	Add      map[string]any `toml:"add"`
	Close    bool           `toml:"close"`
}

// repliesMode returns the mode of serve --replies.
func (a *app) repliesMode(file string) (serveMode, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return serveMode{}, usagef("--replies: %w", err)
	}
	dev, err := newDevice(file, b)
	if err != nil {
		return serveMode{}, usageError{err}
	}
	return serveMode{serve: func(_ *endpoint.Endpoint, srv *parley.Server) error {
		srv.Handler = parley.HandlerFunc(func(ctx context.Context, c *parley.Conn, m parley.Message) error {
			answers, ok := dev.answer(m)
			if !ok {
				a.log.Warn("no reply for this request", "conn", c.ID(), "request", m.String())
			}
			return answers.send(ctx, c)
		})
		return nil
	}}, nil
}

// newDevice makes the device that a file describes.
func newDevice(path string, content []byte) (*device, error) {
	var f repliesFile
	if err := decodeTOML(path, content, &f); err != nil {
		return nil, err
	}
	d := &device{state: f.State, dir: filepath.Dir(path)}
	if d.state == nil {
		d.state = make(map[string]any)
	}
	for name, v := range d.state {
		if !isScalar(v) {
			return nil, fmt.Errorf("%s: state %s: want a string, a number, true or false", path, name)
		}
	}
	for i, r := range f.Reply {
		rule, err := d.rule(r, f.IgnoreCase)
		if err != nil {
			return nil, fmt.Errorf("%s: reply %d: %w", path, i+1, err)
		}
		d.rules = append(d.rules, rule)
	}
	if f.Default != nil {
		rule := &rule{captures: []string{"request"}}
		var err error
		if rule.responses, err = d.responses(rule, f.Default); err != nil {
			return nil, fmt.Errorf("%s: default: %w", path, err)
		}
		d.fallback = rule
	}
	return d, nil
}

// rule checks a rule of the file and prepares it.
func (d *device) rule(r replyRule, ignoreCase bool) (*rule, error) {
	out := &rule{kind: r.Type, when: r.When, set: r.Set, add: r.Add, close: r.Close}
	given := 0
	flags := "(?s)"
	if ignoreCase {
		flags = "(?si)"
	}
	for _, form := range []struct {
		text    *string
		pattern func(string) string
	}{
		{r.Request, func(s string) string { return regexp.QuoteMeta(s) }},
		{r.Prefix, func(s string) string { return regexp.QuoteMeta(s) + "(?P<rest>.*)" }},
		{r.Pattern, func(s string) string { return s }},
	} {
		if form.text == nil {
			continue
		}
		given++
		var err error
		if out.request, err = regexp.Compile(flags + "^(?:" + form.pattern(*form.text) + ")$"); err != nil {
			return nil, fmt.Errorf("pattern %q: %w", *form.text, err)
		}
	}
	if given != 1 {
		return nil, errors.New("want one of request, prefix and pattern")
	}
	out.captures = append(out.request.SubexpNames()[1:], "request")
	for i := range out.request.NumSubexp() + 1 {
		out.captures = append(out.captures, fmt.Sprint(i))
	}
	if r.Type != "" && !slices.Contains(filters, r.Type) {
		return nil, fmt.Errorf("type %q: want %s", r.Type, strings.Join(filters, ", "))
	}
	if err := d.knows(out.when, "when"); err != nil {
		return nil, err
	}
	if err := d.knows(out.add, "add"); err != nil {
		return nil, err
	}
	for name, v := range out.add {
		if !isNumber(v) || !isNumber(d.state[name]) {
			return nil, fmt.Errorf("add %s: want a number for a number", name)
		}
	}
	if err := d.knows(out.set, "set"); err != nil {
		return nil, err
	}
	for name, v := range out.set {
		if s, ok := v.(string); ok {
			if err := d.checkTemplate(out, s); err != nil {
				return nil, fmt.Errorf("set %s: %w", name, err)
			}
		}
	}
	var err error
	if r.Delay != "" {
		if out.delay, err = time.ParseDuration(r.Delay); err != nil {
			return nil, fmt.Errorf("delay: %w", err)
		}
	}
	if r.Response != nil && r.Sequence != nil {
		return nil, errors.New("want response (all of it each time) or sequence (one after the other), not both")
	}
	if r.Response != nil {
		if out.responses, err = d.responses(out, r.Response); err != nil {
			return nil, fmt.Errorf("response: %w", err)
		}
	}
	for _, v := range r.Sequence {
		turn, err := d.responses(out, v)
		if err != nil {
			return nil, fmt.Errorf("sequence: %w", err)
		}
		out.sequence = append(out.sequence, turn)
	}
	return out, nil
}

// knows checks that all names are variables of the state, and their values.
func (d *device) knows(values map[string]any, what string) error {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if _, ok := d.state[name]; !ok {
			return fmt.Errorf("%s %s: there is no such variable: name it in [state], with its first value", what, name)
		}
		if !isScalar(values[name]) {
			return fmt.Errorf("%s %s: want a string, a number, true or false", what, name)
		}
	}
	return nil
}

func isScalar(v any) bool {
	switch v.(type) {
	case string, int64, float64, bool:
		return true
	}
	return false
}

func isNumber(v any) bool {
	switch v.(type) {
	case int64, float64:
		return true
	}
	return false
}

// responses prepares one response or a list of them.
func (d *device) responses(r *rule, v any) ([]response, error) {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	out := []response{}
	for _, v := range list {
		resp, err := d.response(r, v)
		if err != nil {
			return nil, err
		}
		out = append(out, resp)
	}
	return out, nil
}

// response prepares one response: a string, a number, or a table with one
// value and perhaps a delay and a mode.
func (d *device) response(r *rule, v any) (response, error) {
	out := response{kind: "text", mode: -1}
	switch v := v.(type) {
	case string:
		out.value = v
		return out, d.checkTemplate(r, v)
	case int64, float64:
		m, err := numberMessage(v)
		out.fixed = &m
		return out, err
	case map[string]any:
		return d.table(r, v)
	}
	return out, fmt.Errorf("%v: want a string, a number or a table", v)
}

func numberMessage(v any) (parley.Message, error) {
	if f, ok := v.(float64); ok {
		return parley.Float(f), nil
	}
	return parley.Int(v.(int64)), nil
}

// table prepares a response like {hex = "00ff", delay = "10ms", mode = 3}.
func (d *device) table(r *rule, t map[string]any) (response, error) {
	out := response{mode: -1}
	for _, key := range slices.Sorted(maps.Keys(t)) {
		v := t[key]
		text, isText := v.(string)
		var err error
		switch key {
		case "delay":
			if out.delay, err = time.ParseDuration(text); err != nil {
				return out, fmt.Errorf("delay: %w", err)
			}
			continue
		case "mode":
			n, ok := v.(int64)
			if !ok || n < 0 || n > 5 {
				return out, fmt.Errorf("mode %v: want 0 to 5", v)
			}
			out.mode = int(n)
			continue
		case "text", "int", "float", "hex", "b64", "json", "file":
		default:
			return out, fmt.Errorf("there is no %q in a response: want one of text, int, float, hex, b64, json, file, and delay, mode", key)
		}
		if out.kind != "" {
			return out, fmt.Errorf("%s and %s: want one of them", out.kind, key)
		}
		out.kind, out.value = key, text
		if !isText {
			out.value = fmt.Sprint(v)
		}
		if key == "file" {
			if !filepath.IsAbs(text) {
				text = filepath.Join(d.dir, text)
			}
			b, err := os.ReadFile(text)
			if err != nil {
				return out, err
			}
			m := parley.Bytes(b)
			out.fixed = &m
			continue
		}
		if err := d.checkTemplate(r, out.value); err != nil {
			return out, err
		}
		if !strings.Contains(out.value, "$") {
			if _, err := typedMessage(out.kind, out.value); err != nil {
				return out, err
			}
		}
	}
	if out.kind == "" {
		return out, errors.New("want one of text, int, float, hex, b64, json, file")
	}
	return out, nil
}

// checkTemplate checks that a template names only what will be there.
func (d *device) checkTemplate(r *rule, template string) error {
	var err error
	expand(template, func(name string) string {
		_, known := d.state[name]
		if !known && !slices.Contains(r.captures, name) && err == nil {
			err = fmt.Errorf("${%s} in %q is neither a capture of the request nor a variable of [state]; a $ is written $$", name, template)
		}
		return ""
	})
	return err
}
