package pickle

import (
	"fmt"
	"maps"
	"math/big"
	"reflect"
	"slices"
)

// Append appends the pickle of v to dst and returns the extended slice. The
// protocol is 2, 4 or 5: Python reads 2 since version 2.3, 4 since 3.4, and 5
// since 3.8. All three carry the same values. See the package's description
// for the types of v and of what is in it; *Call and *Global are refused, see
// AppendCalls.
//
// A list, tuple, dict, set, frozenset or bytearray that occurs twice is
// written once and arrives as one object; values may be recursive. v must not
// be changed meanwhile.
//
// On an error dst is returned as it was given. Errors are: another protocol; a
// type that stands for nothing in Python, or a nil pointer; a string that is
// not valid UTF-8; a list, dict, set or bytearray as a key or as an element of
// a set (one inside a tuple there is found by the reader only); tuples or
// frozensets that contain each other in a way that Python can't make.
func Append(dst []byte, v any, protocol int) ([]byte, error) {
	return appendPickle(dst, v, protocol, false)
}

// AppendCalls is Append that also writes a *Call or *Global. Whoever reads
// the pickle with Python's own module imports and executes them: never pass on
// one that came from a peer you do not trust. Keyword arguments need protocol
// 4 or 5.
func AppendCalls(dst []byte, v any, protocol int) ([]byte, error) {
	return appendPickle(dst, v, protocol, true)
}

func appendPickle(dst []byte, v any, protocol int, calls bool) ([]byte, error) {
	if protocol != 2 && protocol != 4 && protocol != 5 {
		return dst, fmt.Errorf("pickle: can't write protocol %d: choose 2, 4 or 5", protocol)
	}
	e := encoder{out: append(dst, opProto, byte(protocol)), proto: protocol, calls: calls}
	e.save(v)
	e.run()
	if e.err != nil {
		return dst, e.err
	}
	return append(e.out, opStop), nil
}

// encoder writes a pickle. It keeps a stack of tasks of its own, since values
// can be nested deeply.
type encoder struct {
	out    []byte
	proto  int
	calls  bool // *Call and *Global are wanted
	tasks  []task
	native int // how many []any and map[string]any are being written

	// The numbers by which the reader remembers what has been written: a
	// pointer's object, a Global, a long text or byte string (shared), a short
	// text that is a key. Minus n: the object is being written, n times over.
	memo map[any]int
	next int // the next number
	err  error
}

// task is work still to do: all items, or all pairs, and then the opcodes end.
type task struct {
	items  []any
	pairs  []Pair
	i      int  // how many items, or keys and values, are done
	batch  byte // the opcode that adds up to batchSize of them to their container, or 0
	keys   bool // the items are elements of a set
	end    string
	node   any  // the object that now exists, see finishNode; or nil
	native bool // the items are those of a []any or map[string]any
}

const (
	// batchSize is how many items, or keys and values, are added at once, so
	// that the reader's stack stays small. It is even.
	batchSize = 1000
	// maxEntangled is how often a tuple may contain itself (through a list,
	// say) before it is complete. A tuple that contains itself directly, which
	// only Go can make, would go on for ever.
	maxEntangled = 100
	// maxNative is how deep []any and map[string]any may be nested: they have
	// no identity by which a cycle could be seen.
	maxNative = 1000
)

func (e *encoder) fail(format string, args ...any) {
	if e.err == nil {
		e.err = fmt.Errorf("pickle: "+format, args...)
	}
}

func (e *encoder) op(ops ...byte) { e.out = append(e.out, ops...) }

func (e *encoder) do(t task) { e.tasks = append(e.tasks, t) }

// run does all tasks, the last one first.
func (e *encoder) run() {
	for len(e.tasks) > 0 && e.err == nil {
		t := &e.tasks[len(e.tasks)-1]
		size := len(t.items) + 2*len(t.pairs)
		boundary := t.batch != 0 && t.i%batchSize == 0
		if t.i > 0 && (boundary || t.batch != 0 && t.i == size) {
			e.op(t.batch)
		}
		if t.i == size {
			done := *t
			e.tasks = e.tasks[:len(e.tasks)-1]
			e.out = append(e.out, done.end...)
			if done.node != nil {
				e.finishNode(done.node)
			}
			if done.native {
				e.native--
			}
			continue
		}
		if boundary {
			e.op(opMark)
		}
		i := t.i
		t.i++
		switch {
		case t.keys:
			e.saveKey(t.items[i])
		case t.pairs == nil:
			e.save(t.items[i])
		case i%2 == 0:
			e.saveKey(t.pairs[i/2].Key)
		default:
			e.save(t.pairs[i/2].Value)
		}
	}
}

