package device

import (
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/parley-net/parley/serpy"
	"github.com/parley-net/parley/wire"
)

// messageTypes are the types of requests that a rule may be for.
var messageTypes = []string{"text", "bytes", "int", "float", "object", "invalid"}

// rule checks a rule of the file and prepares it.
func (r *fileReader) rule(i int, t tomlReply, n node) (*rule, error) {
	out := &rule{kind: t.Type, close: t.Close}
	if err := r.form(out, t, n); err != nil {
		return nil, err
	}
	if t.Type != "" && !slices.Contains(messageTypes, t.Type) {
		return nil, n.at("type").errorf("type %q: want %s", t.Type, strings.Join(messageTypes, ", "))
	}
	var err error
	if out.when, err = r.conditions(out, t.When, n.at("when")); err != nil {
		return nil, err
	}
	if out.add, err = r.additions(out, t.Add, n.at("add")); err != nil {
		return nil, err
	}
	if out.set, err = r.assignments(out, t.Set, n.at("set")); err != nil {
		return nil, err
	}
	if t.Delay != "" {
		if out.delay, err = parseSpan(t.Delay); err != nil {
			return nil, n.at("delay").errorf("delay: %w", err)
		}
	}
	return out, r.answers(out, t, n)
}

// form reads which requests the rule is for.
func (r *fileReader) form(out *rule, t tomlReply, n node) error {
	given := 0
	for _, one := range []*string{t.Request, t.Prefix, t.Pattern} {
		if one != nil {
			given++
		}
	}
	if given != 1 {
		return n.errorf("want one of request, prefix and pattern")
	}
	switch {
	case t.Pattern != nil:
		return r.pattern(out, *t.Pattern, n.at("pattern"))
	case r.prog.grammar == SCPI && t.Request != nil:
		return r.command(out, *t.Request, n.at("request"))
	case r.prog.grammar == SCPI:
		return r.command(out, strings.TrimSpace(*t.Prefix)+" ...", n.at("prefix"))
	case t.Request != nil:
		out.request = t.Request
		out.captures = []string{"0"}
	default:
		return r.compile(out, *t.Prefix, regexp.QuoteMeta(*t.Prefix)+"(?P<rest>.*)", n.at("prefix"))
	}
	return nil
}

// command reads a request of SCPI.
func (r *fileReader) command(out *rule, text string, n node) error {
	h, err := parseHeader(text)
	if err != nil {
		return n.errorf(`%w (grammar = "literal" takes requests as they are)`, err)
	}
	out.header = h
	out.captures = append(h.captures(), "0", "rest")
	for i := 1; i <= 9; i++ {
		out.captures = append(out.captures, strconv.Itoa(i))
	}
	return nil
}

// pattern reads a regular expression. It is compiled by itself first, so that a
// mistake is told in the words of its author.
func (r *fileReader) pattern(out *rule, text string, n node) error {
	if _, err := regexp.Compile(text); err != nil {
		return n.errorf("pattern %q: %s", text, patternMistake(err))
	}
	return r.compile(out, text, text, n)
}

// patternMistake says what is wrong with a regular expression.
func patternMistake(err error) string {
	var mistake *syntax.Error
	if errors.As(err, &mistake) {
		return fmt.Sprintf("%s in %s", mistake.Code, mistake.Expr)
	}
	return err.Error()
}

func (r *fileReader) compile(out *rule, text, pattern string, n node) error {
	flags := "(?s)"
	if r.prog.fold || r.prog.grammar == SCPI {
		flags = "(?si)"
	}
	var err error
	if out.pattern, err = regexp.Compile(flags + "^(?:" + pattern + ")$"); err != nil {
		return n.errorf("pattern %q: %s", text, patternMistake(err))
	}
	for _, name := range out.pattern.SubexpNames()[1:] {
		if name != "" {
			out.captures = append(out.captures, name)
		}
	}
	for i := range out.pattern.NumSubexp() + 1 {
		out.captures = append(out.captures, strconv.Itoa(i))
	}
	return nil
}

// answers reads response, sequence and error.
func (r *fileReader) answers(out *rule, t tomlReply, n node) error {
	if t.Response != nil && t.Sequence != nil {
		return n.at("sequence").errorf("want response (all of it each time) or sequence (one after the other), not both")
	}
	var err error
	if t.Response != nil {
		if out.responses, err = r.responses(out, t.Response, n.at("response")); err != nil {
			return prefixed(err, "response")
		}
	}
	for i, v := range t.Sequence {
		turn, err := r.responses(out, v, n.at("sequence").at(i))
		if err != nil {
			return prefixed(err, "sequence")
		}
		out.sequence = append(out.sequence, turn)
	}
	if t.Error != nil {
		out.hasError = true
		if out.onError, err = r.responses(out, t.Error, n.at("error")); err != nil {
			return prefixed(err, "error")
		}
	}
	return nil
}

// prefixed puts what the mistake is about before an error of a file.
func prefixed(err error, what string) error {
	var fe *FileError
	if errors.As(err, &fe) {
		return &FileError{Path: fe.Path, Line: fe.Line, Column: fe.Column, Err: fmt.Errorf("%s: %w", what, fe.Err)}
	}
	return err
}

// response is one message of an answer.
type response struct {
	delay  span
	fixed  *wire.Message // or
	kind   string        // of
	text   template      // this, or
	wave   *waveform     // this
	mode   int           // serpy's; -1: none
	block  bool          // as an IEEE 488.2 block,
	digits int           // with a length of so many digits; 0: as few as it takes
}

