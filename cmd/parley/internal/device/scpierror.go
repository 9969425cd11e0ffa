package device

import "fmt"

// A scpiError is an error as SCPI numbers them.
type scpiError struct {
	code int
	text string
}

// Error returns it as SYST:ERR? shows it.
func (e scpiError) Error() string { return fmt.Sprintf(`%d,"%s"`, e.code, e.text) }

// scpiErrors are the errors of SCPI-99, volume 2, chapter 21, that a device
// makes by itself.
var scpiErrors = struct {
	none, syntax, dataType, parameterNotAllowed, missingParameter, mnemonicTooLong, undefinedHeader,
	suffixOutOfRange, invalidSuffix, suffixNotAllowed, invalidString, invalidBlock,
	execution, outOfRange, tooMuchData, illegalValue, overflow, deadlocked scpiError
}{
	none:                scpiError{0, "No error"},
	syntax:              scpiError{-102, "Syntax error"},
	dataType:            scpiError{-104, "Data type error"},
	parameterNotAllowed: scpiError{-108, "Parameter not allowed"},
	missingParameter:    scpiError{-109, "Missing parameter"},
	mnemonicTooLong:     scpiError{-112, "Program mnemonic too long"},
	undefinedHeader:     scpiError{-113, "Undefined header"},
	suffixOutOfRange:    scpiError{-114, "Header suffix out of range"},
	invalidSuffix:       scpiError{-131, "Invalid suffix"},
	suffixNotAllowed:    scpiError{-138, "Suffix not allowed"},
	invalidString:       scpiError{-151, "Invalid string data"},
	invalidBlock:        scpiError{-161, "Invalid block data"},
	execution:           scpiError{-200, "Execution error"},
	outOfRange:          scpiError{-222, "Data out of range"},
	tooMuchData:         scpiError{-223, "Too much data"},
	illegalValue:        scpiError{-224, "Illegal parameter value"},
	overflow:            scpiError{-350, "Queue overflow"},
	deadlocked:          scpiError{-430, "Query DEADLOCKED"},
}

// esrBit returns the bit of the standard event status register that an error
// sets (IEEE 488.2, 11.5.1).
func (e scpiError) esrBit() int {
	switch {
	case e.code <= -100 && e.code > -200:
		return 32 // command error
	case e.code <= -200 && e.code > -300:
		return 16 // execution error
	case e.code <= -400 && e.code > -500:
		return 4 // query error
	}
	return 8 // device-specific
}
