package pickle

import (
	"encoding/hex"
	"errors"
	"math"
	"math/big"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// pythonValue is a line of testdata/values.txt: a value as Python pickled it.
type pythonValue struct {
	expression string
	repr       string // as Python's ascii() prints it; 'same' if it has none
	pickles    [6][]byte
}

func pythonValues(t testing.TB) []pythonValue {
	data, err := os.ReadFile(filepath.Join("testdata", "values.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var values []pythonValue
	for line := range strings.Lines(string(data)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 8 {
			t.Fatalf("%d fields in %.60q", len(f), line)
		}
		v := pythonValue{expression: f[0], repr: f[1]}
		for i, h := range f[2:] {
			if h == "=" {
				v.pickles[i] = append([]byte{opProto, byte(i)}, v.pickles[i-1][2:]...)
				continue
			}
			if v.pickles[i], err = hex.DecodeString(h); err != nil {
				t.Fatal(err)
			}
		}
		values = append(values, v)
	}
	if len(values) < 100 {
		t.Fatalf("only %d values", len(values))
	}
	return values
}

// ascii prints s as Python's ascii() does.
func ascii(s string) string {
	var r printer
	r.out = append(r.out, quoteFor(s))
	for _, c := range s {
		switch {
		case c < 0x80:
			r.escape(byte(c), r.out[0])
		case c <= 0xff:
			r.hex('x', c, 2)
		case c <= 0xffff:
			r.hex('u', c, 4)
		default:
			r.hex('U', c, 8)
		}
	}
	return string(append(r.out, r.out[0]))
}

// What Python pickles, in every protocol, is what we read; and what we write
// of it is read by us as the same.
//
// Verifies: PICKLE-01, PICKLE-02, PICKLE-03
func TestPythonsPickles(t *testing.T) {
	for _, v := range pythonValues(t) {
		var first string
		for protocol, p := range v.pickles {
			got, err := Decode(p, Limits{})
			if err != nil {
				t.Errorf("%s, protocol %d: %v", v.expression, protocol, err)
				continue
			}
			repr := Repr(got)
			if v.repr != "'same'" && ascii(repr) != v.repr {
				t.Errorf("protocol %d: got %s, want %s", protocol, ascii(repr), v.repr)
			}
			if protocol == 0 {
				first = repr
			}
			if isData(v.repr) && repr != first {
				t.Errorf("protocol %d: %s, protocol 0: %s", protocol, repr, first)
			}
			for _, to := range []int{2, 4, 5} {
				written, err := AppendCalls(nil, got, to)
				if err != nil {
					t.Errorf("%s, protocol %d: writing protocol %d: %v", v.expression, protocol, to, err)
					continue
				}
				again, err := Decode(written, Limits{})
				if err != nil || Repr(again) != repr {
					t.Errorf("%s, protocol %d to %d: back as %s, %v", v.expression, protocol, to, Repr(again), err)
				}
			}
		}
	}
}

func isData(repr string) bool { return repr != "'same'" }

// python runs testdata/values.py with args and input.
func python(t *testing.T, input string, args ...string) string {
	path, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is missing, so it can't be asked: testdata/values.txt, which TestPythonsPickles reads, holds its answers")
	}
	cmd := exec.Command(path, append([]string{"values.py"}, args...)...)
	cmd.Dir = "testdata"
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			t.Fatalf("%v: %s", err, exit.Stderr)
		}
		t.Fatal(err)
	}
	return string(out)
}

