package pickle

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"
)

// hostile makes pickles of about n bytes that try to cost as much as they can.
var hostile = []struct {
	name string
	make func(n int) string
}{
	{"None on the stack", func(n int) string { return strings.Repeat("N", n) }},
	{"empty lists", func(n int) string { return strings.Repeat("]", n) }},
	{"empty dicts", func(n int) string { return strings.Repeat("}", n) }},
	{"empty sets", func(n int) string { return strings.Repeat("\x8f", n) }},
	{"empty tuples", func(n int) string { return strings.Repeat(")", n) }},
	{"empty byte strings", func(n int) string { return strings.Repeat("C\x00", n/2) }},
	{"marks", func(n int) string { return strings.Repeat("(", n) }},
	{"marked lists", func(n int) string { return strings.Repeat("(", n/2) + strings.Repeat("l", n/2) }},
	{"one list", func(n int) string { return "(" + strings.Repeat("N", n) + "l." }},
	{"one tuple", func(n int) string { return "(" + strings.Repeat("N", n) + "t." }},
	{"one dict", func(n int) string { return "(" + strings.Repeat("NN", n/2) + "d." }},
	{"appended dicts", func(n int) string { return "](" + strings.Repeat("}", n) + "e." }},
	{"appends one by one", func(n int) string { return "]" + strings.Repeat("Na", n/2) + "." }},
	{"items one by one", func(n int) string { return "}" + strings.Repeat("NNs", n/3) + "." }},
	{"nested lists", func(n int) string { return strings.Repeat("]", n/2) + strings.Repeat("a", n/2) + "." }},
	{"nested tuples", func(n int) string { return "N" + strings.Repeat("\x85", n) + "." }},
	{"memo", func(n int) string { return "N" + strings.Repeat("\x94", n) + "." }},
	{"sparse memo", func(n int) string {
		last := n - 1
		return "N" + strings.Repeat(fmt.Sprintf("r%c%c%c%c", byte(last), byte(last>>8), byte(last>>16), byte(last>>24)), 1) + strings.Repeat("0N", n/2) + "."
	}},
	{"memoised lists", func(n int) string { return strings.Repeat("]\x94", n/2) }},
	{"duplicates", func(n int) string { return "]" + strings.Repeat("2", n) }},
	{"globals", func(n int) string { return strings.Repeat("c\n\n", n/3) }},
	{"stack globals", func(n int) string { return "\x8c\x00q\x00" + strings.Repeat("h\x00h\x00\x93", n/5) }},
	{"calls", func(n int) string { return "c\n\nq\x00" + strings.Repeat("h\x00)R", n/4) }},
	{"new objects", func(n int) string { return "c\n\nq\x00" + strings.Repeat("h\x00)\x81", n/4) }},
	{"objects", func(n int) string { return "c\n\nq\x00" + strings.Repeat("(h\x00o", n/4) }},
	{"instances", func(n int) string { return strings.Repeat("(i\n\n", n/4) }},
	{"integers", func(n int) string { return strings.Repeat("J\xff\xff\xff\xff", n/5) }},
	{"short integers", func(n int) string { return strings.Repeat("\x8a\x01\xff", n/3) }},
	{"big integers", func(n int) string { return strings.Repeat("\x8a\x0900000000\x01", n/11) }},
	{"text integers", func(n int) string { return strings.Repeat("L"+strings.Repeat("9", 4300)+"L\n", n/4303) }},
	{"short texts", func(n int) string { return strings.Repeat("\x8c\x01a", n/3) }},
	{"lists made of byte strings", func(n int) string {
		return "c_codecs\nencode\nq\x00X\x00\x00\x01\x00" + strings.Repeat("x", 1<<16) + "q\x01\x8c\x06latin1q\x02" + strings.Repeat("h\x00h\x01h\x02\x86R", n/8)
	}},
	{"bytearrays", func(n int) string {
		return "c__builtin__\nbytearray\nq\x00B\x00\x00\x01\x00" + strings.Repeat("x", 1<<16) + "\x85q\x01" + strings.Repeat("h\x00h\x01R", n/5)
	}},
	{"sets of a list", func(n int) string {
		return "c__builtin__\nset\nq\x00(" + strings.Repeat("N", 10000) + "t\x85q\x01" + strings.Repeat("h\x00h\x01R", n/5)
	}},
	{"not Latin-1 after all", func(n int) string {
		return "c_codecs\nencode\nq\x00X\x02\x00\x01\x00" + strings.Repeat("x", 1<<16) + "\xc4\x80q\x01\x8c\x06latin1q\x02" + strings.Repeat("h\x00h\x01h\x02\x86R0", n/9)
	}},
	{"no pairs after all", func(n int) string {
		return "ccollections\nOrderedDict\nq\x00(" + strings.Repeat(")", 10000) + "l\x85q\x01" + strings.Repeat("h\x00h\x01R0", n/6)
	}},
	{"a length beyond the end", func(n int) string { return "\x8e\xff\xff\xff\xff\xff\xff\xff\x7f" + strings.Repeat("x", n) }},
	{"a long line", func(n int) string { return "I" + strings.Repeat("9", n) + "\n." }},
	{"long lines of no number", func(n int) string { return "g" + strings.Repeat("x", n) + "\n." }},
	{"no line end", func(n int) string { return "c" + strings.Repeat("x", n) }},
	{"escapes", func(n int) string { return "V" + strings.Repeat("\\u65e5", n/6) + "\n." }},
	{"Latin-1", func(n int) string { return "V" + strings.Repeat("\xff", n) + "\n." }},
}

// Whatever a pickle holds, the memory in use stays within the limit, and so
// within four times the input where that is asked for. The accounts are
// checked against what the runtime measures: what is alive at the end, and,
// because arrays that grow leave garbage, what was allocated in all.
//
// Verifies: PICKLE-06, PICKLE-07
func TestMemory(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector makes small allocations larger")
	}
	const n = 1 << 18
	for _, c := range hostile {
		in := []byte(c.make(n))
		for _, limits := range []Limits{{MaxMemory: 4 * len(in)}, {MaxFactor: 4}, {}} {
			d := decoder{in: in, limits: limits.orDefaults(len(in))}
			limit := d.limits.MaxMemory
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			v, err := d.decode()
			runtime.GC()
			runtime.ReadMemStats(&after)
			runtime.KeepAlive(&d)
			runtime.KeepAlive(v)
			const slack = 64 << 10 // of the runtime itself and the error
			if alive := int(after.HeapAlloc) - int(before.HeapAlloc); alive > limit+slack || alive > d.spent+slack {
				t.Errorf("%s: %d bytes in use for %d of input: accounted for %d, limit %d", c.name, alive, len(in), d.spent, limit)
			}
			if total := int(after.TotalAlloc - before.TotalAlloc); total > 3*limit+len(in)+slack {
				t.Errorf("%s: %d bytes allocated for %d of input, limit %d", c.name, total, len(in), limit)
			}
			if d.spent > limit {
				t.Errorf("%s: %d accounted for, limit %d", c.name, d.spent, limit)
			}
			var e *Error
			if err != nil && !errors.As(err, &e) {
				t.Errorf("%s: %v", c.name, err)
			}
		}
	}
}

// The factor the documentation of Limits gives for pickles without a limit.
func TestWorstFactor(t *testing.T) {
	const n = 100_000
	for _, c := range hostile {
		in := []byte(c.make(n))
		if len(in) > n+n/10 {
			continue // the same thing again and again
		}
		d := decoder{in: in, limits: Limits{MaxMemory: math.MaxInt}.orDefaults(len(in))}
		d.decode()
		if factor := float64(d.spent) / n; factor > 80 {
			t.Errorf("%s: %.1f times", c.name, factor)
		}
	}
}

// Work is proportional to the length of a pickle, whatever it holds: ten times
// as much of the same costs ten times as much. Memory stands for work, since
// what costs more time than its bytes is accounted for as memory.
//
// Verifies: PICKLE-07
func TestWorkIsLinear(t *testing.T) {
	for _, c := range hostile {
		spent := func(n int) int {
			in := []byte(c.make(n))
			d := decoder{in: in, limits: Limits{}.orDefaults(len(in))}
			d.decode()
			if most := defaultFactor*len(in) + defaultExtra; d.spent > most {
				t.Errorf("%s: %d bytes for %d of input, limit %d", c.name, d.spent, len(in), most)
			}
			return d.spent
		}
		if small, large := spent(10_000), spent(100_000); large > 15*small+defaultExtra {
			t.Errorf("%s: %d bytes for 10 kB, %d for 100 kB", c.name, small, large)
		}
	}
}

// What Python writes fits the default limit, whatever its size: here the
// values that grow most.
func TestHonestFactor(t *testing.T) {
	for _, item := range []func() any{
		func() any { return nil },
		func() any { return true },
		func() any { return 7 },
		func() any { return "" },
		func() any { return []byte{} },
		func() any { return &List{} },
		func() any { return &Tuple{} },
		func() any { return &Dict{} },
		func() any { return &Dict{Ordered: true} },
		func() any { return &Set{} },
		func() any { return &FrozenSet{} },
		func() any { return &ByteArray{} },
		func() any { return &Tuple{Items: []any{nil}} },
		func() any { return &Call{Func: &Global{"m", "C"}, New: true} },
	} {
		for n := 1; n <= 30_000; n = n*3 + 1 {
			items := make([]any, n)
			for i := range items {
				items[i] = item()
			}
			for _, v := range []any{&List{Items: items}, &Tuple{Items: items}} {
				for _, protocol := range []int{2, 4, 5} {
					p, err := AppendCalls(nil, v, protocol)
					if err != nil {
						t.Fatal(err)
					}
					if _, err := Decode(p, Limits{}); err != nil {
						t.Errorf("%d of %T in a %T, protocol %d, %d bytes: %v", n, items[0], v, protocol, len(p), err)
					}
				}
			}
		}
	}
}

// Honest values of considerable size are within the default limit.
func TestHonest(t *testing.T) {
	if raceEnabled {
		t.Skip("nothing runs concurrently here, and it is large")
	}
	list := func(n int, item func(i int) any) *List {
		l := &List{}
		for i := range n {
			l.Items = append(l.Items, item(i))
		}
		return l
	}
	strings := func(n int) *Dict {
		d := &Dict{}
		for i := range n {
			d.Pairs = append(d.Pairs, Pair{fmt.Sprint("key", i), fmt.Sprint("value", i)})
		}
		return d
	}
	for _, c := range []struct {
		name string
		v    any
	}{
		{"a million None", list(1_000_000, func(int) any { return nil })},
		{"a million small integers", list(1_000_000, func(i int) any { return i % 256 })},
		{"800,000 integers", list(800_000, func(i int) any { return i * 1000 })},
		{"a million floats", list(1_000_000, func(i int) any { return float64(i) })},
		{"two million floats", list(2_000_000, func(i int) any { return float64(i) })},
		{"200,000 short strings in a dict", strings(200_000)},
		{"300,000 empty lists", list(300_000, func(i int) any { return &List{} })},
		{"100,000 points", list(100_000, func(i int) any { return &Tuple{Items: []any{i, -i}} })},
		{"a tuple of 600,000", &Tuple{Items: list(600_000, func(i int) any { return i % 256 }).Items}},
		{"30 MB of bytes", bytes.Repeat([]byte("x"), 30_000_000)},
	} {
		p, err := Append(nil, c.v, 5)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Decode(p, Limits{}); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// Verifies: PICKLE-06
func TestLimits(t *testing.T) {
	var e *Error
	if _, err := Decode([]byte("]]]."), Limits{MaxMemory: 25 * wordSize / 2}); !errors.As(err, &e) || !errors.Is(err, ErrLimit) || e.Offset != 2 || e.Op != ']' {
		t.Errorf("%#v", err)
	}
	if _, err := Decode([]byte("L12345\n."), Limits{MaxIntDigits: 4}); !errors.Is(err, ErrLimit) {
		t.Error(err)
	}
	if v, err := Decode([]byte("L1234\n."), Limits{MaxIntDigits: 4}); err != nil || v != any(int64(1234)) {
		t.Error(v, err)
	}
	long := "L" + strings.Repeat("1", 5000) + "L\n."
	if v, err := Decode([]byte(long), Limits{MaxIntDigits: 5000}); err != nil || Repr(v) != "<an int of 16607 bits>" {
		t.Error(Repr(v), err)
	}
	// Wherever memory runs out, the error says so and nothing panics.
	step := 7
	if raceEnabled {
		step = 97
	}
	for _, v := range pythonValues(t) {
		for _, p := range v.pickles {
			for limit := 1; limit < 3000; limit += step {
				if _, err := Decode(p, Limits{MaxMemory: limit}); err != nil && !errors.Is(err, ErrLimit) {
					t.Fatalf("%s, %d bytes: %v", v.expression, limit, err)
				}
			}
		}
	}
	for _, c := range opcodes {
		for limit := 1; limit < 400; limit++ {
			if _, err := Decode([]byte(c.in), Limits{MaxMemory: limit}); err != nil && !errors.As(err, &e) {
				t.Fatalf("%q, %d bytes: %v", c.in, limit, err)
			}
		}
	}
}

// Forty times the input takes about forty times as long: nothing is quadratic.
// What is allowed is far above the noise of a loaded machine, and far below
// the minutes that 400,000 × 400,000 steps would take.
func TestLinear(t *testing.T) {
	if testing.Short() {
		t.Skip("measures time")
	}
	for _, c := range hostile {
		decode := func(n int) time.Duration {
			in := []byte(c.make(n))
			best := time.Hour
			for range 3 {
				d := decoder{in: in, limits: Limits{MaxMemory: 16 << 20, MaxIntDigits: 4300}}
				start := time.Now()
				d.decode()
				best = min(best, time.Since(start))
			}
			return best
		}
		if small, large := decode(10_000), decode(400_000); large > 300*small+20*time.Second {
			t.Errorf("%s: %v for 10 kB, %v for 400 kB", c.name, small, large)
		}
	}
}
