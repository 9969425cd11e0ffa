// Package recording is the file in which a session is kept: one JSON object per
// line, that a person can read and edit.
//
//	{"ts":0.0012,"conn":1,"event":"open","proto":"oneline"}
//	{"ts":0.0020,"conn":1,"dir":"c2s","kind":"text","text":"*IDN?"}
//	{"ts":0.0151,"conn":1,"dir":"s2c","kind":"text","text":"ACME,7"}
//	{"ts":0.0155,"conn":1,"dir":"c2s","event":"leave"}
//
// A line is a message or an event. Only dir and the value of a message are
// required; blank lines are skipped. The lines that --json prints can be read
// too.
package recording

import (
	"encoding/json"
	"fmt"
	"time"
)

// Dir says who sent something.
type Dir string

const (
	ToServer Dir = "c2s" // the client
	ToClient Dir = "s2c" // the server
)

// Side names who sent it.
func (d Dir) Side() string {
	if d == ToServer {
		return "client"
	}
	return "server"
}

// Event is what happened besides messages.
type Event string

const (
	Open     Event = "open"     // the connection's greeting is done
	Leave    Event = "leave"    // the client said the protocol's farewell
	Shutdown Event = "shutdown" // the client asked the server to end
	End      Event = "end"      // Dir ended its direction
	Reset    Event = "reset"    // Dir reset the connection
	Lost     Event = "lost"     // Dir sent something that is not in the file: Error says why
	Stopped  Event = "stopped"  // nothing more of the connection is in the file
)

// Entry is one line.
type Entry struct {
	At    time.Duration // since the beginning of the recording
	Conn  int           // which connection; 1 unless given
	Dir   Dir           // "" with Open
	Event Event         // "" for a message
	Proto string        // the protocol's name, with Open
	// Prompt is what the server says behind each answer, on line and scpi, with Open.
	Prompt string
	Error  string // with Lost and Stopped; with End, what was cut off
	Note   string // a person's remark; with Open on line and scpi the server's banner
	Value         // of a message

	// Where the line and its value begin, for errors.
	File      string
	Line, Col int
}

// Value is a message's value as it is written: in a recording, and wherever else its
// keys are those of a recording, in their order.
type Value struct {
	Kind string `json:"kind,omitempty"` // text, bytes, int, float, object
	// Exactly one of these three. Text is that of a number too; B64 is nil where there is
	// none, and not where it is empty.
	Text *string         `json:"text,omitempty"`
	JSON json.RawMessage `json:"json,omitempty"`
	B64  []byte          `json:"b64,omitzero"`
	Mode *int            `json:"mode,omitempty"` // serpy's
	// Invalid: oneline's text was no valid text. It is for the reader of the
	// file: the bytes tell.
	Invalid bool `json:"invalid,omitempty"`
	// Pickle is the exact pickle of a message in serpy's modes 4 and 5. It
	// counts as long as it means the same as what is written beside it.
	Pickle []byte `json:"pickle,omitempty"`
}

// Errorf returns an error that names the entry's place in its file.
func (e *Entry) Errorf(format string, args ...any) error {
	return &PlaceError{File: e.File, Line: e.Line, Col: e.Col, Err: fmt.Errorf(format, args...)}
}

// PlaceError is an error at a place of a file. Lines and columns count from 1,
// columns in characters.
type PlaceError struct {
	File      string
	Line, Col int
	Err       error
}

// Error names the place as compilers do.
func (e *PlaceError) Error() string {
	return fmt.Sprintf("%s:%d:%d: %v", e.File, e.Line, e.Col, e.Err)
}

// Unwrap returns what is wrong there.
func (e *PlaceError) Unwrap() error { return e.Err }
