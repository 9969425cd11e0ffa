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
	TS     seconds `json:"ts"`
	Conn   int     `json:"conn"`
	Dir    Dir     `json:"dir,omitempty"`
	Event  Event   `json:"event,omitempty"`
	Proto  string  `json:"proto,omitempty"`
	Prompt string  `json:"prompt,omitempty"`
	Value
	Error string `json:"error,omitempty"`
	Note  string `json:"note,omitempty"`
}

// Append appends the line of an entry to dst.
func Append(dst []byte, e *Entry) ([]byte, error) {
	b := bytes.NewBuffer(dst)
	enc := json.NewEncoder(b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(written{
		TS: seconds(e.At), Conn: e.Conn, Dir: e.Dir, Event: e.Event, Proto: e.Proto, Prompt: e.Prompt,
		Value: e.Value, Error: e.Error, Note: e.Note,
	})
	return b.Bytes(), err
}
