package recording

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"
)

// seconds is a time as it is written: microseconds are enough.
type seconds time.Duration

// MarshalJSON writes seconds with six decimals.
func (s seconds) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, time.Duration(s).Seconds(), 'f', 6, 64), nil
}

// written is an entry in the order in which its keys are written.
type written struct {
	TS      seconds         `json:"ts"`
	Conn    int             `json:"conn"`
	Dir     Dir             `json:"dir,omitempty"`
	Event   Event           `json:"event,omitempty"`
	Proto   string          `json:"proto,omitempty"`
	Prompt  string          `json:"prompt,omitempty"`
	Kind    string          `json:"kind,omitempty"`
	Text    *string         `json:"text,omitempty"`
	JSON    json.RawMessage `json:"json,omitempty"`
	B64     *[]byte         `json:"b64,omitempty"`
	Mode    *int            `json:"mode,omitempty"`
	Invalid bool            `json:"invalid,omitempty"`
	Pickle  []byte          `json:"pickle,omitempty"`
	Error   string          `json:"error,omitempty"`
	Note    string          `json:"note,omitempty"`
}

// Append appends the line of an entry to dst.
func Append(dst []byte, e *Entry) ([]byte, error) {
	w := written{
		TS: seconds(e.At), Conn: e.Conn, Dir: e.Dir, Event: e.Event, Proto: e.Proto, Prompt: e.Prompt,
		Kind: e.Kind, Text: e.Text, JSON: e.JSON, Mode: e.Mode, Invalid: e.Invalid, Pickle: e.Pickle,
		Error: e.Error, Note: e.Note,
	}
	if e.B64 != nil {
		w.B64 = &e.B64
	}
	b := bytes.NewBuffer(dst)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(w)
	return b.Bytes(), err
}
