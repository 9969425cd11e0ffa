package pickle

import (
	"bytes"
	"math/big"
)

// List is a Python list.
type List struct{ Items []any }

// Tuple is a Python tuple. It is not to be changed once made: others may share
// it.
type Tuple struct{ Items []any }

// ByteArray is a Python bytearray.
type ByteArray struct{ Bytes []byte }

// Set is a Python set. Its elements stand in the order of the pickle.
// Duplicates, which only a pickle made by hand contains, are not removed.
type Set struct{ Items []any }

// FrozenSet is a Python frozenset, otherwise like Set.
type FrozenSet struct{ Items []any }

// Dict is a Python dict. Its pairs stand in the order of the pickle. Duplicate
// keys, which only a pickle made by hand contains, are not removed; as in
// Python, the last one counts.
type Dict struct {
	Pairs   []Pair
	Ordered bool // a collections.OrderedDict
}

// hashable reports whether v can be a key or an element of a set. It does not
// look into tuples.
func hashable(v any) bool {
	switch v.(type) {
	case *List, *Dict, *Set, *ByteArray, []any, map[string]any:
		return false
	}
	return true
}

// Pair is a key of a Dict and its value.
type Pair struct{ Key, Value any }

// Get returns the value of key, and whether it is there. It finds keys that
// are nil, a bool, an int or int64, a *big.Int, a float64, a string or a
// []byte; for other keys, range over Pairs. It takes time in proportion to
// the number of pairs.
func (d *Dict) Get(key any) (value any, ok bool) {
	for i := len(d.Pairs) - 1; i >= 0; i-- {
		if equal(d.Pairs[i].Key, key) {
			return d.Pairs[i].Value, true
		}
	}
	return nil, false
}

func equal(stored, key any) bool {
	switch key := key.(type) {
	case int:
		return stored == any(int64(key))
	case nil, bool, int64, float64, string:
		return stored == key
	case []byte:
		s, ok := stored.([]byte)
		return ok && bytes.Equal(s, key)
	case *big.Int:
		s, ok := stored.(*big.Int)
		return ok && s.Cmp(key) == 0
	}
	return false
}

// Global is a class or function, known by name only.
type Global struct{ Module, Name string }

// Call is an object of which the pickle tells how Python would make it:
//
//	object = Func(*Args, **Kwargs)           # or, if New: Func.__new__(Func, *Args, **Kwargs)
//	object.extend(Items)                     # if there are any
//	for key, value in Pairs: object[key] = value
//	object.__setstate__(State)               # unless it is nil; or object.__dict__.update(State)
//
// For example, datetime.date(2024, 2, 29) arrives as a Call whose Func is
// &Global{"datetime", "date"} and whose Args hold the four bytes 07 E8 02 1D.
type Call struct {
	Func   any // a *Global, or the *Call that would have made the function
	New    bool
	Args   *Tuple
	Kwargs *Dict // nil if there are none
	Items  []any
	Pairs  []Pair
	State  any
}
