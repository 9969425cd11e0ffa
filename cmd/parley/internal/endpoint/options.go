package endpoint

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/line"
	"github.com/parley-net/parley/oneline"
	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/serpy2"
	"github.com/parley-net/parley/tinyproto"
	contract "github.com/parley-net/parley/wire"
)

// Option is an option of a protocol, as it stands in a URL's query.
type Option struct {
	Name   string
	Values string // what may stand behind the = sign
	Help   string
}

// wire is a protocol as URLs know it.
type wire struct {
	name    string
	port    int // where the URL has none; 0: it must have one
	options []Option
	build   func(*values) parley.Protocol
}

// wires returns all protocols.
func wires() []wire {
	const flag = "1|0"
	return []wire{
		{
			name: "oneline",
			options: []Option{
				{"eol", "lf|cr|crlf", "what ends a line (lf)"},
				{"utf8", flag, "a server takes commands as UTF-8 (0: as ASCII)"},
				{"maxline", "BYTES", "the longest line (1048576)"},
			},
			build: func(v *values) parley.Protocol {
				return oneline.Protocol{
					EOL:     v.choice("eol", "\n", map[string]string{"lf": "\n", "cr": "\r", "crlf": "\r\n"}),
					UTF8:    v.flag("utf8"),
					MaxLine: v.number("maxline", 0, 1, 1<<30),
				}
			},
		},
		{
			name: "tinyproto",
			port: 8088,
			options: []Option{
				{"eager", "auto|never", "send up to 64 KiB without waiting for the peer's OK (auto)"},
				{"turns", "on|off", "take turns, as an original peer needs it (off; send, connect and bridge: on unless --ahead)"},
			},
			build: func(v *values) parley.Protocol {
				p := tinyproto.Protocol{Turns: v.choice("turns", "off", map[string]string{"on": "on", "off": "off"}) == "on"}
				if v.choice("eager", "auto", map[string]string{"auto": "auto", "never": "never"}) == "never" {
					p.Eager = tinyproto.Never
				}
				return p
			},
		},
		{
			name: "serpy",
			options: []Option{
				{"mode", "0..5", "the mode of what is sent (0)"},
				{"force", flag, "keep every message in its mode, as a relay must (0)"},
				{"encoding", "NAME", "Python's name of the encoding of text (ascii)"},
				{"pickle", flag, "decode pickles (1)"},
				{"pickle-protocol", "2|4|5", "the pickle protocol of what is sent (5)"},
			},
			build: func(v *values) parley.Protocol {
				return serpy.Protocol{
					Mode:           v.number("mode", 0, 0, 5),
					ForceMode:      v.flag("force"),
					Encoding:       v.encoding("encoding"),
					NoPickle:       v.has("pickle") && !v.flag("pickle"),
					PickleProtocol: pickleProtocol(v),
				}
			},
		},
		{
			name:  "serpy2",
			build: func(*values) parley.Protocol { return serpy2.Protocol{} },
		},
		{
			name:    "line",
			options: lineOptions("0", "1048576"),
			build:   func(v *values) parley.Protocol { return lineProtocol(v, line.Protocol{}) },
		},
		{
			name:    "scpi",
			port:    5025,
			options: lineOptions("1", "67108864"),
			build:   func(v *values) parley.Protocol { return lineProtocol(v, line.SCPI()) },
		},
		frames(),
	}
}

func pickleProtocol(v *values) int {
	n, _ := strconv.Atoi(v.choice("pickle-protocol", "0", map[string]string{"2": "2", "4": "4", "5": "5"}))
	return n
}

// Names returns the names of all protocols.
func Names() []string {
	var names []string
	for _, w := range wires() {
		names = append(names, w.name)
	}
	return names
}

// Options returns the options of the named protocol.
func Options(protocol string) []Option {
	if w := find(protocol); w != nil {
		return w.options
	}
	return nil
}

// DefaultPort returns the port that stands for a missing one, or 0.
func DefaultPort(protocol string) int {
	if w := find(protocol); w != nil {
		return w.port
	}
	return 0
}

func find(name string) *wire {
	for _, w := range wires() {
		if w.name == name {
			return &w
		}
	}
	return nil
}

// protocol returns the protocol with the options of query.
func (w *wire) protocol(query string) (parley.Protocol, error) {
	q, err := url.ParseQuery(query)
	if err != nil {
		return nil, fmt.Errorf("its options: %w: write ?name=value&name=value", err)
	}
	for name, given := range q {
		if !slices.ContainsFunc(w.options, func(o Option) bool { return o.Name == name }) {
			return nil, fmt.Errorf("%s has no option %q: %s%s", w.name, name, w.known(), elsewhere(name))
		}
		if len(given) > 1 {
			return nil, fmt.Errorf("option %q is given %d times: once is enough", name, len(given))
		}
	}
	v := &values{q: q, query: query}
	p := w.build(v)
	if v.err == nil {
		if check, ok := p.(contract.Validator); ok { // what no role may have; see CheckListen
			v.err = check.Validate(contract.Dialing)
		}
	}
	return p, v.err
}

// elsewhere names the protocols that have the named option.
func elsewhere(name string) string {
	var others []string
	for _, w := range wires() {
		if slices.ContainsFunc(w.options, func(o Option) bool { return o.Name == name }) {
			others = append(others, w.name+"://")
		}
	}
	if len(others) == 0 {
		return ""
	}
	return "; " + name + " is for " + strings.Join(others, ", ")
}

// known lists the options of the protocol.
func (w *wire) known() string {
	if len(w.options) == 0 {
		return "it has none"
	}
	var names []string
	for _, o := range w.options {
		names = append(names, o.Name+"="+o.Values)
	}
	return "it has " + strings.Join(names, ", ")
}

// values reads the options of one URL and keeps the first error.
type values struct {
	q     url.Values
	query string // as it was written
	err   error
}

func (v *values) has(name string) bool { return v.q.Has(name) }

func (v *values) fail(name, want string) {
	if v.err == nil {
		v.err = fmt.Errorf("option %s=%s: want %s", name, v.q.Get(name), want)
	}
}

func (v *values) choice(name, def string, choices map[string]string) string {
	if !v.has(name) {
		return def
	}
	c, ok := choices[v.q.Get(name)]
	if !ok {
		var names []string
		for n := range choices {
			names = append(names, n)
		}
		slices.Sort(names)
		v.fail(name, strings.Join(names, " or "))
	}
	return c
}

// flag reads an option that is on or off; "?name" alone turns it on.
func (v *values) flag(name string) bool {
	switch v.q.Get(name) {
	case "1", "true", "yes", "on":
		return true
	case "0", "false", "no", "off":
		return false
	case "":
		return v.has(name)
	}
	v.fail(name, "1 or 0")
	return false
}

func (v *values) number(name string, def, least, most int) int {
	if !v.has(name) {
		return def
	}
	n, err := strconv.Atoi(v.q.Get(name))
	if err != nil || n < least || n > most {
		v.fail(name, fmt.Sprintf("a number from %d to %d", least, most))
	}
	return n
}

func (v *values) encoding(name string) serpy.Encoding {
	if !v.has(name) {
		return serpy.Encoding{}
	}
	e, err := serpy.LookupEncoding(v.q.Get(name))
	if err != nil && v.err == nil {
		v.err = fmt.Errorf("option %s: %w", name, err)
	}
	return e
}
