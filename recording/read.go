package recording

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// keys are all keys that a line may have. Those without effect are in what
// --json prints.
var keys = []string{
	"ts", "conn", "dir", "event", "proto", "prompt", "kind", "text", "b64", "json", "mode", "invalid", "pickle", "error", "note",
	"len", "delta", "rtt",
}

// Read reads a recording. file is its name, for errors: each of them is a
// *PlaceError, unless r fails. An unfinished last line is left out, and returned as an
// *UnfinishedError together with all entries before it.
func Read(file string, r io.Reader) ([]Entry, error) {
	in := NewReader(file, r)
	var entries []Entry
	for {
		e, _, err := in.Next()
		switch {
		case err == io.EOF:
			return entries, nil
		case errors.As(err, new(*UnfinishedError)):
			return entries, err
		case err != nil:
			return nil, err
		}
		entries = append(entries, e)
	}
}

// UnfinishedError says that the last line of a recording has no end: its recorder was
// stopped in the middle of it, or still writes.
type UnfinishedError struct {
	File string
	Line int
	Len  int // of what is there of it, in bytes
}

// Error says what is left out.
func (e *UnfinishedError) Error() string {
	return fmt.Sprintf("%s:%d: the last line is unfinished (%d bytes): it is left out", e.File, e.Line, e.Len)
}

// Reader reads a recording line by line.
type Reader struct {
	file  string
	in    *bufio.Reader
	clock clock
	line  int
	err   error // for good
}

// NewReader returns a Reader. file is the recording's name, for errors. Files are read as
// editors on every system write them: UTF-8, also with a byte order mark, or UTF-16 with
// one; lines end with LF, CR LF or CR.
func NewReader(file string, r io.Reader) *Reader {
	return &Reader{file: file, in: bufio.NewReader(UTF8(r))}
}

// Next returns the next entry, and the bytes of the file (as UTF-8) that it stands for:
// its line with its end, and blank lines in front of it. At the end of the file it returns io.EOF,
// and what blank lines stand behind the last entry.
func (r *Reader) Next() (e Entry, raw []byte, err error) {
	for r.err == nil {
		var line []byte
		line, r.err = r.readLine()
		raw = append(raw, line...)
		text := bytes.TrimRight(line, "\r\n")
		if len(bytes.TrimSpace(text)) == 0 {
			continue
		}
		p := parser{file: r.file, line: r.line, text: text, clock: &r.clock}
		e, bad := p.entry()
		if bad != nil {
			if r.err == io.EOF && len(text) == len(line) && isCut(text) {
				bad = &UnfinishedError{File: r.file, Line: r.line, Len: len(text)}
			}
			r.err = bad
			return Entry{}, raw, bad
		}
		return e, raw, nil
	}
	return Entry{}, raw, r.err
}

// isCut reports whether text is the beginning of a JSON object.
func isCut(text []byte) bool {
	var v map[string]json.RawMessage
	err := json.Unmarshal(text, &v)
	if err == nil || bytes.TrimSpace(text)[0] != '{' {
		return false
	}
	// A number that is cut off is told as one in front of a blank.
	return err.Error() == "unexpected end of JSON input" ||
		strings.HasPrefix(err.Error(), "invalid character ' '") && text[len(text)-1] != ' '
}

// Zero is the point in time from which the entries' times count, if the file has one.
func (r *Reader) Zero() (t time.Time, ok bool) { return r.clock.zero, r.clock.dated }

// readLine returns the next line with its end.
func (r *Reader) readLine() (line []byte, err error) {
	r.line++
	for {
		c, err := r.in.ReadByte()
		if err != nil {
			return line, err
		}
		line = append(line, c)
		if c == '\n' {
			return line, nil
		}
		if c != '\r' {
			// The rest up to the next end, as far as it is there.
			b, _ := r.in.Peek(r.in.Buffered())
			if i := bytes.IndexAny(b, "\r\n"); i >= 0 {
				b = b[:i]
			}
			line = append(line, b...)
			r.in.Discard(len(b))
			continue
		}
		if next, err := r.in.Peek(1); err == nil && next[0] == '\n' {
			r.in.ReadByte()
			line = append(line, '\n')
		}
		return line, nil
	}
}

