package serpy2

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// hexFloats are numbers and what Python's float.hex() prints for them.
var hexFloats = []struct {
	f    float64
	text string
}{
	{0, "0x0.0p+0"},
	{math.Copysign(0, -1), "-0x0.0p+0"},
	{1, "0x1.0000000000000p+0"},
	{-1.5, "-0x1.8000000000000p+0"},
	{0.1, "0x1.999999999999ap-4"},
	{12.35, "0x1.8b33333333333p+3"},
	{-1000000, "-0x1.e848000000000p+19"},
	{1e22, "0x1.0f0cf064dd592p+73"},
	{math.MaxFloat64, "0x1.fffffffffffffp+1023"},
	{-math.MaxFloat64, "-0x1.fffffffffffffp+1023"},
	{0x1p-1022, "0x1.0000000000000p-1022"},
	{0x0.fffffffffffffp-1022, "0x0.fffffffffffffp-1022"},
	{1e-320, "0x0.00000000007e8p-1022"},
	{math.SmallestNonzeroFloat64, "0x0.0000000000001p-1022"},
	{math.Inf(1), "inf"},
	{math.Inf(-1), "-inf"},
	{math.NaN(), "nan"},
	{math.Copysign(math.NaN(), -1), "nan"},
}

// same reports whether a and b are the same number: signs of zero differ, all
// NaN are one.
func same(a, b float64) bool {
	return math.Float64bits(a) == math.Float64bits(b) || a != a && b != b
}

// Verifies: SERPY2-04, SERPY2-05
func TestFloatText(t *testing.T) {
	for _, c := range hexFloats {
		if got := string(appendFloat(nil, c.f)); got != c.text {
			t.Errorf("%v is written %q, want %q", c.f, got, c.text)
		}
		if got, err := parseFloat([]byte(c.text)); err != nil || !same(got, c.f) {
			t.Errorf("%q is read %v, %v, want %v", c.text, got, err, c.f)
		}
	}
}

// Verifies: SERPY2-05
func TestParseFloat(t *testing.T) {
	inf, nan := math.Inf(1), math.NaN()
	for _, c := range []struct {
		text string
		want float64
	}{
		{"0x1.8p3", 12}, {"0X1.8P+3", 12}, {"1.8", 1.5}, {"  0x1p0\n", 1}, {"\t\v\f\r1 ", 1},
		{"inf", inf}, {"-Infinity", -inf}, {"+INF", inf}, {"NaN", nan}, {"-nan", nan},
		{"+0x.8p1", 1}, {"1e5", 485}, {"0x1.p0", 1}, {".8", 0.5}, {"0", 0}, {"-0", math.Copysign(0, -1)},
		{"0x0p99999999999999999999", 0}, {"1p-99999999999999999999", 0}, {"0x0.00000000p5000", 0},
		// Nearly what appendFloat writes.
		{"0x2.0000000000000p-1022", 0x1p-1021}, {"0x0.8000000000000p+0", 0.5}, {"0x0.8000000000000p+1022", 0x1p1021}, {"0x1.0000000000000p-1023", 0x1p-1023},
		// Half way between two doubles: to the even one.
		{"0x1.00000000000008p0", 1}, {"0x1.00000000000018p0", 0x1.0000000000002p0},
		{"0x1.000000000000080000000000000000000000000001p0", 0x1.0000000000001p0},
		{"0x0.00000000000008p-1022", 0}, {"0x0.000000000000080001p-1022", math.SmallestNonzeroFloat64},
		{"0x1.fffffffffffff7ffffffffp1023", math.MaxFloat64},
		{"0x0." + strings.Repeat("0", 50) + "1p204", 1},
	} {
		if got, err := parseFloat([]byte(c.text)); err != nil || !same(got, c.want) {
			t.Errorf("%q is read %v, %v, want %v", c.text, got, err, c.want)
		}
	}
	for _, c := range []struct {
		text string
		want error
	}{
		{"", errFloatSyntax}, {" ", errFloatSyntax}, {"xyz", errFloatSyntax}, {"0x", errFloatSyntax}, {".", errFloatSyntax},
		{"0x.p1", errFloatSyntax}, {"p1", errFloatSyntax}, {"1p", errFloatSyntax}, {"1p+", errFloatSyntax}, {"1p 1", errFloatSyntax},
		{"1.2.3", errFloatSyntax}, {"1_0", errFloatSyntax}, {"1p1_0", errFloatSyntax}, {"0x_1", errFloatSyntax}, {"--1", errFloatSyntax},
		{"- 1", errFloatSyntax}, {"0x-1", errFloatSyntax}, {"0x0x1", errFloatSyntax}, {"infin", errFloatSyntax}, {"in", errFloatSyntax},
		{"1p0\x00", errFloatSyntax}, {"\x1c1", errFloatSyntax}, {"1p1p1", errFloatSyntax}, {"1+5", errFloatSyntax}, {"0x1p\xff0", errFloatSyntax},
		{"0x1p1024", errFloatRange}, {"0x1.fffffffffffff8p1023", errFloatRange}, {"-1p99999999999999999999", errFloatRange},
	} {
		if got, err := parseFloat([]byte(c.text)); !errors.Is(err, c.want) {
			t.Errorf("%q is read %v, %v, want %v", c.text, got, err, c.want)
		}
	}
}

