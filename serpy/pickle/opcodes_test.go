package pickle

import (
	"errors"
	"strings"
	"testing"
)

// opcodes has at least one pickle for every opcode, and what becomes of it:
// the value as Repr prints it, or the error.
var opcodes = []struct {
	op   string
	in   string
	want string // "!" is followed by a part of the error
}{
	// Values
	{"NONE", "N.", "None"},
	{"NEWTRUE", "\x88.", "True"},
	{"NEWFALSE", "\x89.", "False"},
	{"INT", "I42\n.", "42"},
	{"INT", "I-42\n.", "-42"},
	{"INT", "I+7\n.", "7"},
	{"INT", "I0\n.", "0"},
	{"INT", "I00\n.", "False"},
	{"INT", "I01\n.", "True"},
	{"INT", "I9223372036854775807\n.", "9223372036854775807"},
	{"INT", "I9223372036854775808\n.", "9223372036854775808"},
	{"INT", "I\n.", "!\"\" is no decimal integer"},
	{"INT", "I-\n.", "!no decimal integer"},
	{"INT", "I1_0\n.", "!no decimal integer"},
	{"INT", "I0x10\n.", "!no decimal integer"},
	{"INT", "I010\n.", "!no decimal integer"},
	{"INT", "I1.5\n.", "!no decimal integer"},
	{"INT", "I12", "!cut short"},
	{"LONG", "L12L\n.", "12"},
	{"LONG", "L-5\n.", "-5"},
	{"LONG", "L00\n.", "!no decimal integer"},
	{"LONG", "L-100000000000000000000L\n.", "-100000000000000000000"},
	{"LONG", "L" + strings.Repeat("9", 4301) + "L\n.", "!more digits than Limits.MaxIntDigits"},
	{"BININT", "J\xff\xff\xff\xff.", "-1"},
	{"BININT", "J\x00\x00\x00\x80.", "-2147483648"},
	{"BININT", "J\xff\xff\xff", "!cut short"},
	{"BININT1", "K\xff.", "255"},
	{"BININT2", "M\xff\xff.", "65535"},
	{"LONG1", "\x8a\x00.", "0"},
	{"LONG1", "\x8a\x01\x80.", "-128"},
	{"LONG1", "\x8a\x02\x80\x00.", "128"},
	{"LONG1", "\x8a\x08\x00\x00\x00\x00\x00\x00\x00\x80.", "-9223372036854775808"},
	{"LONG1", "\x8a\x09\x00\x00\x00\x00\x00\x00\x00\x80\x00.", "9223372036854775808"},
	{"LONG1", "\x8a\x09\xff\xff\xff\xff\xff\xff\xff\x7f\xff.", "-9223372036854775809"},
	{"LONG1", "\x8a\x0a\x07\x00\x00\x00\x00\x00\x00\x00\x00\x00.", "7"},
	{"LONG4", "\x8b\x01\x00\x00\x00\xff.", "-1"},
	{"LONG4", "\x8b\xff\xff\xff\xff\xff.", "!cut short"},
	{"FLOAT", "F1.5\n.", "1.5"},
	{"FLOAT", "F-inf\n.", "-inf"},
	{"FLOAT", "Fnan\n.", "nan"},
	{"FLOAT", "F1e999\n.", "inf"},
	{"FLOAT", "F0x1p3\n.", "!no float"},
	{"FLOAT", "F1_0\n.", "!no float"},
	{"FLOAT", "F\n.", "!no float"},
	{"BINFLOAT", "G\x3f\xf8\x00\x00\x00\x00\x00\x00.", "1.5"},
	{"BINFLOAT", "G\x3f\xf8", "!cut short"},
	{"UNICODE", "Vh\xe9\\u65e5\\U0001f600\\x\\\\u0041\\\n.", `'hé日😀\\x\\\\u0041\\'`},
	{"UNICODE", "V\\u12\n.", "!bad \\u escape"},
	{"UNICODE", "V\\U00110000\n.", "!bad \\U escape"},
	{"UNICODE", "V\\u12g4\n.", "!bad \\u escape"},
	{"UNICODE", "V\\ud800\n.", "!lone surrogate"},
	{"UNICODE", "Vabc", "!cut short"},
	{"BINUNICODE", "X\x02\x00\x00\x00\xc3\xa9.", "'é'"},
	{"BINUNICODE", "X\x03\x00\x00\x00\xed\xa0\x80.", "!lone surrogate"},
	{"BINUNICODE", "X\xff\xff\xff\xffab", "!cut short"},
	{"SHORT_BINUNICODE", "\x8c\x02ab.", "'ab'"},
	{"BINUNICODE8", "\x8d\x01\x00\x00\x00\x00\x00\x00\x00a.", "'a'"},
	{"BINUNICODE8", "\x8d\xff\xff\xff\xff\xff\xff\xff\xffa.", "!cut short"},
	{"STRING", `S'a\'\"\\\n\r\t\a\b\f\v\0\12\x41\101\777\q\8'` + "\n.", "!Python 2 str beyond ASCII"},
	{"STRING", `S'a\'\"\\\n\r\t\a\b\f\v\0\12\x41\1011\q\8'` + "\n.", `'a\'"\\\n\r\t\x07\x08\x0c\x0b\x00\nAA1\\q\\8'`},
	{"STRING", "S\"it's\"\n.", `"it's"`},
	{"STRING", "Sabc\n.", "!without its quotes"},
	{"STRING", "S'\n.", "!without its quotes"},
	{"STRING", "S'abc\"\n.", "!without its quotes"},
	{"STRING", "S'\\'\n.", "!bad escape"},
	{"STRING", "S'\\x4'\n.", "!bad escape"},
	{"STRING", "S'\\x4g'\n.", "!bad escape"},
	{"BINSTRING", "T\x02\x00\x00\x00ab.", "'ab'"},
	{"BINSTRING", "T\x01\x00\x00\x00\xe9.", "!Python 2 str beyond ASCII"},
	{"SHORT_BINSTRING", "U\x02ab.", "'ab'"},
	{"BINBYTES", "B\x02\x00\x00\x00a\xff.", `b'a\xff'`},
	{"SHORT_BINBYTES", "C\x00.", "b''"},
	{"BINBYTES8", "\x8e\x01\x00\x00\x00\x00\x00\x00\x00a.", "b'a'"},
	{"BYTEARRAY8", "\x96\x01\x00\x00\x00\x00\x00\x00\x00a.", "bytearray(b'a')"},

	// Containers
	{"EMPTY_LIST", "].", "[]"},
	{"EMPTY_TUPLE", ").", "()"},
	{"EMPTY_DICT", "}.", "{}"},
	{"EMPTY_SET", "\x8f.", "set()"},
	{"MARK", "(.", "!the stack holds too little"},
	{"LIST", "(K\x01K\x02l.", "[1, 2]"},
	{"LIST", "l.", "!there is no mark"},
	{"TUPLE", "(K\x01K\x02t.", "(1, 2)"},
	{"TUPLE1", "K\x01\x85.", "(1,)"},
	{"TUPLE1", "(\x85.", "!the stack holds too little"},
	{"TUPLE2", "K\x01K\x02\x86.", "(1, 2)"},
	{"TUPLE3", "K\x01K\x02K\x03\x87.", "(1, 2, 3)"},
	{"TUPLE3", "K\x01(K\x02K\x03\x87.", "!the stack holds too little"},
	{"FROZENSET", "(K\x01\x91.", "frozenset({1})"},
	{"DICT", "(K\x01K\x02d.", "{1: 2}"},
	{"DICT", "(K\x01d.", "!a key without a value"},
	{"DICT", "(]K\x01d.", "!a *pickle.List can't be a key"},
	{"FROZENSET", "(}\x91.", "!a *pickle.Dict can't be a key or an element of a set"},
	{"ADDITEMS", "\x8f(\x8f\x90.", "!a *pickle.Set can't be a key or an element of a set"},
	{"APPEND", "]K\x01a.", "[1]"},
	{"APPEND", "}K\x01a.", "!there is no list"},
	{"APPEND", "K\x01a.", "!the stack holds too little"},
	{"APPENDS", "](K\x01K\x02e.", "[1, 2]"},
	{"APPENDS", "](e.", "[]"},
	{"APPENDS", ")(K\x01e.", "!there is no list"},
	{"ADDITEMS", "\x8f(K\x01\x90.", "{1}"},
	{"ADDITEMS", "](K\x01\x90.", "!there is no set"},
	{"SETITEM", "}K\x01K\x02s.", "{1: 2}"},
	{"SETITEM", "]K\x01K\x02s.", "!there is no dict"},
	{"SETITEMS", "}(K\x01K\x02K\x03K\x04u.", "{1: 2, 3: 4}"},
	{"SETITEMS", "}(K\x01K\x02K\x03u.", "!a key without a value"},

	// The stack and the memo
	{"STOP", ".", "!the stack holds too little"},
	{"STOP", "K\x01K\x02.rest", "2"},
	{"POP", "K\x01K\x020.", "1"},
	{"POP", "K\x01(0.", "1"}, // takes the mark
	{"POP", "0.", "!the stack holds too little"},
	{"POP_MARK", "K\x01(K\x02K\x031.", "1"},
	{"POP_MARK", "K\x011.", "!there is no mark"},
	{"DUP", "K\x012\x86.", "(1, 1)"},
	{"DUP", "(2.", "!the stack holds too little"},
	{"PUT", "K\x07p1\n0g1\n.", "7"},
	{"PUT", "K\x07p-1\n.", "!is no memo number"},
	{"PUT", "K\x07p99999999999999999999\n.", "!is no memo number"},
	{"PUT", "K\x07p8\n.", "!beyond the length"},
	{"GET", "Np0\n0g0\n.", "None"},
	{"GET", "g0\n.", "!nothing was kept under memo number 0"},
	{"GET", "K\x07p1\n0g0\n.", "!nothing was kept under memo number 0"},
	{"GET", "gx\n.", "!is no memo number"},
	{"BINPUT", "K\x07q\x010h\x01.", "7"},
	{"BINPUT", "q\x01.", "!the stack holds too little"},
	{"BINGET", "h\x01.", "!nothing was kept"},
	{"LONG_BINPUT", "K\x07r\x05\x00\x00\x000j\x05\x00\x00\x00.", "7"},
	{"LONG_BINPUT", "K\x07r\xff\xff\xff\xff.", "!beyond the length"},
	{"LONG_BINGET", "j\x05\x00\x00\x00.", "!nothing was kept"},
	{"MEMOIZE", "K\x07\x94K\x08\x940h\x01h\x00\x87.", "(7, 8, 7)"},
	{"MEMOIZE", "K\x07q\x05K\x08\x94h\x01\x86.", "(8, 8)"}, // the number of values kept
	{"MEMOIZE", "\x94.", "!the stack holds too little"},

	// The protocol
	{"PROTO", "\x80\x05N.", "None"},
	{"PROTO", "\x80\x06N.", "!protocol 6 is unknown"},
	{"PROTO", "\x80", "!cut short"},
	{"FRAME", "\x95\x02\x00\x00\x00\x00\x00\x00\x00N.", "None"},
	{"FRAME", "\x95\x03\x00\x00\x00\x00\x00\x00\x00N.", "!cut short"},
	{"FRAME", "\x95\x03", "!cut short"},

	// What Python would execute
	{"GLOBAL", "cos\nsystem\n.", "<os.system>"},
	{"GLOBAL", "c__builtin__\nxrange\n.", "<builtins.range>"},
	{"GLOBAL", "\x80\x03c__builtin__\nxrange\n.", "<__builtin__.xrange>"},
	{"GLOBAL", "c__builtin__\nunicode\n.", "<builtins.str>"},
	{"GLOBAL", "c__builtin__\nunichr\n.", "<builtins.chr>"},
	{"GLOBAL", "c__builtin__\nlong\n.", "<builtins.int>"},
	{"GLOBAL", "cexceptions\nOSError\n.", "<builtins.OSError>"},
	{"GLOBAL", "ccopy_reg\n_reconstructor\n.", "<copyreg._reconstructor>"},
	{"GLOBAL", "ca b\nc'd\n.", `<'a b'."c'd">`},
	{"GLOBAL", "c\n\n.", `<''.''>`},
	{"GLOBAL", "c\xff\nx\n.", "!a name is not UTF-8"},
	{"GLOBAL", "cos\nsystem", "!cut short"},
	{"STACK_GLOBAL", "\x8c\x02os\x8c\x06system\x93.", "<os.system>"},
	{"STACK_GLOBAL", "K\x01\x8c\x06system\x93.", "!not text"},
	{"STACK_GLOBAL", "\x8c\x02os\x93.", "!the stack holds too little"},
	{"REDUCE", "cos\nsystem\n(S'id'\ntR.", "<os.system('id')>"},
	{"REDUCE", "c__builtin__\neval\n(S'1+1'\ntR.", "<builtins.eval('1+1')>"},
	{"REDUCE", "cbuiltins\ngetattr\ncposix\nx\nX\x06\x00\x00\x00system\x86R(S'id'\ntR.", "<<builtins.getattr(<posix.x>, 'system')>('id')>"},
	{"REDUCE", "K\x01)R.", "!neither a class nor a function"},
	{"REDUCE", "ca\nb\n]R.", "!the arguments are not a tuple"},
	{"REDUCE", ")R.", "!the stack holds too little"},
	{"NEWOBJ", "ca\nb\nK\x01\x85\x81.", "<a.b.__new__(1)>"},
	{"NEWOBJ", "N)\x81.", "!neither a class nor a function"},
	{"NEWOBJ", ")\x81.", "!the stack holds too little"},
	{"NEWOBJ_EX", "ca\nb\nK\x01\x85}S'k'\nK\x02s\x92.", "<a.b.__new__(1, **{'k': 2})>"},
	{"NEWOBJ_EX", "ca\nb\n))\x92.", "!keyword arguments are not a dict"},
	{"NEWOBJ_EX", "))\x92.", "!the stack holds too little"},
	{"INST", "(S'id'\nios\nsystem\n.", "<os.system('id')>"},
	{"INST", "ios\nsystem\n.", "!there is no mark"},
	{"OBJ", "(cos\nsystem\nS'id'\no.", "<os.system('id')>"},
	{"OBJ", "(o.", "!the class is missing"},
	{"OBJ", "(K\x01o.", "!neither a class nor a function"},
	{"BUILD", "ca\nb\n)R}S'x'\nK\x01sb.", "<a.b() state={'x': 1}>"},
	{"BUILD", "ca\nb\n)RNb.", "<a.b()>"},
	{"BUILD", "ca\nb\n)R]b]b.", "!has a state already"},
	{"BUILD", "]}b.", "!no object to set the state of"},
	{"BUILD", "ca\nb\n}b.", "!no object to set the state of"},
	{"APPENDS", "ca\nb\n)R(K\x01K\x02e.", "<a.b() items=[1, 2]>"},
	{"SETITEMS", "ca\nb\n)R(K\x01K\x02u.", "<a.b() pairs={1: 2}>"},
	{"PERSID", "Pabc\n.", "!persistent id"},
	{"BINPERSID", "K\x01Q.", "!persistent id"},
	{"EXT1", "\x82\x01.", "!extension code"},
	{"EXT2", "\x83\x01\x00.", "!extension code"},
	{"EXT4", "\x84\x01\x00\x00\x00.", "!extension code"},
	{"NEXT_BUFFER", "\x97.", "!left out of the pickle"},
	{"READONLY_BUFFER", "N\x98.", "!left out of the pickle"},

	// No opcodes
	{"", "", "!cut short"},
	{"", "N", "!cut short"},
	{"", "\xff", "!byte 0xff is no opcode"},
	{"", "hello", "!nothing was kept under memo number 101"},
}

// Verifies: PICKLE-01, PICKLE-04, PICKLE-08, PICKLE-09
func TestOpcodes(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range opcodes {
		got, err := Decode([]byte(c.in), Limits{})
		if want, fails := strings.CutPrefix(c.want, "!"); fails {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s %q: %s, %v, want the error %q", c.op, c.in, Repr(got), err, want)
			}
			var e *Error
			if !errors.As(err, &e) || e.Offset > len(c.in) {
				t.Errorf("%s %q: error %#v", c.op, c.in, err)
			}
		} else if err != nil || Repr(got) != c.want {
			t.Errorf("%s %q: %s, %v, want %s", c.op, c.in, Repr(got), err, c.want)
		}
		for i := range 256 {
			if opNames[i] == c.op && strings.IndexByte(c.in, byte(i)) >= 0 {
				seen[c.op] = true
			}
		}
	}
	delete(seen, "")
	if len(seen) != 68 {
		t.Errorf("%d opcodes are tested, there are 68", len(seen))
	}
	named := 0
	for _, name := range opNames {
		if name != "" {
			named++
		}
	}
	if named != 68 {
		t.Errorf("%d opcodes have a name", named)
	}
}
