package pickle

import (
	"errors"
	"math"
	"math/big"
	"strings"
	"testing"
	"unsafe"
)

// program returns the opcodes of a pickle.
func program(t *testing.T, p []byte) (ops []byte) {
	t.Helper()
	d := decoder{in: p, limits: Limits{}.orDefaults(len(p))}
	for d.err == nil {
		d.start = d.pos
		op := d.take(1)
		if op == nil {
			break
		}
		d.op = op[0]
		if ops = append(ops, d.op); d.op == opStop {
			return ops
		}
		d.step()
	}
	t.Fatalf("%q: %v", p, d.err)
	return nil
}

// names prints opcodes.
func names(ops []byte) string {
	var all []string
	for _, op := range ops {
		all = append(all, opNames[op])
	}
	return strings.Join(all, " ")
}

// A pickle has only opcodes that readers of its protocol know.
//
// Verifies: PICKLE-03
func TestOpcodesOfTheProtocol(t *testing.T) {
	since := func(op byte) int {
		switch {
		case op >= opByteArray8:
			return 5
		case op >= opShortBinUnicode:
			return 4
		case op == opBinBytes || op == opShortBinBytes:
			return 3
		}
		return 2 // or before
	}
	values := []any{
		&Set{Items: []any{1, "a"}}, &FrozenSet{Items: []any{1, "a"}}, &Dict{Ordered: true, Pairs: []Pair{{"a", 1}}},
		&ByteArray{Bytes: []byte("a")}, []byte("a"), strings.Repeat("long", 1000), &Global{"os", "sep"},
	}
	for _, c := range native() {
		values = append(values, c.v)
	}
	for _, v := range values {
		for _, protocol := range []int{2, 4, 5} {
			p, err := AppendCalls(nil, v, protocol)
			if err != nil {
				t.Fatal(err)
			}
			for _, op := range program(t, p) {
				if since(op) > protocol {
					t.Errorf("%T in protocol %d has %s, which is of protocol %d", v, protocol, opNames[op], since(op))
				}
			}
		}
	}
}

// What is written is the shortest that the protocol has.
func TestForms(t *testing.T) {
	number := func(bits uint) *big.Int { return new(big.Int).Lsh(big.NewInt(1), bits) }
	text := func(n int) string { return strings.Repeat("x", n) }
	for _, c := range []struct {
		v    any
		want string // between PROTO and STOP
	}{
		{&Set{Items: []any{1}}, "EMPTY_SET MEMOIZE MARK BININT1 ADDITEMS"},
		{&FrozenSet{Items: []any{1}}, "MARK BININT1 FROZENSET MEMOIZE"},
		{255, "BININT1"}, {256, "BININT2"}, {65535, "BININT2"}, {65536, "BININT"}, {-1, "BININT"}, {math.MinInt32, "BININT"},
		{number(31), "LONG1"}, {number(8 * 254), "LONG1"}, {number(8 * 255), "LONG4"},
		{text(255), "SHORT_BINUNICODE"}, {text(256), "BINUNICODE"}, // nothing can refer to it
		{[]byte{}, "SHORT_BINBYTES"}, {[]byte(text(255)), "SHORT_BINBYTES"}, {[]byte(text(256)), "BINBYTES"},
		{&Tuple{Items: []any{1, 1, 1}}, "BININT1 BININT1 BININT1 TUPLE3 MEMOIZE"},
		{&Tuple{Items: []any{1, 1, 1, 1}}, "MARK BININT1 BININT1 BININT1 BININT1 TUPLE MEMOIZE"},
		{&Global{"a", "b"}, "SHORT_BINUNICODE SHORT_BINUNICODE STACK_GLOBAL MEMOIZE"},
	} {
		for _, protocol := range []int{4, 5} {
			p, err := AppendCalls(nil, c.v, protocol)
			if got := names(program(t, p)); err != nil || got != "PROTO "+c.want+" STOP" {
				t.Errorf("%T in protocol %d: %s, %v, want %s", c.v, protocol, got, err, c.want)
			}
		}
	}
	for protocol, want := range map[int]string{
		2: "GLOBAL BINPUT BINUNICODE BINUNICODE TUPLE2 REDUCE",
		4: "SHORT_BINUNICODE SHORT_BINUNICODE STACK_GLOBAL MEMOIZE SHORT_BINBYTES TUPLE1 REDUCE MEMOIZE",
		5: "BYTEARRAY8 MEMOIZE",
	} {
		p, err := Append(nil, &ByteArray{Bytes: []byte("a")}, protocol)
		if got := names(program(t, p)); err != nil || !strings.HasPrefix(got, "PROTO "+want) {
			t.Errorf("a bytearray in protocol %d: %s, %v, want %s", protocol, got, err, want)
		}
	}
	// A key that occurs twice is written once, whatever its length.
	for _, size := range []int{1, longText, longText + 1} {
		key := strings.Repeat("k", size)
		p, err := Append(nil, &List{Items: []any{&Dict{Pairs: []Pair{{key, 1}}}, &Dict{Pairs: []Pair{{key, 2}}}}}, 4)
		if n := strings.Count(string(p), key); err != nil || n != 1 {
			t.Errorf("a key of %d bytes is written %d times, %v", size, n, err)
		}
	}
	// So is any other text, if it is long.
	for size, want := range map[int]int{longText: 2, longText + 1: 1} {
		long := text(size)
		p, err := Append(nil, &List{Items: []any{long, long}}, 4)
		if n := strings.Count(string(p), long); err != nil || n != want {
			t.Errorf("a text of %d bytes is written %d times, %v, want %d", size, n, err, want)
		}
	}
	// Numbers of objects, 0 to 256, in the shortest form.
	lists := &List{}
	for range 256 {
		lists.Items = append(lists.Items, &List{})
	}
	lists.Items = append(lists.Items, lists.Items...)
	for protocol, want := range map[int]map[byte]int{
		2: {opBinPut: 256, opLongBinPut: 1, opMemoize: 0, opBinGet: 255, opLongBinGet: 1},
		4: {opBinPut: 0, opLongBinPut: 0, opMemoize: 257, opBinGet: 255, opLongBinGet: 1},
	} {
		p, err := Append(nil, lists, protocol)
		if err != nil {
			t.Fatal(err)
		}
		ops := program(t, p)
		for op, n := range want {
			if got := strings.Count(string(ops), string([]byte{op})); got != n {
				t.Errorf("protocol %d: %d × %s, want %d", protocol, got, opNames[op], n)
			}
		}
	}
}