// The oracle again: random values go to Python and come back in every protocol.
func TestPythonEchoes(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 2))
	var ask strings.Builder
	var want []string
	for range 300 {
		v := randomValue(r, 4)
		for _, protocol := range []int{2, 4, 5} {
			p, err := Append(nil, v, protocol)
			if err != nil {
				t.Fatal(Repr(v), err)
			}
			ask.WriteString(hex.EncodeToString(p) + "\n")
			want = append(want, Repr(v))
		}
	}
	answers := strings.Split(strings.TrimSuffix(python(t, ask.String(), "echo"), "\n"), "\n")
	if len(answers) != len(want) {
		t.Fatalf("%d answers to %d questions", len(answers), len(want))
	}
	for i, answer := range answers {
		f := strings.Split(answer, "\t")
		if f[0] != ascii(want[i]) {
			t.Fatalf("Python reads\n%.1000s, want\n%.1000s", f[0], ascii(want[i]))
		}
		for protocol, h := range f[1:] {
			p, err := hex.DecodeString(h)
			if err != nil {
				t.Fatal(err)
			}
			if v, err := Decode(p, Limits{}); err != nil || Repr(v) != want[i] {
				t.Fatalf("protocol %d: %s, %v, want\n%s", protocol, Repr(v), err, want[i])
			}
		}
	}
}

// randomValue returns a value as Decode makes it. Sets hold small integers in
// ascending order, as Python prints them.
func randomValue(r *rand.Rand, depth int) any {
	items := func() (items []any) {
		for range r.IntN(6) {
			items = append(items, randomValue(r, depth-1))
		}
		return items
	}
	ascending := func() (items []any) {
		for i := range 8 {
			if r.IntN(2) == 0 {
				items = append(items, int64(i))
			}
		}
		return items
	}
	kinds := 16
	if depth == 0 {
		kinds = 11
	}
	switch r.IntN(kinds) {
	case 0:
		return nil
	case 1:
		return r.IntN(2) == 0
	case 2, 3:
		return int64(r.Uint64()) >> r.IntN(64)
	case 4:
		v := new(big.Int).Lsh(big.NewInt(int64(r.Uint64())|1), uint(64+r.IntN(3000)))
		return v.Add(v, big.NewInt(int64(r.Uint64())))
	case 5:
		if f := math.Float64frombits(r.Uint64()); f == f {
			return f
		}
		return 0.5
	case 6:
		return complex(r.NormFloat64(), float64(r.IntN(5)))
	case 7, 8:
		var s []rune
		for range r.IntN(300) {
			s = append(s, []rune("abcdefg\\'\"\n\té日😀\u00ad\x00")[r.IntN(17)])
		}
		return string(s)
	case 9, 10:
		b := make([]byte, r.IntN(300))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		if r.IntN(2) == 0 {
			return &ByteArray{Bytes: b}
		}
		return b
	case 11:
		return &List{Items: items()}
	case 12:
		return &Tuple{Items: items()}
	case 13, 14:
		d := &Dict{Ordered: r.IntN(2) == 0}
		for i, v := range items() {
			d.Pairs = append(d.Pairs, Pair{int64(i), v})
		}
		return d
	}
	if r.IntN(2) == 0 {
		return &FrozenSet{Items: ascending()}
	}
	return &Set{Items: ascending()}
}

// The oracle: Python reads what we write, in every protocol we write, as the
// same value.
func TestPythonReads(t *testing.T) {
	var ask strings.Builder
	var asked []pythonValue
	for _, v := range pythonValues(t) {
		for protocol, p := range v.pickles {
			got, err := Decode(p, Limits{})
			if err != nil {
				t.Fatal(err)
			}
			for _, to := range []int{2, 4, 5} {
				written, err := AppendCalls(nil, got, to)
				if err != nil {
					t.Fatalf("%s, protocol %d: %v", v.expression, protocol, err)
				}
				if isData(v.repr) {
					if data, err := Append(nil, got, to); err != nil || string(data) != string(written) {
						t.Errorf("%s: Append: %v", v.expression, err)
					}
				}
				ask.WriteString(v.expression + "\t" + hex.EncodeToString(written) + "\n")
				asked = append(asked, v)
			}
		}
	}
	answers := strings.Split(strings.TrimSuffix(python(t, ask.String(), "check"), "\n"), "\n")
	if len(answers) != len(asked) {
		t.Fatalf("%d answers to %d questions", len(answers), len(asked))
	}
	for i, v := range asked {
		if answers[i] != v.repr {
			t.Errorf("%s: Python reads %s, want %s", v.expression, answers[i], v.repr)
		}
	}
}