// The same against Python itself: what it prints for random doubles, and what
// it reads out of texts that are nearly numbers.
//
// Verifies: SERPY2-04, SERPY2-05
func TestFloatAgainstPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed: only the tables of TestFloatText and TestParseFloat were checked")
	}
	const count = 5000
	rng := rand.New(rand.NewPCG(3, 4))
	numbers := make([]float64, count)
	texts := make([]string, count)
	var in bytes.Buffer
	for i := range numbers {
		bits := rng.Uint64()
		switch i % 4 {
		case 0: // subnormal
			bits &^= 0x7FF << 52
		case 1: // few digits
			bits &^= 1<<(rng.IntN(53)) - 1
		}
		numbers[i] = math.Float64frombits(bits)
		texts[i] = nearlyFloat(rng)
		fmt.Fprintf(&in, "%016x %x\n", bits, texts[i])
	}
	cmd := exec.Command(python, "-c", `
import struct, sys
for line in sys.stdin:
    bits, text = (bytes.fromhex(x) for x in line.rstrip("\n").split(" "))
    try:
        value = float.fromhex(text.decode("ascii")).hex()
    except (ValueError, OverflowError):
        value = "error"
    print(struct.unpack(">d", bits)[0].hex(), value)
`)
	cmd.Stdin = &in
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != count {
		t.Fatalf("python3 printed %d lines, want %d", len(lines), count)
	}
	read := 0
	for i, line := range lines {
		text, value, _ := strings.Cut(line, " ")
		if got := string(appendFloat(nil, numbers[i])); got != text {
			t.Errorf("%x is written %q, Python writes %q", math.Float64bits(numbers[i]), got, text)
		}
		if got, err := parseFloat([]byte(text)); err != nil || !same(got, numbers[i]) {
			t.Errorf("%q is read %v, %v, want %v", text, got, err, numbers[i])
		}
		f, err := parseFloat([]byte(texts[i]))
		if value == "error" {
			if err == nil {
				t.Errorf("%q is read %v, no number for Python", texts[i], f)
			}
			continue
		}
		read++
		if got := string(appendFloat(nil, f)); err != nil || got != value {
			t.Errorf("%q is read %s, %v, Python reads %s", texts[i], got, err, value)
		}
	}
	if read < count/4 || read > count*9/10 {
		t.Errorf("%d of %d texts were numbers: the texts don't test both", read, count)
	}
}

// The short cut reads what the long way reads, or leaves it to it.
func TestParseOwn(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	own := 0
	for i := range 100_000 {
		text := appendFloat(nil, math.Float64frombits(rng.Uint64()))
		for range i % 3 { // bytes wrong, one gone
			text[rng.IntN(len(text))] = "0123456789abcdefpx.+-_ "[rng.IntN(23)]
			if i%4 == 0 {
				at := rng.IntN(len(text))
				text = append(text[:at], text[at+1:]...)
			}
		}
		got, ok := parseOwn(text)
		if !ok {
			continue
		}
		own++
		if want, err := parseAny(text); err != nil || !same(got, want) {
			t.Fatalf("%q is read %v, want %v, %v", text, got, want, err)
		}
	}
	if own < 40_000 {
		t.Errorf("the short cut read only %d of the texts", own)
	}
}

// nearlyFloat returns a text of at most maxFloat bytes that may be a number.
func nearlyFloat(rng *rand.Rand) string {
	pick := func(from ...string) string { return from[rng.IntN(len(from))] }
	digits := func(of string, n int) string {
		b := make([]byte, rng.IntN(n+1))
		for i := range b {
			b[i] = of[rng.IntN(len(of))]
		}
		return string(b)
	}
	const hex = "00000123456789abcdefABCDEFff88"
	text := pick("", "", "", " ", "\t\n") + pick("", "", "-", "+") + pick("0x", "0x", "0X", "", "0x0") +
		digits(hex, 8) + pick("", ".", ".") + digits(hex, 24) +
		pick("", "p0", "P-3", "p"+strconv.Itoa(rng.IntN(2300)-1150), "p+"+digits("0123456789", 3)) + pick("", "", "", " ", "\r\v\f")
	if rng.IntN(8) == 0 {
		text = pick("inf", "-INFINITY", "nan", "+Nan", "infinit", "nan0", "0xinf", "in", "1 2", " ", "0x", "-")
	}
	if rng.IntN(10) == 0 && len(text) > 0 { // one byte wrong
		i := rng.IntN(len(text))
		text = text[:i] + pick("_", "x", ".", "p", "-", "\x00", "\x1c", "g", "\xff", " ") + text[i+1:]
	}
	return text[:min(len(text), maxFloat)]
}
