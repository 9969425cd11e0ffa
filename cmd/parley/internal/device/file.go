package device

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/parley-net/parley/wire"
)

// Grammar says what a request is to a device.
type Grammar uint8

const (
	// Literal: a message is one request, and fits as it is.
	Literal Grammar = iota
	// SCPI: a message is one or several commands of SCPI.
	SCPI
)

// Source is a device file and what its reader decides.
type Source struct {
	Path    string // named in errors; files that it names are beside it
	Content []byte
	// Grammar is that of a file that says none.
	Grammar Grammar
	// Device chooses one of a file of pyvisa-sim; it may be "" if there is one.
	Device string
	// Typed makes a message of a type that the file names (int, float, hex,
	// b64, json).
	Typed func(kind, value string) (wire.Message, error)
}

// Read reads a device file: YAML of pyvisa-sim if its name ends in .yaml or
// .yml, else TOML. Its errors are *FileError.
func Read(src Source) (*Definition, error) {
	switch strings.ToLower(filepath.Ext(src.Path)) {
	case ".yaml", ".yml":
		v, err := readVisa(src)
		if err != nil {
			return nil, err
		}
		return &Definition{visa: v, files: []string{src.Path}}, nil
	}
	if src.Device != "" {
		return nil, &FileError{Path: src.Path, Err: fmt.Errorf("it describes one device: there is no device %q to choose", src.Device)}
	}
	p, err := readProgram(src)
	if err != nil {
		return nil, err
	}
	return &Definition{prog: p, files: append(p.files, src.Path)}, nil
}

// Definition is a device as its file describes it. It does not change.
type Definition struct {
	prog  *program // of a TOML file, or
	visa  *visa    // of one of pyvisa-sim
	files []string
}

// Files returns the files that the definition was read from.
func (def *Definition) Files() []string { return def.files }

// tomlFile is the form of a TOML file. The help topic "replies" describes it
// for users.
type tomlFile struct {
	Grammar    string         `toml:"grammar"`
	IEEE488    bool           `toml:"ieee488"`
	IDN        *string        `toml:"idn"`
	ErrorQueue *int           `toml:"error-queue"`
	IgnoreCase bool           `toml:"ignore-case"`
	Default    any            `toml:"default"`
	Greeting   any            `toml:"greeting"`
	Prompt     *string        `toml:"prompt"`
	Echo       bool           `toml:"echo"`
	Clients    tomlClients    `toml:"clients"`
	Faults     map[string]any `toml:"faults"`
	Every      []tomlEvery    `toml:"every"`
	State      map[string]any `toml:"state"`
	Reply      []tomlReply    `toml:"reply"`
}

type tomlClients struct {
	Max   int    `toml:"max"`
	State string `toml:"state"`
}

type tomlEvery struct {
	Interval string `toml:"interval"`
	Response any    `toml:"response"`
}

type tomlReply struct {
	Request *string        `toml:"request"`
	Prefix  *string        `toml:"prefix"`
	Pattern *string        `toml:"pattern"`
	Type    string         `toml:"type"`
	When    map[string]any `toml:"when"`

	Delay    string         `toml:"delay"`
	Response any            `toml:"response"`
	Sequence []any          `toml:"sequence"`
	Error    any            `toml:"error"`
	Set      map[string]any `toml:"set"`
	Add      map[string]any `toml:"add"`
	Close    bool           `toml:"close"`
}

// fileReader reads one file.
type fileReader struct {
	path   string
	dir    string
	places *places
	typed  func(kind, value string) (wire.Message, error)
	prog   *program
}

// readProgram reads a TOML file.
func readProgram(src Source) (*program, error) {
	var f tomlFile
	if err := decodeTOML(src.Path, src.Content, &f); err != nil {
		return nil, err
	}
	r := &fileReader{path: src.Path, dir: filepath.Dir(src.Path), places: newPlaces(src.Content), typed: src.Typed}
	r.prog = &program{
		grammar: src.Grammar, fold: f.IgnoreCase, ieee488: f.IEEE488, errorDepth: 20,
		idn: "PARLEY,SIMULATED DEVICE,0,1.0", variables: make(map[string]*variable), echo: f.Echo,
	}
	for _, step := range []func(*tomlFile, node) error{r.head, r.state, r.rules, r.speech} {
		if err := step(&f, node{r, ""}); err != nil {
			return nil, err
		}
	}
	r.prog.index()
	return r.prog, nil
}

// head reads what stands at the top of the file.
func (r *fileReader) head(f *tomlFile, n node) error {
	p := r.prog
	switch strings.ToLower(f.Grammar) {
	case "":
	case "scpi":
		p.grammar = SCPI
	case "literal":
		p.grammar = Literal
	default:
		return n.at("grammar").errorf(`grammar %q: want "scpi" or "literal"`, f.Grammar)
	}
	if f.IDN != nil {
		if !f.IEEE488 {
			return n.at("idn").errorf("idn is the answer to *IDN? of ieee488 = true, which is not there")
		}
		p.idn = *f.IDN
	}
	if f.ErrorQueue != nil {
		if p.errorDepth = *f.ErrorQueue; p.errorDepth < 1 || p.errorDepth > 10000 || !f.IEEE488 {
			return n.at("error-queue").errorf("error-queue %d: want 1 to 10000, with ieee488 = true", p.errorDepth)
		}
	}
	if f.Clients.Max < 0 {
		return n.at("clients").at("max").errorf("max %d: want how many are served at a time, 0 for any number", f.Clients.Max)
	}
	p.maxClients = f.Clients.Max
	switch f.Clients.State {
	case "", "shared":
	case "own":
		p.ownState = true
	default:
		return n.at("clients").at("state").errorf(`state %q: want "shared" or "own"`, f.Clients.State)
	}
	for _, key := range slices.Sorted(maps.Keys(f.Faults)) {
		if err := p.faults.set(key, faultText(f.Faults[key])); err != nil {
			return n.at("faults").at(key).wrap(err)
		}
	}
	return nil
}

// faultText returns a value of [faults] as --fault has it.
func faultText(v any) string {
	if f, ok := v.(float64); ok {
		return fmt.Sprint(f)
	}
	return show(v)
}

// rules reads [[reply]] and default.
func (r *fileReader) rules(f *tomlFile, n node) error {
	p := r.prog
	for i, t := range f.Reply {
		at := n.at("reply").at(i)
		rule, err := r.rule(i, t, at)
		if err != nil {
			return numbered(err, "reply", i)
		}
		p.rules = append(p.rules, rule)
	}
	for _, c := range p.commands {
		if err := r.commandRules(c); err != nil {
			return prefixed(err, "state "+c.v.name)
		}
	}
	if f.Default != nil {
		p.fallback = &rule{captures: []string{}}
		var err error
		if p.fallback.responses, err = r.responses(p.fallback, f.Default, n.at("default")); err != nil {
			return err
		}
	}
	return nil
}

// numbered puts "reply 3: " before an error of a file.
func numbered(err error, what string, i int) error {
	var fe *FileError
	if errors.As(err, &fe) {
		return &FileError{Path: fe.Path, Line: fe.Line, Column: fe.Column, Err: fmt.Errorf("%s %d: %w", what, i+1, fe.Err)}
	}
	return err
}

// speech reads what the device says unasked.
func (r *fileReader) speech(f *tomlFile, n node) error {
	p := r.prog
	none := &rule{captures: []string{}}
	var err error
	if f.Greeting != nil {
		if p.greeting, err = r.responses(none, f.Greeting, n.at("greeting")); err != nil {
			return err
		}
	}
	if f.Prompt != nil {
		at := n.at("prompt")
		if *f.Prompt == "" || strings.ContainsAny(*f.Prompt, "\r\n") {
			return at.errorf("prompt %q: want text without a line end", *f.Prompt)
		}
		if p.prompt, err = r.template(none, *f.Prompt, at); err != nil {
			return err
		}
	}
	for i, t := range f.Every {
		at := n.at("every").at(i)
		e := periodic{}
		if e.interval, err = parseSpan(t.Interval); err != nil {
			return at.at("interval").errorf("every %d: interval: %w", i+1, err)
		}
		if e.interval.lo < minInterval {
			return at.at("interval").errorf("every %d: interval %q: want %v or more", i+1, t.Interval, minInterval)
		}
		if t.Response == nil {
			return at.errorf("every %d: want a response", i+1)
		}
		if e.responses, err = r.responses(none, t.Response, at.at("response")); err != nil {
			return numbered(err, "every", i)
		}
		p.every = append(p.every, e)
	}
	return nil
}

// template reads a template of the rule, and names where a mistake in it is.
func (r *fileReader) template(of *rule, text string, n node) (template, error) {
	names := &names{prog: r.prog, captures: of.captures}
	t, wrong := names.parse(text)
	if wrong != nil {
		return nil, n.wrap(wrong.err)
	}
	return t, nil
}

// readFile reads a file that the device file names.
func (r *fileReader) readFile(name string) ([]byte, error) {
	if !filepath.IsAbs(name) {
		name = filepath.Join(r.dir, name)
	}
	if r.prog != nil {
		r.prog.files = append(r.prog.files, name)
	}
	return os.ReadFile(name)
}

// decodeTOML decodes the file. An error names the place and, for a name that
// is not known, the name.
func decodeTOML(path string, b []byte, into any) error {
	err := toml.NewDecoder(bytes.NewReader(b)).DisallowUnknownFields().Decode(into)
	var strict *toml.StrictMissingError
	var syntax *toml.DecodeError
	switch {
	case errors.As(err, &strict):
		e := strict.Errors[0]
		row, col := e.Position()
		return &FileError{path, row, col, fmt.Errorf("there is no %q here", e.Key()[len(e.Key())-1])}
	case errors.As(err, &syntax):
		row, col := syntax.Position()
		return &FileError{path, row, col, errors.New(tomlWords(syntax))}
	case err != nil:
		return &FileError{Path: path, Err: err}
	}
	return nil
}