// responses prepares one response or a list of them.
func (r *fileReader) responses(of *rule, v any, n node) ([]response, error) {
	list, ok := v.([]any)
	if !ok {
		resp, err := r.response(of, v, n)
		return []response{resp}, err
	}
	out := []response{}
	for i, v := range list {
		resp, err := r.response(of, v, n.at(i))
		if err != nil {
			return nil, err
		}
		out = append(out, resp)
	}
	return out, nil
}

// response prepares one response: a string, a number, or a table with one
// value and perhaps a delay and a mode.
func (r *fileReader) response(of *rule, v any, n node) (response, error) {
	out := response{kind: "text", mode: -1}
	var err error
	switch v := v.(type) {
	case string:
		out.text, err = r.template(of, v, n)
		return out, err
	case int64:
		m := wire.Int(v)
		out.fixed = &m
		return out, nil
	case float64:
		m := wire.Float(v)
		out.fixed = &m
		return out, nil
	case map[string]any:
		return r.table(of, v, n)
	}
	return out, n.errorf("%v: want a string, a number or a table", v)
}

// dataKeys are the keys of a response's table that give its value.
var dataKeys = []string{"text", "int", "float", "hex", "b64", "json", "file", "waveform"}

// table prepares a response like {hex = "00ff", delay = "10ms", block = true}.
func (r *fileReader) table(of *rule, t map[string]any, n node) (response, error) {
	out := response{mode: -1}
	for _, key := range dataKeys {
		if _, ok := t[key]; !ok {
			continue
		}
		if out.kind != "" {
			return out, n.at(key).errorf("%s and %s: want one of them", out.kind, key)
		}
		out.kind = key
	}
	for key, v := range t {
		if err := r.option(&out, key, v, n.at(key)); err != nil {
			return out, err
		}
	}
	if out.kind == "" {
		return out, n.errorf("want one of %s", strings.Join(dataKeys, ", "))
	}
	if out.digits > 0 && !out.block {
		return out, n.at("digits").errorf("digits are those of a block's length: it wants block = true")
	}
	return out, r.data(&out, of, t, n)
}

// waveKeys are the keys of a response's table that belong to a waveform.
var waveKeys = []string{"points", "format"}

// option reads what is said about a response besides its value.
func (r *fileReader) option(out *response, key string, v any, n node) error {
	switch key {
	case "delay":
		text, _ := v.(string)
		d, err := parseSpan(text)
		if err != nil {
			return n.errorf("delay: %w", err)
		}
		out.delay = d
	case "mode":
		m, ok := v.(int64)
		if !ok || m < 0 || m > 5 {
			return n.errorf("mode %v: want 0 to 5", v)
		}
		out.mode = int(m)
	case "block":
		on, ok := v.(bool)
		if !ok {
			return n.errorf("block %v: want true or false", v)
		}
		out.block = on
	case "digits":
		d, ok := v.(int64)
		if !ok || d < 1 || d > 9 {
			return n.errorf("digits %v: want 1 to 9", v)
		}
		out.digits = int(d)
	default:
		if slices.Contains(dataKeys, key) || out.kind == "waveform" && slices.Contains(waveKeys, key) {
			return nil
		}
		return n.errorf("there is no %q in a response: want one of %s, and delay, mode, block, digits", key, strings.Join(dataKeys, ", "))
	}
	return nil
}

// data reads a response's value.
func (r *fileReader) data(out *response, of *rule, t map[string]any, n node) error {
	at := n.at(out.kind)
	v := t[out.kind]
	text, isText := v.(string)
	if !isText {
		if !isScalar(v) {
			return at.errorf("%s: want a string", out.kind)
		}
		text = fmt.Sprint(v)
	}
	var err error
	switch out.kind {
	case "file":
		b, err := r.readFile(text)
		if err != nil {
			return at.wrap(err)
		}
		m := wire.Bytes(b)
		out.fixed = &m
		return nil
	case "waveform":
		out.wave, err = r.waveform(of, text, t, n)
		return err
	}
	if out.text, err = r.template(of, text, at); err != nil {
		return err
	}
	if fixed, ok := out.text.constant(); ok && out.kind != "text" {
		if _, err := r.typed(out.kind, fixed); err != nil {
			return at.wrap(err)
		}
	}
	return nil
}

// message makes the response's message.
func (resp *response) message(sc *scope) (wire.Message, error) {
	m, err := resp.value(sc)
	if err != nil {
		return m, err
	}
	if resp.block {
		b, _ := m.Plain()
		m = wire.Bytes(appendBlock(nil, b, resp.digits))
	}
	if resp.mode >= 0 {
		m = serpy.WithMode(m, resp.mode)
	}
	return m, nil
}

func (resp *response) value(sc *scope) (wire.Message, error) {
	switch {
	case resp.fixed != nil:
		return *resp.fixed, nil
	case resp.wave != nil:
		b, err := resp.wave.samples(sc)
		return wire.Bytes(b), err
	}
	text, err := resp.text.expand(sc)
	if err != nil || resp.kind == "text" {
		return wire.Text(text), err
	}
	return sc.session.device.typed(resp.kind, text)
}

// appendBlock appends data as a definite block of IEEE 488.2.
func appendBlock(dst, data []byte, digits int) []byte {
	length := strconv.Itoa(len(data))
	if pad := digits - len(length); pad > 0 {
		length = strings.Repeat("0", pad) + length
	}
	dst = append(dst, '#', byte('0'+len(length)))
	return append(append(dst, length...), data...)
}

// wait draws the time before something.
func (s *Session) wait(d span) time.Duration { return d.draw(s.rand) }