// clock turns the times of lines into one: seconds since the beginning, or
// points in time.
type clock struct {
	now   time.Duration // of the line before
	zero  time.Time     // the first point in time
	dated bool
}

// parser reads one line.
type parser struct {
	file  string
	line  int
	text  []byte
	clock *clock
	at    map[string]int // where the value of each key begins
}

// fail returns an error at a byte of the line.
func (p *parser) fail(at int, format string, args ...any) error {
	at = max(0, min(at, len(p.text)))
	return &PlaceError{File: p.file, Line: p.line, Col: utf8.RuneCount(p.text[:at]) + 1, Err: fmt.Errorf(format, args...)}
}

// entry reads the line.
func (p *parser) entry() (Entry, error) {
	e := Entry{Conn: 1, At: p.clock.now, File: p.file, Line: p.line, Col: 1}
	p.at = make(map[string]int)
	d := json.NewDecoder(bytes.NewReader(p.text))
	if t, err := d.Token(); err != nil {
		return e, p.syntax(err)
	} else if t != json.Delim('{') {
		return e, p.fail(0, "want an object: {…}")
	}
	for d.More() {
		before := int(d.InputOffset())
		t, err := d.Token()
		if err != nil {
			return e, p.syntax(err)
		}
		key := t.(string) // an object has no other
		keyAt := before + bytes.IndexByte(p.text[before:], '"')
		if !slices.Contains(keys, key) {
			return e, p.fail(keyAt, "unknown key %q: use %s", key, strings.Join(keys[:len(keys)-3], ", "))
		}
		if _, twice := p.at[key]; twice {
			return e, p.fail(keyAt, "the key %q is there twice", key)
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return e, p.syntax(err)
		}
		p.at[key] = int(d.InputOffset()) - len(value)
		if err := p.set(&e, key, value); err != nil {
			return e, p.fail(p.at[key], "%q: %w", key, err)
		}
	}
	if _, err := d.Token(); err != nil {
		return e, p.syntax(err)
	}
	if end := int(d.InputOffset()); len(bytes.TrimSpace(p.text[end:])) > 0 {
		return e, p.fail(end, "there is more behind the object: want one for each line")
	}
	p.clock.now = e.At
	return e, p.check(&e)
}

// syntax places an error of the JSON decoder.
func (p *parser) syntax(err error) error {
	at := len(p.text)
	var bad *json.SyntaxError
	switch {
	case errors.As(err, &bad):
		at = int(bad.Offset) - 1
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("the line ends inside the object")
	}
	return p.fail(at, "no JSON: %w", err)
}

// set sets what a key is for.
func (p *parser) set(e *Entry, key string, value json.RawMessage) error {
	switch key {
	case "ts":
		return p.clock.read(value, &e.At)
	case "conn":
		if err := to(value, &e.Conn, "a number from 1"); err != nil || e.Conn < 1 {
			return errors.New("want a number from 1")
		}
	case "dir":
		return setDir(value, &e.Dir)
	case "event":
		if err := to(value, &e.Event, "a string"); err != nil {
			return err
		}
		switch e.Event {
		case Open, Leave, Shutdown, End, Reset, Lost, Stopped:
			return nil
		}
		return fmt.Errorf("%q: want open, leave, shutdown, end, reset, lost or stopped", e.Event)
	case "proto":
		return to(value, &e.Proto, "a string")
	case "prompt":
		if err := to(value, &e.Prompt, "a string"); err != nil {
			return err
		}
		if e.Prompt == "" || strings.ContainsAny(e.Prompt, "\r\n") {
			return errors.New("want text without a line end")
		}
	case "kind":
		if err := to(value, &e.Kind, "a string"); err != nil {
			return err
		}
		switch e.Kind {
		case "text", "bytes", "int", "float", "object":
			return nil
		}
		return fmt.Errorf("%q: want text, bytes, int, float or object", e.Kind)
	case "text":
		return to(value, &e.Text, "a string")
	case "b64":
		return toBytes(value, &e.B64)
	case "pickle":
		return toBytes(value, &e.Pickle)
	case "json":
		e.JSON = slices.Clone(value)
	case "mode":
		if err := to(value, &e.Mode, "a number from 0 to 5"); err != nil || e.Mode == nil || *e.Mode < 0 || *e.Mode > 5 {
			return errors.New("want a number from 0 to 5")
		}
	case "invalid":
		return to(value, &e.Invalid, "true or false")
	case "error":
		return to(value, &e.Error, "a string")
	case "note":
		return to(value, &e.Note, "a string")
	}
	return nil
}