// The limit of depth is none of length.
func TestManyNativeSiblings(t *testing.T) {
	siblings := make([]any, 2*maxNative)
	for i := range siblings {
		siblings[i] = []any{map[string]any{}}
	}
	if _, err := Append(nil, siblings, 4); err != nil {
		t.Error(err)
	}
}

// Memory is accounted for exactly: what a value needs is enough, a byte less is
// not.
//
// Verifies: PICKLE-06
func TestExactMemory(t *testing.T) {
	spent := func(p string) int {
		d := decoder{in: []byte(p), limits: Limits{MaxMemory: 1 << 20}.orDefaults(len(p))}
		if _, err := d.decode(); err != nil {
			t.Fatal(err)
		}
		return d.spent
	}
	for _, p := range []string{"](]]e.", "(K\x01K\x02t.", "X\x03\x00\x00\x00abc.", "J\xff\xff\xff\xff."} {
		n := spent(p)
		if _, err := Decode([]byte(p), Limits{MaxMemory: n}); err != nil {
			t.Errorf("%q in %d bytes: %v", p, n, err)
		}
		if _, err := Decode([]byte(p), Limits{MaxMemory: n - 1}); !errors.Is(err, ErrLimit) {
			t.Errorf("%q in %d bytes: %v, want ErrLimit", p, n-1, err)
		}
	}
	// Go has the integers 0 to 255 ready.
	for p, more := range map[string]int{"K\x00.": 0, "K\xff.": 0, "M\x00\x01.": 8, "J\xff\xff\xff\xff.": 8} {
		if got := spent(p) - spent("N."); got != more {
			t.Errorf("%q takes %d bytes more than None, want %d", p, got, more)
		}
	}
	if got := spent("L"+strings.Repeat("9", 40)+"\n.") - spent("N."); got > 64 {
		t.Errorf("an integer of 40 digits takes %d bytes", got)
	}
	d := decoder{limits: Limits{MaxMemory: 1 << 20}}
	s := make([]any, 3, 4)
	if got := roomFor(&d, s, 1, interfaceSize); cap(got) != 4 || d.spent != 0 {
		t.Errorf("there is room, and yet %d elements, %d bytes", cap(got), d.spent)
	}
}

// What is accounted for a value is what Go takes for it, or little more.
func TestSizes(t *testing.T) {
	for name, c := range map[string]struct{ accounted, takes uintptr }{
		"interface": {interfaceSize, unsafe.Sizeof(any(nil))},
		"string":    {stringSize, unsafe.Sizeof("")},
		"slice":     {sliceSize, unsafe.Sizeof([]byte(nil))},
		"Pair":      {pairSize, unsafe.Sizeof(Pair{})},
		"big.Int":   {bigSize, unsafe.Sizeof(big.Int{})},
		"Global":    {globalSize, unsafe.Sizeof(Global{})},
		"Dict":      {dictSize, unsafe.Sizeof(Dict{})},
		"Call":      {callSize, unsafe.Sizeof(Call{})},
	} {
		if c.accounted < c.takes || c.accounted > c.takes+2*wordSize {
			t.Errorf("%s: %d bytes are accounted for, it takes %d", name, c.accounted, c.takes)
		}
	}
}

// What is accounted for an allocation is no less than what it takes.
func TestAllocated(t *testing.T) {
	for n := 1; n < 70_000; n += 1 + n/300 {
		takes := cap(append([]byte(nil), make([]byte, n)...))
		if got := allocated(n); got < takes || n <= 256 && got >= n+16 {
			t.Errorf("allocated(%d) = %d, it takes %d", n, got, takes)
		}
	}
	for _, n := range []int{32, 256, 32 << 10} {
		if got := allocated(n); got < n || n <= 256 && got != n {
			t.Errorf("allocated(%d) = %d", n, got)
		}
	}
}