// save writes v, or its beginning, and leaves the rest as tasks.
func (e *encoder) save(v any) {
	switch v := v.(type) {
	case nil:
		e.op(opNone)
	case bool:
		if v {
			e.op(opNewTrue)
		} else {
			e.op(opNewFalse)
		}
	case int:
		e.saveInt(int64(v))
	case int8:
		e.saveInt(int64(v))
	case int16:
		e.saveInt(int64(v))
	case int32:
		e.saveInt(int64(v))
	case int64:
		e.saveInt(v)
	case uint:
		e.saveUint(uint64(v))
	case uint8:
		e.saveInt(int64(v))
	case uint16:
		e.saveInt(int64(v))
	case uint32:
		e.saveInt(int64(v))
	case uint64:
		e.saveUint(v)
	case float32:
		e.saveFloat(float64(v))
	case float64:
		e.saveFloat(v)
	case complex64:
		e.saveComplex(complex128(v))
	case complex128:
		e.saveComplex(v)
	case string:
		e.saveText(v)
	case []byte:
		e.saveBytes(v)
	case []any:
		e.enterNative()
		e.op(opEmptyList)
		e.do(task{items: v, batch: opAppends, native: true})
	case map[string]any:
		e.enterNative()
		e.op(opEmptyDict)
		e.do(task{pairs: sortedPairs(v), batch: opSetItems, native: true})
	case *big.Int, *ByteArray, *List, *Tuple, *Dict, *Set, *FrozenSet, *Global, *Call:
		if reflect.ValueOf(v).IsNil() {
			e.fail("can't write a nil %T: use nil for None", v)
		} else if !e.written(v) {
			e.saveNode(v)
		}
	default:
		e.fail("can't write a %T: convert it to a type that stands for one of Python's", v)
	}
}

// saveNode is save for a pointer whose object has not been completed yet.
func (e *encoder) saveNode(v any) {
	switch v := v.(type) {
	case *big.Int:
		e.saveBig(v)
	case *ByteArray:
		e.saveByteArray(v.Bytes)
		e.memoize(v)
	case *List:
		e.op(opEmptyList)
		e.memoize(v)
		e.do(task{items: v.Items, batch: opAppends})
	case *Tuple:
		e.saveTuple(v)
	case *Dict:
		if v.Ordered {
			e.saveGlobal(Global{"collections", "OrderedDict"})
			e.op(opEmptyTuple, opReduce)
		} else {
			e.op(opEmptyDict)
		}
		e.memoize(v)
		e.do(task{pairs: v.Pairs, batch: opSetItems})
	case *Set:
		if e.proto < 4 {
			e.saveSet2("set", v, v.Items)
			return
		}
		e.op(opEmptySet)
		e.memoize(v)
		e.do(task{items: v.Items, keys: true, batch: opAddItems})
	case *FrozenSet:
		if e.proto < 4 {
			e.saveSet2("frozenset", v, v.Items)
			return
		}
		e.enter(v)
		e.op(opMark)
		e.do(task{items: v.Items, keys: true, end: "\x91", node: v})
	case *Global, *Call:
		if !e.calls {
			e.fail("a %T would make the reader execute code: AppendCalls writes it if that is wanted", v)
			return
		}
		if g, ok := v.(*Global); ok {
			e.saveGlobal(*g)
		} else {
			e.saveCall(v.(*Call))
		}
	}
}

func (e *encoder) saveTuple(t *Tuple) {
	if len(t.Items) == 0 {
		e.op(opEmptyTuple)
		return
	}
	e.enter(t)
	end := "t"
	switch len(t.Items) {
	case 1:
		end = "\x85"
	case 2:
		end = "\x86"
	case 3:
		end = "\x87"
	default:
		e.op(opMark)
	}
	e.do(task{items: t.Items, end: end, node: t})
}

// saveSet2 writes a set as protocol 2 can: the constructor called with a list.
func (e *encoder) saveSet2(constructor string, node any, items []any) {
	e.enter(node)
	e.saveGlobal(Global{"builtins", constructor})
	e.op(opEmptyList)
	e.do(task{end: "\x85R", node: node})
	e.do(task{items: items, keys: true, batch: opAppends})
}

func (e *encoder) saveCall(c *Call) {
	switch c.Func.(type) {
	case *Global, *Call:
	default:
		e.fail("the Func of a Call is a %T: it must be a *Global or a *Call", c.Func)
	}
	args := c.Args
	if args == nil {
		args = new(Tuple)
	}
	t := task{items: []any{c.Func, args}, end: "R", node: c}
	if c.New {
		t.end = "\x81"
	}
	if c.Kwargs != nil {
		if !c.New || e.proto < 4 {
			e.fail("a Call with keyword arguments needs New and protocol 4 or 5")
		}
		t.items, t.end = append(t.items, c.Kwargs), "\x92"
	}
	e.enter(c)
	e.do(t)
}

func sortedPairs(m map[string]any) []Pair {
	pairs := make([]Pair, 0, len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		pairs = append(pairs, Pair{key, m[key]})
	}
	return pairs
}
