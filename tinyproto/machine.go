package tinyproto

import "github.com/parley-net/parley/wire"

// The status bytes. The hello is an OK.
const (
	statusOK       = 0xFF
	statusLimit    = 0xFE // connection limit
	statusConflict = 0xFD
	statusError    = 0x00
)

// headerSize is the length of a message's size in bytes.
const headerSize = 4

// machine implements wire.Machine. It stores no bytes: an unfinished header
// stays with the driver.
type machine struct {
	offset     int64 // of the peer's bytes, how many are consumed
	err        error // why the conversation is over
	unanswered int   // headers of ours that the peer has not answered

	// What is smaller comes last, so that a connection at rest takes less.

	// The peer's messages.
	largest uint32 // payloads up to this size are delivered whole
	size    uint32 // payload of the message being received
	missing uint32 // of it, still to come
	answers int32  // to our messages, still to come before that payload

	// What we owe the peer. The OKs to headers read while a payload is open
	// leave behind it. Those to headers read earlier leave before it, even if
	// it has been granted since: the peer counts them.
	owed   int32 // OKs that may leave now
	behind int32 // OKs that leave after BodySent

	eager   Eager
	state   state
	held    held // what the payload of our latest message waits for
	open    bool // a payload of ours is leaving
	granted bool // EventGranted is told, the EventConfirmed of the same OK is not
	refuse  bool // the payload that is announced is not wanted
	left    bool // Close has been called
}

var _ wire.Machine = (*machine)(nil)

// state is the place in the peer's stream.
type state uint8

const (
	start    state = iota // before the hello
	boundary              // between messages
	offered               // behind a header that is neither accepted nor refused
	statuses              // behind the header of a large message, before answers
	payload               // inside a payload, or at its end
	over                  // nothing more is read
)

// held says what a payload waits for.
type held uint8

const (
	nothing   held = iota
	anyHeader      // the peer's OK, or a header of the peer in its place
	onlyOK         // the peer's OK
)
