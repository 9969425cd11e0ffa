package output

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"time"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/cli/terminal"
	"github.com/parley-net/parley/recording"
)

// Record is a message as one line of JSON.
type Record struct {
	TS    *time.Time `json:"ts,omitempty"`
	Conn  uint64     `json:"conn,omitempty"`
	Dir   string     `json:"dir,omitempty"` // "in" or "out"
	Proto string     `json:"proto,omitempty"`
	Kind  string     `json:"kind,omitempty"`
	Len   int        `json:"len"`
	// One of these three: text where the payload is valid UTF-8 or a number,
	// JSON for an object that JSON can carry unchanged.
	Text *string         `json:"text,omitempty"`
	B64  *[]byte         `json:"b64,omitempty"`
	JSON json.RawMessage `json:"json,omitempty"`
	// Mode is serpy's; Invalid is oneline's.
	Mode    *int     `json:"mode,omitempty"`
	Invalid bool     `json:"invalid,omitempty"`
	Delta   *float64 `json:"delta,omitempty"` // seconds since the message before
	RTT     *float64 `json:"rtt,omitempty"`   // seconds since the last message sent
}

// NewRecord returns the record of m, without time, place and direction.
func NewRecord(m parley.Message) Record {
	v := recording.Of(m)
	r := Record{Kind: v.Kind, Len: len(Payload(m)), Text: v.Text, JSON: v.JSON, Mode: v.Mode, Invalid: v.Invalid}
	if v.B64 != nil {
		r.B64 = &v.B64
	}
	return r
}

// AppendLine appends the record and a line feed to dst. What could act on a
// terminal is written as \u, which means the same in JSON.
func (r Record) AppendLine(dst []byte) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(r)
	return terminal.AppendHarmless(dst, b.String()), err
}

// ParseRecord reads a line that NewRecord could have made, or a shorter one:
// {"text":"hello"}, {"kind":"int","text":"5"}, {"b64":"AP8="}, {"json":[1,2]}.
func ParseRecord(line []byte) (Record, error) {
	var r Record
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return r, err
	}
	if _, err := d.Token(); err != io.EOF {
		return r, errors.New("more than one JSON value on the line")
	}
	return r, nil
}

// Message returns the message that the record describes.
func (r Record) Message() (parley.Message, error) {
	v := recording.Value{Kind: r.Kind, Text: r.Text, JSON: r.JSON, Mode: r.Mode}
	if r.B64 != nil {
		v.B64 = *r.B64
		if v.B64 == nil {
			v.B64 = []byte{}
		}
	}
	return v.Message()
}

// Payload returns the bytes of a message: for numbers and objects those of
// their text.
func Payload(m parley.Message) []byte { return recording.Payload(m) }
