// Package pickle reads and writes Python's pickles as data.
//
// [Decode] reads protocols 0 to 5, [Append] writes 2, 4 and 5. Nothing in a
// pickle is ever executed: where Python would call a function or make an
// object of a class, Decode makes a [Call], which only tells what would have
// been called. Append writes no Call; [AppendCalls] does, when asked.
//
// Python's values and the Go types that stand for them:
//
//	None                 nil
//	bool                 bool
//	int                  int64, or *big.Int if it does not fit
//	float, complex       float64, complex128
//	str                  string, always valid UTF-8
//	bytes                []byte
//	bytearray            *ByteArray
//	list, tuple          *List, *Tuple
//	dict, OrderedDict    *Dict
//	set, frozenset       *Set, *FrozenSet
//	a class, a function  *Global
//	any other object     *Call
//
// Identity is kept: what is one list in Python is one *List in Go, so shared
// and recursive values arrive as they were sent. Code that walks a received
// value must therefore expect cycles. Values without an identity of their own
// in Go (str, bytes, int) share their memory.
//
// Append also takes Go's other integers, float32, complex64, []any (a list)
// and map[string]any (a dict, its keys sorted).
//
// A str with a lone surrogate (U+D800 to U+DFFF, what Python makes of a file
// name that is not UTF-8) has no valid form as a Go string: Decode refuses it.
// Append refuses a string that is not valid UTF-8; send it as []byte.
//
// The functions are safe for concurrent use, the values are not.
package pickle
