package pickle

import (
	"math/big"
	"unicode/utf8"
)

func (d *decoder) push(v any) {
	if d.stack = roomFor(d, d.stack, 1, interfaceSize); d.err == nil {
		d.stack = append(d.stack, v)
	}
}

func (d *decoder) pushInt(v int64) {
	if v < 0 || v > 255 { // Go holds the others without an allocation
		d.spend(8)
	}
	d.push(v)
}

// pushLong pushes the integer of which b is the two's complement,
// little-endian.
func (d *decoder) pushLong(b []byte) {
	if len(b) == 0 {
		d.pushInt(0)
		return
	}
	negative := b[len(b)-1] >= 0x80
	if len(b) <= 8 {
		var v int64
		if negative {
			v = -1
		}
		for i := len(b) - 1; i >= 0; i-- {
			v = v<<8 | int64(b[i])
		}
		d.pushInt(v)
		return
	}
	if !d.spend(bigSize) || !d.spend(2*len(b)+2*wordSize) {
		return
	}
	var flip byte
	if negative {
		flip = 0xff
	}
	magnitude := make([]byte, len(b))
	for i, c := range b {
		magnitude[len(b)-1-i] = c ^ flip
	}
	v := new(big.Int).SetBytes(magnitude)
	if negative {
		v.Not(v)
	}
	d.pushBig(v)
}

func (d *decoder) pushBig(v *big.Int) {
	if v.IsInt64() {
		d.pushInt(v.Int64())
	} else {
		d.push(v)
	}
}

func (d *decoder) pushText(b []byte) {
	if !utf8.Valid(b) {
		d.fail("a str with a lone surrogate, or damaged: send it as bytes")
	}
	if d.spend(stringSize) && d.spend(len(b)) {
		d.push(string(b))
	}
}

// clone returns a copy of b.
func (d *decoder) clone(b []byte) []byte {
	if !d.spend(len(b)) {
		return nil
	}
	return append(make([]byte, 0, len(b)), b...)
}

func (d *decoder) pushByteArray(b []byte) {
	if d.spend(sliceSize) {
		d.push(&ByteArray{Bytes: d.clone(b)})
	}
}

func (d *decoder) pushList(items []any) {
	if d.spend(sliceSize) {
		d.push(&List{Items: d.extend(nil, items)})
	}
}

func (d *decoder) pushTuple(items []any) {
	d.push(d.newTuple(items))
}

func (d *decoder) newTuple(items []any) *Tuple {
	if len(items) == 0 && d.empty != nil {
		return d.empty
	}
	if !d.spend(sliceSize) {
		return nil
	}
	if len(items) == 0 {
		d.empty = new(Tuple)
		return d.empty
	}
	return &Tuple{Items: d.extend(nil, items)}
}

func (d *decoder) pushSet(items []any) {
	if d.spend(sliceSize) {
		d.push(&Set{Items: d.elements(nil, items)})
	}
}

func (d *decoder) pushFrozenSet(items []any) {
	if d.spend(sliceSize) {
		d.push(&FrozenSet{Items: d.elements(nil, items)})
	}
}

// pushDict pushes a dict. Keys and values alternate in items.
func (d *decoder) pushDict(ordered bool, items []any) {
	if d.spend(dictSize) {
		dict := &Dict{Ordered: ordered}
		d.addPairs(dict, items)
		d.push(dict)
	}
}

func (d *decoder) extend(dst, items []any) []any {
	dst = roomFor(d, dst, len(items), interfaceSize)
	if d.err != nil {
		return nil
	}
	return append(dst, items...)
}

// elements is extend for a set.
func (d *decoder) elements(dst, items []any) []any {
	for _, v := range items {
		d.checkHashable(v)
	}
	return d.extend(dst, items)
}

func (d *decoder) checkHashable(v any) {
	if !hashable(v) {
		d.fail("a %T can't be a key or an element of a set", v)
	}
}

// addItems appends to a list, or to an object that is like one.
func (d *decoder) addItems(target any, items []any) {
	switch t := target.(type) {
	case *List:
		t.Items = d.extend(t.Items, items)
	case *Call:
		t.Items = d.extend(t.Items, items)
	default:
		d.fail("there is no list to append to")
	}
}

// addPairs sets the items of a dict, or of an object that is like one. Keys
// and values alternate in items.
func (d *decoder) addPairs(target any, items []any) {
	if len(items)%2 != 0 {
		d.fail("a key without a value")
	}
	var pairs *[]Pair
	switch t := target.(type) {
	case *Dict:
		pairs = &t.Pairs
	case *Call:
		pairs = &t.Pairs
	default:
		d.fail("there is no dict to set items of")
		return
	}
	if *pairs = roomFor(d, *pairs, len(items)/2, pairSize); d.err != nil {
		return
	}
	for ; len(items) > 0; items = items[2:] {
		d.checkHashable(items[0])
		*pairs = append(*pairs, Pair{items[0], items[1]})
	}
}

func (d *decoder) mark() {
	if d.marks = roomFor(d, d.marks, 1, wordSize); d.err == nil {
		d.marks = append(d.marks, len(d.stack))
	}
}

// floor is how much of the stack the topmost mark protects.
func (d *decoder) floor() int {
	if len(d.marks) == 0 {
		return 0
	}
	return d.marks[len(d.marks)-1]
}

// popN removes n values from the stack and returns them, in a slice that is
// good until the next push; or it fails and returns nil.
func (d *decoder) popN(n int) []any {
	height := len(d.stack) - n
	if height < d.floor() {
		d.fail("the stack holds too little: the data is damaged")
		return nil
	}
	popped := d.stack[height:]
	d.stack = d.stack[:height]
	return popped
}

func (d *decoder) pop() any {
	if b := d.popN(1); b != nil {
		return b[0]
	}
	return nil
}

func (d *decoder) top() any {
	v := d.pop()
	if d.err == nil {
		d.stack = d.stack[:len(d.stack)+1]
	}
	return v
}

// popMark is popN for all values above the topmost mark, which it removes.
func (d *decoder) popMark() []any {
	if len(d.marks) == 0 {
		d.fail("there is no mark: the data is damaged")
		return nil
	}
	items := d.popN(len(d.stack) - d.floor())
	d.marks = d.marks[:len(d.marks)-1]
	return items
}

// put keeps the top of the stack under the given number. No honest pickle
// numbers more values than it has bytes, so the memo can be a slice.
func (d *decoder) put(i uint64) {
	v := d.top()
	if i >= uint64(len(d.in)) {
		d.failWith(ErrLimit, "memo number beyond the length of the pickle")
	}
	if d.err != nil {
		return
	}
	if v == nil {
		v = none{}
	}
	if missing := int(i) + 1 - len(d.memo); missing > 0 {
		if d.memo = roomFor(d, d.memo, missing, interfaceSize); d.err != nil {
			return
		}
		d.memo = d.memo[:i+1]
	}
	if d.memo[i] == nil {
		d.memos++
	}
	d.memo[i] = v
}

func (d *decoder) get(i uint64) {
	if i >= uint64(len(d.memo)) || d.memo[i] == nil {
		d.fail("nothing was kept under memo number %d", i)
		return
	}
	if v := d.memo[i]; v == (any(none{})) {
		d.push(nil)
	} else {
		d.push(v)
	}
}
