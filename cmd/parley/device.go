package main

import (
	"context"
	"fmt"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/serpy"
	"maps"
	"os"
	"regexp"
	"strconv"
	"sync"
	"time"

	"github.com/parley-net/parley"
)

// device is a simulated device. It is one device: its state is the same for
// all connections.
type device struct {
	dir      string // of its file
	rules    []*rule
	fallback *rule // or nil

	mu    sync.Mutex
	state map[string]any
}

// rule tells what to do about some requests.
type rule struct {
	request  *regexp.Regexp
	kind     string         // of the request; "": any
	when     map[string]any // the state must be so
	captures []string       // what templates may name besides the state

	delay     time.Duration
	responses []response
	sequence  [][]response // one after the other, from the first again
	turn      int
	set, add  map[string]any
	close     bool
}

// response is one message of an answer.
type response struct {
	delay time.Duration
	fixed *parley.Message // or
	kind  string          // of
	value string          // this template
	mode  int             // serpy's; -1: none
}

// answers is what a device has to say to one request.
type answers struct {
	delay time.Duration
	list  []answer
	close bool
}

type answer struct {
	delay time.Duration
	m     parley.Message
	err   error
}

// answer returns the answers to a request and changes the state. The first
// rule that fits counts. ok says that there was one.
func (d *device) answer(m parley.Message) (out answers, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	text := string(payload(m))
	r, captures := d.find(m, text)
	if r == nil {
		return answers{}, false
	}
	lookup := func(name string) string {
		if name == "request" {
			return text
		}
		if v, ok := captures[name]; ok {
			return v
		}
		return show(d.state[name])
	}
	set := maps.Clone(r.set) // all expanded before any is set
	for name, v := range set {
		if s, ok := v.(string); ok {
			set[name] = sameType(expand(s, lookup), d.state[name])
		}
	}
	maps.Copy(d.state, set)
	for name, v := range r.add {
		d.state[name] = sum(d.state[name], v)
	}
	list := r.responses
	if len(r.sequence) > 0 {
		list = r.sequence[r.turn%len(r.sequence)]
		r.turn++
	}
	out = answers{delay: r.delay, close: r.close}
	for _, resp := range list {
		a := answer{delay: resp.delay}
		if resp.fixed != nil {
			a.m = *resp.fixed
		} else {
			a.m, a.err = typedMessage(resp.kind, expand(resp.value, lookup))
		}
		if resp.mode >= 0 {
			a.m = serpy.WithMode(a.m, resp.mode)
		}
		out.list = append(out.list, a)
	}
	return out, true
}

// find returns the rule for a request and what the request's pattern captured.
func (d *device) find(m parley.Message, text string) (*rule, map[string]string) {
	for _, r := range d.rules {
		groups := r.request.FindStringSubmatch(text)
		if groups == nil || !r.fits(m) || !d.is(r.when) {
			continue
		}
		captures := make(map[string]string)
		for i, name := range r.request.SubexpNames() {
			captures[strconv.Itoa(i)] = groups[i]
			if name != "" {
				captures[name] = groups[i]
			}
		}
		return r, captures
	}
	return d.fallback, nil
}

func (r *rule) fits(m parley.Message) bool {
	return r.kind == "" || r.kind == m.Type().String() || r.kind == "invalid" && oneline.Invalid(m)
}

// is reports whether the state is as when has it.
func (d *device) is(when map[string]any) bool {
	for name, v := range when {
		if show(d.state[name]) != show(v) {
			return false
		}
	}
	return true
}

// sameType makes of s a number if the variable's value was one and s is too.
func sameType(s string, was any) any {
	switch was.(type) {
	case int64:
		if i, err := strconv.ParseInt(s, 10, 64); err == nil {
			return i
		}
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return f
		}
	case float64:
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return f
		}
	}
	return s
}

func sum(a, b any) any {
	i, ok := a.(int64)
	j, ok2 := b.(int64)
	if ok && ok2 {
		return i + j
	}
	return number(a) + number(b)
}

func number(v any) float64 {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	case string:
		f, _ := strconv.ParseFloat(v, 64)
		return f
	}
	return 0
}

// show returns a variable's value as text.
func show(v any) string {
	if f, ok := v.(float64); ok {
		return parley.Float(f).Text()
	}
	return fmt.Sprint(v)
}

// expand replaces $name and ${name} by what value says.
func expand(template string, value func(name string) string) string {
	return os.Expand(template, func(name string) string {
		if name == "$" {
			return "$"
		}
		return value(name)
	})
}

// send sends the answers, each after its delay.
func (as answers) send(ctx context.Context, c *parley.Conn) error {
	if err := pause(ctx, as.delay); err != nil {
		return err
	}
	for _, a := range as.list {
		if err := pause(ctx, a.delay); err != nil {
			return err
		}
		if a.err != nil {
			return a.err
		}
		if err := c.Send(ctx, a.m); err != nil {
			return err
		}
	}
	if as.close {
		return c.Close()
	}
	return nil
}

// pause waits.
func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
