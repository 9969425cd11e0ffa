package pickle

import "unicode/utf8"

// This file stands where Python would import and call.

// newGlobal returns the name of a class or function.
func (d *decoder) newGlobal(module, name string) *Global {
	if !d.spend(globalSize) {
		return nil
	}
	g := Global{module, name}
	if d.proto < 3 {
		g = python3(g)
	}
	return &g
}

// python3 returns today's name of what protocols 0 to 2 call by the name it
// had in Python 2, for the modules and builtins that data needs.
func python3(g Global) Global {
	switch g.Module {
	case "__builtin__", "exceptions":
		g.Module = "builtins"
	case "copy_reg":
		g.Module = "copyreg"
	}
	switch g {
	case Global{"builtins", "long"}:
		g.Name = "int"
	case Global{"builtins", "unicode"}:
		g.Name = "str"
	case Global{"builtins", "unichr"}:
		g.Name = "chr"
	case Global{"builtins", "xrange"}:
		g.Name = "range"
	}
	return g
}

// pushCall pushes c, which would have been executed, as it is.
func (d *decoder) pushCall(c Call, args any) {
	switch c.Func.(type) {
	case *Global, *Call:
	default:
		d.fail("what should be called is neither a class nor a function")
	}
	tuple, ok := args.(*Tuple)
	if !ok {
		d.fail("the arguments are not a tuple")
	}
	if d.err == nil && d.spend(callSize) {
		c.Args = tuple
		d.push(&c)
	}
}

// reduce pushes what fn(*args) stands for: a value if it is one of the few
// calls by which Python writes its own types, otherwise a Call.
func (d *decoder) reduce(fn, args any) {
	global, ok1 := fn.(*Global)
	tuple, ok2 := args.(*Tuple)
	if ok1 && ok2 && d.construct(*global, tuple.Items) {
		return
	}
	d.pushCall(Call{Func: fn}, args)
}

// construct pushes the value that the constructor g makes of args. It reports
// false if it does not know it with such arguments. Work in proportion to an
// argument is accounted for as memory first: the arguments may be used again
// and again.
func (d *decoder) construct(g Global, args []any) bool {
	switch g {
	case Global{"_codecs", "encode"}: // bytes before protocol 3
		b, ok := d.latin1(args)
		if ok && d.spend(sliceSize) {
			d.push(b)
		}
		return ok
	case Global{"builtins", "bytes"}: // empty bytes before protocol 3
		if len(args) == 0 && d.spend(sliceSize) {
			d.push([]byte{})
			return true
		}
	case Global{"builtins", "bytearray"}: // before protocol 5
		if len(args) == 0 {
			d.pushByteArray(nil)
			return true
		}
		if b, ok := args[0].([]byte); ok && len(args) == 1 {
			d.pushByteArray(b)
			return true
		}
		if b, ok := d.latin1(args); ok && d.spend(sliceSize) {
			d.push(&ByteArray{Bytes: b})
			return true
		}
	case Global{"builtins", "set"}: // before protocol 4
		items, ok := iterable(args)
		if ok {
			d.pushSet(items)
		}
		return ok
	case Global{"builtins", "frozenset"}: // before protocol 4
		items, ok := iterable(args)
		if ok {
			d.pushFrozenSet(items)
		}
		return ok
	case Global{"builtins", "complex"}:
		if len(args) == 2 {
			re, ok1 := args[0].(float64)
			im, ok2 := args[1].(float64)
			if ok1 && ok2 && d.spend(16) {
				d.push(complex(re, im))
				return true
			}
		}
	case Global{"collections", "OrderedDict"}:
		return d.ordered(args)
	}
	return false
}

// latin1 returns the bytes of (text, "latin1").
func (d *decoder) latin1(args []any) ([]byte, bool) {
	if len(args) != 2 || args[1] != any("latin1") && args[1] != any("latin-1") {
		return nil, false
	}
	text, ok := args[0].(string)
	if !ok || !d.spend(len(text)) {
		return nil, false
	}
	b := make([]byte, 0, utf8.RuneCountInString(text))
	for _, r := range text {
		if r > 0xff {
			return nil, false
		}
		b = append(b, byte(r))
	}
	return b, true
}

// iterable returns what is in args: nothing, or one list or tuple.
func iterable(args []any) ([]any, bool) {
	switch len(args) {
	case 0:
		return nil, true
	case 1:
		return sequence(args[0])
	}
	return nil, false
}

func sequence(v any) ([]any, bool) {
	switch v := v.(type) {
	case *List:
		return v.Items, true
	case *Tuple:
		return v.Items, true
	}
	return nil, false
}

// ordered pushes the OrderedDict made from args: nothing, or, from Python 2, a
// list of pairs.
func (d *decoder) ordered(args []any) bool {
	list, ok := iterable(args)
	if !ok || !d.spend(len(list)*2*interfaceSize) {
		return false
	}
	items := make([]any, 0, 2*len(list))
	for _, v := range list {
		pair, ok := sequence(v)
		if !ok || len(pair) != 2 {
			return false
		}
		items = append(items, pair...)
	}
	d.pushDict(true, items)
	return true
}
