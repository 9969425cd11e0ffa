package pickle

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
)

// Decode returns the value of the pickle p. See the package's description for
// the types. The value does not refer to p. As in Python, bytes after the
// opcode STOP are ignored.
//
// An error is an *Error. It wraps io.ErrUnexpectedEOF if p is cut short and
// ErrLimit if p exceeds a limit. What Python's own reader refuses is refused,
// except that an unhashable value inside a tuple that is a key is not noticed.
// Refused is also what only the sender's process could resolve: persistent
// ids, extension codes, out-of-band buffers.
func Decode(p []byte, limits Limits) (any, error) {
	d := decoder{in: p, limits: limits.orDefaults(len(p))}
	return d.decode()
}

func (d *decoder) decode() (any, error) {
	for d.err == nil {
		d.start, d.op = d.pos, 0
		op := d.take(1)
		if op == nil {
			break
		}
		d.op = op[0]
		if d.op == opStop {
			v := d.pop()
			if d.err != nil {
				break
			}
			return v, nil
		}
		d.step()
	}
	return nil, d.err
}

// decoder is the machine that a pickle is the program of. A method that finds
// a fault records it and returns a zero value; the loop of Decode then stops.
type decoder struct {
	in     []byte
	pos    int   // of what comes next
	start  int   // of the opcode being executed
	op     byte  // that opcode
	proto  uint8 // as announced by PROTO
	stack  []any
	marks  []int  // heights of the stack
	memo   []any  // nil: not set; None is kept as none{}
	memos  int    // how many are set
	empty  *Tuple // the empty tuple is one object, as in Python
	limits Limits
	spent  int // bytes, see Limits.MaxMemory
	err    error
}

// none stands for None in the memo.
type none struct{}

func (d *decoder) fail(format string, args ...any) {
	d.failWith(nil, fmt.Sprintf(format, args...))
}

func (d *decoder) failWith(cause error, msg string) {
	if d.err == nil {
		d.err = &Error{Offset: d.start, Op: d.op, Msg: msg, Err: cause}
	}
}

