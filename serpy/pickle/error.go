package pickle

import "fmt"

// Error says why a pickle can't be decoded.
type Error struct {
	Offset int    // where the opcode stands that failed, in bytes from the start
	Op     byte   // that opcode; 0 if the pickle ends where one should stand
	Msg    string // what is wrong and, where possible, what to do
	Err    error  // ErrLimit, io.ErrUnexpectedEOF or nil
}

// Error names the place, the opcode and the fault.
func (e *Error) Error() string {
	s := fmt.Sprintf("pickle: at byte %d", e.Offset)
	if name := opNames[e.Op]; name != "" {
		s += ", " + name
	}
	s += ": " + e.Msg
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }
