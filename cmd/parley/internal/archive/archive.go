// Package archive moves recordings into a store and out of it.
package archive

import (
	"bytes"
	"encoding/json"
	"fmt"
	"time"

	"github.com/parley-net/parley/recording"
	"github.com/parley-net/parley/store"
)

// meta is what a line of a recording says besides what the store searches for.
type meta struct {
	Proto   string `json:"proto,omitempty"`
	Prompt  string `json:"prompt,omitempty"`
	Mode    *int   `json:"mode,omitempty"`
	Invalid bool   `json:"invalid,omitempty"`
	Pickle  []byte `json:"pickle,omitempty"`
	Error   string `json:"error,omitempty"`
	Note    string `json:"note,omitempty"`
	// Raw is the line as it stood in the file, with its end and the blank lines in front,
	// where it is written otherwise than a recorder does.
	Raw []byte `json:"raw,omitempty"`
}

// ToStore returns how a store keeps an entry. peer is its connection's peer, "" if that is
// not known.
func ToStore(e *recording.Entry, peer string) (store.Entry, error) { return toStore(e, peer, nil) }

func toStore(e *recording.Entry, peer string, raw []byte) (store.Entry, error) {
	s := store.Entry{At: e.At, Conn: int64(e.Conn), Peer: peer, Dir: string(e.Dir), Event: string(e.Event), Kind: e.Kind}
	switch {
	case e.Text != nil:
		s.Form, s.Body = store.FormText, []byte(*e.Text)
	case e.B64 != nil:
		s.Form, s.Body = store.FormBytes, e.B64
	case e.JSON != nil:
		s.Form, s.Body = store.FormJSON, e.JSON
	}
	m := meta{Proto: e.Proto, Prompt: e.Prompt, Mode: e.Mode, Invalid: e.Invalid, Pickle: e.Pickle, Error: e.Error, Note: e.Note, Raw: raw}
	var err error
	if s.Meta, err = json.Marshal(m); string(s.Meta) == "{}" {
		s.Meta = nil
	}
	return s, err
}

// FromStore returns the entry of a recording that a store keeps.
func FromStore(s *store.Entry) (recording.Entry, error) {
	e, _, err := fromStore(s)
	return e, err
}

func fromStore(s *store.Entry) (recording.Entry, meta, error) {
	e := recording.Entry{At: s.At, Conn: int(s.Conn), Dir: recording.Dir(s.Dir), Event: recording.Event(s.Event)}
	e.Kind = s.Kind
	switch s.Form {
	case store.FormText:
		text := string(s.Body)
		e.Text = &text
	case store.FormBytes:
		e.B64 = s.Body
	case store.FormJSON:
		e.JSON = s.Body
	}
	var m meta
	if s.Meta != nil {
		if err := json.Unmarshal(s.Meta, &m); err != nil {
			return e, m, fmt.Errorf("entry %d: %w", s.Seq, err)
		}
	}
	e.Proto, e.Prompt, e.Mode, e.Invalid, e.Pickle, e.Error, e.Note = m.Proto, m.Prompt, m.Mode, m.Invalid, m.Pickle, m.Error, m.Note
	return e, m, nil
}

// AppendLine appends the line of a recording that an entry was, or is.
func AppendLine(dst []byte, s *store.Entry) ([]byte, error) {
	e, m, err := fromStore(s)
	if err != nil {
		return dst, err
	}
	if m.Raw != nil {
		return append(dst, m.Raw...), nil
	}
	return recording.Append(dst, &e)
}

// imported returns how a store keeps an entry that was read as raw.
func imported(e *recording.Entry, raw []byte) (store.Entry, error) {
	s, err := toStore(e, "", nil)
	if err != nil {
		return s, err
	}
	if line, err := AppendLine(nil, &s); err == nil && bytes.Equal(line, raw) {
		return s, nil
	}
	return toStore(e, "", raw)
}

// began returns when a recording began that was last written at end: the file says so,
// or its last entry was written then.
func began(zero time.Time, dated bool, last time.Duration, end time.Time) time.Time {
	if dated {
		return zero
	}
	return end.Add(-last)
}
