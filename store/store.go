// Package store is what is kept of sessions so that it can be found again: the contract
// between those who record and those who keep. Package store/sqlite keeps it in a file.
//
// A session is one run of a recorder. Its entries are the lines of a recording: messages
// and what happened besides. An entry's meaning is the recording format's; a store keeps
// each exactly and knows of it only what is searched for.
package store

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Session is one run of a recorder, or one file that was imported.
type Session struct {
	ID      int64     `json:"session"` // from 1, given by the store
	Began   time.Time `json:"began"`
	Ended   time.Time `json:"ended,omitzero"` // zero: it goes on, or its recorder died
	Source  string    `json:"source"`         // what recorded it: "tap", "record", "import"
	URL     string    `json:"url,omitempty"`  // of what was recorded, or the file's name
	Entries int64     `json:"entries"`
	Bytes   int64     `json:"bytes"` // of the values
}

// Entry is one line of a session.
type Entry struct {
	Seq   int64         // in the session, from 1; given by the store
	At    time.Duration // since the session's beginning
	Conn  int64         // which connection; 0: none
	Peer  string        // its peer's address, as far as known
	Dir   string        // "c2s", "s2c" or ""
	Event string        // "" for a message
	Kind  string        // of a message: text, bytes, int, float, object
	Form  Form          // what Body is
	Body  []byte        // the value
	// Log is where a recorder has it from, and LogSeq its number there, which grows: what the
	// store has up to there it does not keep again, in no session. "": from nowhere that
	// shows things twice.
	Log    string
	LogSeq uint64
	Meta   []byte // what else the line says, in the recorder's form; the store does not look into it
}

// Form says what an entry's body is.
type Form uint8

const (
	FormNone  Form = iota // there is no value
	FormText              // text, that of a number too
	FormBytes             // bytes
	FormJSON              // a value as JSON
)

// Recorder takes the entries of one session. Its methods may be called concurrently.
type Recorder interface {
	// Append gives the recorder an entry, whose bytes it may use until Flush has
	// returned. It waits while too much is not yet kept. An error is the store's
	// for good: later entries are not kept either.
	Append(Entry) error
	// Flush waits until all that was appended is kept: it then survives the end of the
	// process, and, where the disk keeps its word, of the machine's power.
	Flush(ctx context.Context) error
	// Close flushes and ends the session.
	Close() error
}

// Query chooses entries. The zero Query chooses all.
type Query struct {
	Session  int64     // 0: all sessions
	From, To time.Time // zero: no bound
	Text     string    // a literal part of the value
	Peer     string    // HOST or HOST:PORT
	Limit    int       // 0: no bound
}

// Found is an entry that a Query chose.
type Found struct {
	Session int64
	Time    time.Time
	Entry
}

var (
	// ErrNoStore: there is no store in this place.
	ErrNoStore = errors.New("no store")
	// ErrNotStore: the file is something else.
	ErrNotStore = errors.New("not a store")
	// ErrNewer: the store was written by a newer parley.
	ErrNewer = errors.New("the store was written by a newer version")
	// ErrNoSession: there is no session of this number.
	ErrNoSession = errors.New("no such session")
	// ErrFull: the disk is full. What was flushed before is kept.
	ErrFull = errors.New("no room left for the store")
	// ErrTime: a time is not one of those from 1678 to 2262, which a store can keep.
	ErrTime = errors.New("a store keeps times from 1678 to 2262")
	// ErrBusy: another process writes the store and does not let go of it.
	ErrBusy = errors.New("another process writes the store")
)

// Damage is a place of a store that is not as it was written.
type Damage struct {
	Session, Seq int64  // 0: none in particular
	What         string // what is wrong
}

// String names the place.
func (d Damage) String() string {
	switch {
	case d.Session == 0:
		return d.What
	case d.Seq == 0:
		return fmt.Sprintf("session %d: %s", d.Session, d.What)
	}
	return fmt.Sprintf("session %d, entry %d: %s", d.Session, d.Seq, d.What)
}