// step executes one opcode.
func (d *decoder) step() {
	switch d.op {
	case opProto:
		if d.proto = uint8(d.uint(1)); d.proto > 5 {
			d.fail("protocol %d is unknown: send protocol 5 or older", d.proto)
		}
	case opFrame:
		// A frame only tells a reader of files how much to read.
		if n := d.uint(8); n > uint64(len(d.in)-d.pos) {
			d.short()
		}

	// Values
	case opNone:
		d.push(nil)
	case opNewTrue:
		d.push(true)
	case opNewFalse:
		d.push(false)
	case opBinInt:
		d.pushInt(int64(int32(d.uint(4))))
	case opBinInt1:
		d.pushInt(int64(d.uint(1)))
	case opBinInt2:
		d.pushInt(int64(d.uint(2)))
	case opLong1:
		d.pushLong(d.counted(1))
	case opLong4:
		d.pushLong(d.counted(4))
	case opInt, opLong:
		d.pushIntLine(d.line())
	case opFloat:
		d.pushFloatLine(d.line())
	case opBinFloat:
		if b := d.take(8); b != nil && d.spend(8) {
			d.push(math.Float64frombits(binary.BigEndian.Uint64(b)))
		}
	case opBinUnicode, opBinUnicode8, opShortBinUnicode:
		d.pushText(d.counted(lengthSize(d.op)))
	case opUnicode:
		d.pushUnicodeLine(d.line())
	case opBinBytes, opBinBytes8, opShortBinBytes:
		if b := d.counted(lengthSize(d.op)); d.spend(sliceSize) {
			d.push(d.clone(b))
		}
	case opByteArray8:
		d.pushByteArray(d.counted(8))
	case opBinString, opShortBinString:
		d.pushPython2(d.counted(lengthSize(d.op)))
	case opString:
		d.pushStringLine(d.line())

	// Containers
	case opEmptyList:
		d.pushList(nil)
	case opEmptyTuple:
		d.pushTuple(nil)
	case opEmptyDict:
		d.pushDict(false, nil)
	case opEmptySet:
		d.pushSet(nil)
	case opMark:
		d.mark()
	case opList:
		d.pushList(d.popMark())
	case opTuple:
		d.pushTuple(d.popMark())
	case opTuple1:
		d.pushTuple(d.popN(1))
	case opTuple2:
		d.pushTuple(d.popN(2))
	case opTuple3:
		d.pushTuple(d.popN(3))
	case opFrozenSet:
		d.pushFrozenSet(d.popMark())
	case opDict:
		d.pushDict(false, d.popMark())
	case opAppend:
		items := d.popN(1)
		d.addItems(d.top(), items)
	case opAppends:
		items := d.popMark()
		d.addItems(d.top(), items)
	case opAddItems:
		items := d.popMark()
		if set, ok := d.top().(*Set); ok {
			set.Items = d.elements(set.Items, items)
		} else {
			d.fail("there is no set to add to")
		}
	case opSetItem:
		pairs := d.popN(2)
		d.addPairs(d.top(), pairs)
	case opSetItems:
		pairs := d.popMark()
		d.addPairs(d.top(), pairs)

	// The stack and the memo
	case opPop:
		if n := len(d.marks); n > 0 && d.marks[n-1] == len(d.stack) {
			d.marks = d.marks[:n-1] // as in Python, POP also takes a mark
		} else {
			d.pop()
		}
	case opPopMark:
		d.popMark()
	case opDup:
		d.push(d.top())
	case opPut:
		d.put(d.index(d.line()))
	case opBinPut:
		d.put(d.uint(1))
	case opLongBinPut:
		d.put(d.uint(4))
	case opMemoize:
		d.put(uint64(d.memos))
	case opGet:
		d.get(d.index(d.line()))
	case opBinGet:
		d.get(d.uint(1))
	case opLongBinGet:
		d.get(d.uint(4))

	// What Python would execute
	case opGlobal:
		module, name := d.lineText(), d.lineText()
		d.push(d.newGlobal(module, name))
	case opStackGlobal:
		b := d.popN(2)
		if b == nil {
			return
		}
		module, ok1 := b[0].(string)
		name, ok2 := b[1].(string)
		if !ok1 || !ok2 {
			d.fail("the name of a global is not text")
		}
		d.push(d.newGlobal(module, name))
	case opReduce:
		if b := d.popN(2); b != nil {
			d.reduce(b[0], b[1])
		}
	case opNewObj:
		if b := d.popN(2); b != nil {
			d.pushCall(Call{Func: b[0], New: true}, b[1])
		}
	case opNewObjEx:
		b := d.popN(3)
		if b == nil {
			return
		}
		kwargs, ok := b[2].(*Dict)
		if !ok {
			d.fail("the keyword arguments are not a dict")
		}
		d.pushCall(Call{Func: b[0], New: true, Kwargs: kwargs}, b[1])
	case opInst:
		module, name := d.lineText(), d.lineText()
		d.pushCall(Call{Func: d.newGlobal(module, name)}, d.newTuple(d.popMark()))
	case opObj:
		b := d.popMark()
		if len(b) == 0 {
			d.fail("the class is missing")
			return
		}
		d.pushCall(Call{Func: b[0]}, d.newTuple(b[1:]))
	case opBuild:
		state := d.pop()
		call, ok := d.top().(*Call)
		switch {
		case !ok:
			d.fail("there is no object to set the state of")
		case call.State != nil:
			d.fail("the object has a state already")
		default:
			call.State = state
		}
	case opPersID, opBinPersID:
		d.fail("a persistent id means something to the sender only: send the value itself")
	case opExt1, opExt2, opExt4:
		d.fail("an extension code means something to the sender only: send it without copyreg.add_extension")
	case opNextBuffer, opReadonlyBuffer:
		d.fail("the data was left out of the pickle: send it without buffer_callback")

	default:
		d.fail("byte %#02x is no opcode: the data is damaged or is no pickle", d.op)
	}
}

// lengthSize returns the size of the length that follows op.
func lengthSize(op byte) int {
	switch op {
	case opShortBinUnicode, opShortBinBytes, opShortBinString:
		return 1
	case opBinUnicode8, opBinBytes8:
		return 8
	}
	return 4
}

// take consumes n bytes of the pickle, or fails and returns nil.
func (d *decoder) take(n int) []byte {
	if n > len(d.in)-d.pos {
		d.short()
		return nil
	}
	d.pos += n
	return d.in[d.pos-n : d.pos : d.pos]
}

func (d *decoder) short() {
	d.failWith(io.ErrUnexpectedEOF, "the pickle is cut short")
}

// uint consumes a little-endian number of n bytes.
func (d *decoder) uint(n int) (v uint64) {
	for i, b := range d.take(n) {
		v |= uint64(b) << (8 * i)
	}
	return v
}

// counted consumes a length of n bytes and as many bytes as it says.
func (d *decoder) counted(n int) []byte {
	size := d.uint(n)
	if size > uint64(len(d.in)-d.pos) {
		d.short()
		return nil
	}
	return d.take(int(size))
}

// The containers below copy items, which may be a part of the stack that the
// push overwrites.
