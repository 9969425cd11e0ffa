package pickle

// saveKey is save for a key of a dict or an element of a set.
func (e *encoder) saveKey(v any) {
	s, ok := v.(string)
	switch {
	case !hashable(v):
		e.fail("a %T can't be a key or an element of a set: Python can't hash it", v)
	case !ok || len(s) > longText:
		e.save(v)
	case !e.written(v):
		// Records have the same keys again and again: the reader remembers them.
		e.saveText(s)
		e.memoize(v)
	}
}

// written reports whether the reader remembers key, and then writes a
// reference to it.
func (e *encoder) written(key any) bool {
	number, ok := e.memo[key]
	if !ok || number < 0 {
		return false
	}
	if number <= 0xff {
		e.op(opBinGet, byte(number))
	} else {
		e.op(opLongBinGet)
		e.number(uint64(number), 4)
	}
	return true
}

// memoize makes the reader remember what it has just made.
func (e *encoder) memoize(key any) {
	if e.memo == nil {
		e.memo = make(map[any]int)
	}
	e.memo[key] = e.next
	switch {
	case e.proto >= 4:
		e.op(opMemoize)
	case e.next <= 0xff:
		e.op(opBinPut, byte(e.next))
	default:
		e.op(opLongBinPut)
		e.number(uint64(e.next), 4)
	}
	e.next++
}

// enter says that an object is being written that exists only once all its
// parts do.
func (e *encoder) enter(node any) {
	if e.memo == nil {
		e.memo = make(map[any]int)
	}
	e.memo[node]--
	if e.memo[node] < -maxEntangled {
		e.fail("a %T contains itself: in Python that is possible only through a list, dict or set, and not a hundred times over", node)
	}
}

// finishNode is called when an entered object has been made. If it was made
// already as a part of itself (a tuple in a list in that tuple), that one
// counts.
func (e *encoder) finishNode(node any) {
	if e.memo[node] >= 0 {
		e.op(opPop)
		e.written(node)
		return
	}
	e.memoize(node)
	if c, ok := node.(*Call); ok {
		if c.State != nil {
			e.do(task{items: []any{c.State}, end: "b"})
		}
		e.do(task{pairs: c.Pairs, batch: opSetItems})
		e.do(task{items: c.Items, batch: opAppends})
	}
}

func (e *encoder) enterNative() {
	if e.native++; e.native > maxNative {
		e.fail("[]any and map[string]any nested deeper than %d, or in themselves: use *List and *Dict", maxNative)
	}
}
