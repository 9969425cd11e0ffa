package pickle

// The opcodes, by the names of Python's pickletools. A comment tells what
// follows in the pickle.
const (
	opMark            = '('
	opStop            = '.'
	opPop             = '0'
	opPopMark         = '1'
	opDup             = '2'
	opFloat           = 'F' // line
	opInt             = 'I' // line
	opBinInt          = 'J' // 4 bytes, signed
	opBinInt1         = 'K' // 1 byte
	opLong            = 'L' // line
	opBinInt2         = 'M' // 2 bytes
	opNone            = 'N'
	opPersID          = 'P' // line
	opBinPersID       = 'Q'
	opReduce          = 'R'
	opString          = 'S' // line, in quotes
	opBinString       = 'T' // 4 byte length, bytes
	opShortBinString  = 'U' // 1 byte length, bytes
	opUnicode         = 'V' // line, raw-unicode-escape
	opBinUnicode      = 'X' // 4 byte length, UTF-8
	opAppend          = 'a'
	opBuild           = 'b'
	opGlobal          = 'c' // two lines
	opDict            = 'd'
	opAppends         = 'e'
	opGet             = 'g' // line
	opBinGet          = 'h' // 1 byte
	opInst            = 'i' // two lines
	opLongBinGet      = 'j' // 4 bytes
	opList            = 'l'
	opObj             = 'o'
	opPut             = 'p' // line
	opBinPut          = 'q' // 1 byte
	opLongBinPut      = 'r' // 4 bytes
	opSetItem         = 's'
	opTuple           = 't'
	opSetItems        = 'u'
	opBinFloat        = 'G' // 8 bytes, big-endian
	opEmptyDict       = '}'
	opEmptyList       = ']'
	opEmptyTuple      = ')'
	opProto           = 0x80 // 1 byte
	opNewObj          = 0x81
	opExt1            = 0x82 // 1 byte
	opExt2            = 0x83 // 2 bytes
	opExt4            = 0x84 // 4 bytes
	opTuple1          = 0x85
	opTuple2          = 0x86
	opTuple3          = 0x87
	opNewTrue         = 0x88
	opNewFalse        = 0x89
	opLong1           = 0x8a // 1 byte length, two's complement
	opLong4           = 0x8b // 4 byte length, two's complement
	opBinBytes        = 'B'  // 4 byte length, bytes
	opShortBinBytes   = 'C'  // 1 byte length, bytes
	opShortBinUnicode = 0x8c // 1 byte length, UTF-8
	opBinUnicode8     = 0x8d // 8 byte length, UTF-8
	opBinBytes8       = 0x8e // 8 byte length, bytes
	opEmptySet        = 0x8f
	opAddItems        = 0x90
	opFrozenSet       = 0x91
	opNewObjEx        = 0x92
	opStackGlobal     = 0x93
	opMemoize         = 0x94
	opFrame           = 0x95 // 8 byte length
	opByteArray8      = 0x96 // 8 byte length, bytes
	opNextBuffer      = 0x97
	opReadonlyBuffer  = 0x98
)

var opNames = [256]string{
	opMark: "MARK", opStop: "STOP", opPop: "POP", opPopMark: "POP_MARK", opDup: "DUP", opFloat: "FLOAT", opInt: "INT",
	opBinInt: "BININT", opBinInt1: "BININT1", opLong: "LONG", opBinInt2: "BININT2", opNone: "NONE", opPersID: "PERSID",
	opBinPersID: "BINPERSID", opReduce: "REDUCE", opString: "STRING", opBinString: "BINSTRING",
	opShortBinString: "SHORT_BINSTRING", opUnicode: "UNICODE", opBinUnicode: "BINUNICODE", opAppend: "APPEND",
	opBuild: "BUILD", opGlobal: "GLOBAL", opDict: "DICT", opAppends: "APPENDS", opGet: "GET", opBinGet: "BINGET",
	opInst: "INST", opLongBinGet: "LONG_BINGET", opList: "LIST", opObj: "OBJ", opPut: "PUT", opBinPut: "BINPUT",
	opLongBinPut: "LONG_BINPUT", opSetItem: "SETITEM", opTuple: "TUPLE", opSetItems: "SETITEMS", opBinFloat: "BINFLOAT",
	opEmptyDict: "EMPTY_DICT", opEmptyList: "EMPTY_LIST", opEmptyTuple: "EMPTY_TUPLE", opProto: "PROTO",
	opNewObj: "NEWOBJ", opExt1: "EXT1", opExt2: "EXT2", opExt4: "EXT4", opTuple1: "TUPLE1", opTuple2: "TUPLE2",
	opTuple3: "TUPLE3", opNewTrue: "NEWTRUE", opNewFalse: "NEWFALSE", opLong1: "LONG1", opLong4: "LONG4",
	opBinBytes: "BINBYTES", opShortBinBytes: "SHORT_BINBYTES", opShortBinUnicode: "SHORT_BINUNICODE",
	opBinUnicode8: "BINUNICODE8", opBinBytes8: "BINBYTES8", opEmptySet: "EMPTY_SET", opAddItems: "ADDITEMS",
	opFrozenSet: "FROZENSET", opNewObjEx: "NEWOBJ_EX", opStackGlobal: "STACK_GLOBAL", opMemoize: "MEMOIZE",
	opFrame: "FRAME", opByteArray8: "BYTEARRAY8", opNextBuffer: "NEXT_BUFFER", opReadonlyBuffer: "READONLY_BUFFER",
}
