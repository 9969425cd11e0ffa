package pickle

import (
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// attacks are pickles with which Python's loads makes the file named %s, by
// each opcode that calls something.
var attacks = map[string]string{
	"os.system":          "cos\nsystem\n(S'touch %s'\ntR.",
	"posix.system":       "cposix\nsystem\n(S'touch %s'\ntR.",
	"builtins.exec":      "c__builtin__\nexec\n(S'open(\"%s\", \"w\")'\ntR.",
	"builtins.eval":      "c__builtin__\neval\n(S'open(\"%s\", \"w\")'\ntR.",
	"open":               "c__builtin__\nopen\n(S'%s'\nS'w'\ntR.",
	"INST":               "(S'touch %s'\nios\nsystem\n.",
	"OBJ":                "(cos\nsystem\nS'touch %s'\no.",
	"NEWOBJ":             "\x80\x02csubprocess\nPopen\n((lS'touch'\naS'%s'\nat\x81c__builtin__\nexec\n(S'open(\"%[1]s\", \"w\")'\ntR.",
	"STACK_GLOBAL":       "\x80\x04\x8c\x02os\x8c\x06system\x93(S'touch %s'\ntR.",
	"by getattr":         "c__builtin__\ngetattr\n(cos\npath\nS'os'\ntRp0\n0c__builtin__\ngetattr\n(g0\nS'system'\ntR(S'touch %s'\ntR.",
	"in a list":          "](cos\nsystem\n(S'touch %s'\ntRe.",
	"as a key":           "}(cos\nsystem\n(S'touch %s'\ntRI1\nd.",
	"thrown away":        "cos\nsystem\n(S'touch %s'\ntR0N.",
	"before the rubbish": "cos\nsystem\n(S'touch %s'\ntR\xff",
}

// What Python executes is a description here. Where Python is at hand, it
// shows that each pickle is a live one.
//
// Verifies: PICKLE-06
func TestNothingIsExecuted(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Log("python3 is missing, so nobody shows that the pickles are live")
	}
	dir := t.TempDir()
	made := func(name string) string { return filepath.Join(dir, strings.ReplaceAll(name, " ", "-")) }
	executed := func(name string) bool {
		_, err := os.Stat(made(name))
		return err == nil
	}
	var all strings.Builder // for Python
	for name, attack := range attacks {
		in := fmt.Appendf(nil, attack, made(name))
		fmt.Fprintf(&all, "%x\n", in)
		v, err := Decode(in, Limits{})
		var e *Error
		if err != nil && !errors.As(err, &e) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			_ = Repr(v)
			if _, err := AppendCalls(nil, v, 4); err != nil {
				t.Errorf("%s: written again: %v", name, err)
			}
		}
		if executed(name) {
			t.Errorf("%s was executed", name)
		}
	}
	live := 0
	if python != "" {
		cmd := exec.Command(python, "-c", `import pickle, sys
for line in sys.stdin:
    try:
        pickle.loads(bytes.fromhex(line))
    except Exception:
        pass  # afterwards
`)
		cmd.Stdin = strings.NewReader(all.String())
		if err := cmd.Run(); err != nil {
			t.Fatal(err)
		}
		for name := range attacks {
			if executed(name) {
				live++
			} else {
				t.Errorf("%s does nothing in Python either", name)
			}
		}
	}
	t.Logf("%d pickles that execute something (%d seen to do so in Python): 0 executed here", len(attacks), live)
}

// The package has no means to execute anything or to reach a file. Reading
// does not even use reflect; writing looks at the program's own values with it.
//
// Verifies: PICKLE-06
func TestImports(t *testing.T) {
	allowed := []string{
		"bytes", "encoding/binary", "encoding/hex", "errors", "fmt", "io", "iter", "maps", "math", "math/big", "math/bits",
		"slices", "sort", "strconv", "strings", "unicode", "unicode/utf8", "unsafe",
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, imp := range f.Imports {
			seen++
			if path, _ := strconv.Unquote(imp.Path.Value); !slices.Contains(allowed, path) && !(path == "reflect" && name == "encode.go") {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
	if seen == 0 {
		t.Error("no imports were found")
	}
}

// Every opcode, and every byte that is none, behind every kind of stack and
// before every kind of rest: a value or an *Error, within the limits.
//
// Verifies: PICKLE-06, PICKLE-07
func TestEveryOpcodeAnywhere(t *testing.T) {
	stacks := []string{
		"", "N", "NN", "NNN", "(", "((", "(N", "]", "](N", "}", "}(NN", ")", "\x8f", "\x8f(N", "C\x01x", "X\x01\x00\x00\x00x",
		"cos\nsystem\n", "cos\nsystem\n)", "cos\nsystem\n)}", "ccollections\nOrderedDict\n)R", "c__builtin__\nset\n)R", "I1\n", "F1\n",
		"]q\x00h\x00", "}q\x00h\x00N", "]\x94(h\x00",
	}
	rests := []string{
		".", "", "\n.", "\x00.", "\xff\xff\xff\xff.", "\x7f\xff\xff\xff\xff\xff\xff\xff.", "\xff\xff\xff\xff\xff\xff\xff\xff\xff.",
		"a\nb\n.", "9999999999999999999999\n.", "-1\n.", "\x01a.", "\x01\x00\x00\x00a.", "\x01\x00\x00\x00\x00\x00\x00\x00a.",
	}
	const most = 16 << 10
	values, refused := 0, 0
	for op := range 256 {
		for _, stack := range stacks {
			for _, rest := range rests {
				in := []byte(stack + string([]byte{byte(op)}) + rest)
				d := decoder{in: in, limits: Limits{MaxMemory: most}.orDefaults(len(in))}
				v, err := d.decode()
				var e *Error
				switch {
				case err == nil:
					values++
					_ = Repr(v)
				case !errors.As(err, &e) || v != nil || e.Offset > len(in):
					t.Fatalf("%q: %v, %v", in, v, err)
				default:
					refused++
				}
				if d.spent > most {
					t.Fatalf("%q: %d bytes spent", in, d.spent)
				}
			}
		}
	}
	t.Logf("%d pickles: %d values, %d errors", values+refused, values, refused)
}