// to reads a value of the type of v, which is described by want.
func to(value json.RawMessage, v any, want string) error {
	if string(value) == "null" || json.Unmarshal(value, v) != nil {
		return errors.New("want " + want)
	}
	return nil
}

func toBytes(value json.RawMessage, b *[]byte) error {
	if err := to(value, b, "base64 with its padding, as a string"); err != nil {
		return err
	}
	if *b == nil {
		*b = []byte{}
	}
	return nil
}

// setDir reads a direction. "out" and "in" are what a client prints with
// --json.
func setDir(value json.RawMessage, d *Dir) error {
	var s string
	if err := to(value, &s, "c2s or s2c"); err != nil {
		return err
	}
	switch s {
	case "c2s", "out":
		*d = ToServer
	case "s2c", "in":
		*d = ToClient
	default:
		return fmt.Errorf("%q: want c2s (client to server) or s2c", s)
	}
	return nil
}

// first and final bound the points in time of a recording: a length of time has 64 bits
// of nanoseconds.
func first() time.Time { return time.Unix(0, 0).UTC() }
func final() time.Time { return time.Unix(0, math.MaxInt64).UTC() }

// read reads a time: a number of seconds since the beginning, or a point in
// time.
func (c *clock) read(value json.RawMessage, at *time.Duration) error {
	const want = "seconds, or a time such as 2026-11-20T10:37:01.5Z"
	if value[0] == '"' {
		var t time.Time
		if err := to(value, &t, want); err != nil {
			return err
		}
		if t.Before(first()) || t.After(final()) { // in nanoseconds it would be another time
			return fmt.Errorf("want a time from %d to %d", first().Year(), final().Year())
		}
		if !c.dated {
			c.dated, c.zero = true, t.Add(-c.now)
		}
		if *at = t.Sub(c.zero); !c.zero.Add(*at).Equal(t) {
			return errors.New("want a time that is possible after those before it")
		}
		return nil
	}
	var s float64
	if err := to(value, &s, want); err != nil {
		return err
	}
	if s < 0 || s > math.MaxInt64/1e9-1 {
		return errors.New("want a time that is possible")
	}
	*at = time.Duration(math.Round(s*1e6)) * time.Microsecond
	return nil
}

// check checks that what the keys say makes sense together.
func (p *parser) check(e *Entry) error {
	var values []string
	for _, key := range []string{"text", "b64", "json"} {
		if at, ok := p.at[key]; ok {
			values = append(values, key)
			e.Col = utf8.RuneCount(p.text[:at]) + 1
		}
	}
	if at, ok := p.at["prompt"]; ok && e.Event != Open {
		return p.fail(at, `a "prompt" stands in the line with "event":"open"`)
	}
	if e.Event != "" {
		switch {
		case len(values) > 0:
			return p.fail(p.at[values[0]], "an event has no %q: it is a line of its own", values[0])
		case e.Dir == "" && e.Event != Open && e.Event != Stopped:
			return p.fail(0, `the event %q needs a "dir": c2s or s2c`, e.Event)
		case e.Dir == ToClient && (e.Event == Leave || e.Event == Shutdown):
			return p.fail(p.at["dir"], "only a client says %q", e.Event)
		}
		return nil
	}
	switch {
	case e.Dir == "":
		return p.fail(0, `a message needs a "dir": c2s (client to server) or s2c`)
	case len(values) != 1 && (len(values) > 0 || e.Pickle == nil):
		return p.fail(0, `a message needs one of "text", "b64" and "json"`)
	}
	return nil
}
