package bus

import "errors"

var (
	// ErrNoBus: the bus can't be reached now. Nothing was done, or it may have been
	// done where the call's context ended first.
	ErrNoBus = errors.New("bus: not connected")
	// ErrClosed: Close was called.
	ErrClosed = errors.New("bus: closed")
	// ErrNoResponder: nobody answers to this subject.
	ErrNoResponder = errors.New("bus: nobody answers to this subject")
	// ErrNotFound: there is no such key or object.
	ErrNotFound = errors.New("bus: not found")
	// ErrConflict: somebody else was quicker.
	ErrConflict = errors.New("bus: changed meanwhile")
	// ErrTooLarge: the message is above MaxPayload.
	ErrTooLarge = errors.New("bus: message too large")
	// ErrFull: the disk, or what the log or the objects may take, is full.
	ErrFull = errors.New("bus: no room left")
	// ErrRefused: the bus is there and does not let us in, or can't do what is needed:
	// trying again does not help.
	ErrRefused = errors.New("bus: refused")
	// ErrBadSubject: the subject has an empty token, a blank, or a wildcard where none
	// may be.
	ErrBadSubject = errors.New("bus: not a subject")
)
