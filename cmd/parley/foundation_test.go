package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"github.com/parley-net/parley/serpy"
	"io"
	"math"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/parley-net/parley"
	"github.com/parley-net/parley/cmd/parley/internal/endpoint"
	"github.com/parley-net/parley/cmd/parley/internal/manpage"
	"github.com/parley-net/parley/serpy/pickle"
)

// everyCommand returns all commands with their subcommands, without cobra's
// own and the help topics.
func everyCommand(t *testing.T) []*cobra.Command {
	t.Helper()
	var all []*cobra.Command
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		all = append(all, c)
		for _, sub := range c.Commands() {
			if !sub.IsAdditionalHelpTopicCommand() {
				walk(sub)
			}
		}
	}
	walk(rootCmd(&app{}))
	if len(all) < 10 {
		t.Fatalf("only %d commands", len(all))
	}
	return all
}

// Every command says what it does and shows an example, every flag has a help
// text, and every flag of every command is used in a script.
func TestCommandsAreDescribedAndTried(t *testing.T) {
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no scripts", err)
	}
	var lines []string
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, strings.Split(string(b), "\n")...)
	}
	for _, c := range everyCommand(t) {
		path := c.CommandPath()
		if c.Short == "" || strings.HasSuffix(c.Short, ".") {
			t.Errorf("%s: Short is %q: want a text without a full stop", path, c.Short)
		}
		if c.Runnable() && c.HasAvailableFlags() && c.Long == "" && c.Example == "" && c.LocalNonPersistentFlags().HasFlags() {
			t.Errorf("%s: it has flags, so it needs a Long or an Example", path)
		}
		tried := slices.DeleteFunc(slices.Clone(lines), func(l string) bool {
			return !strings.Contains(l, path+" ") && !strings.HasSuffix(l, path)
		})
		if c.Runnable() && c.HasParent() && len(tried) == 0 {
			t.Errorf("%s: no script runs it", path)
		}
		if !c.HasParent() {
			tried = lines // its flags are those of all commands
		}
		flags := c.LocalFlags()
		flags.VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" {
				t.Errorf("%s: --%s has no help text", path, f.Name)
			}
			if f.Name == "help" || slices.ContainsFunc(tried, func(l string) bool { return uses(l, f) }) || isShared(f) {
				return
			}
			t.Errorf("%s: no script uses --%s", path, f.Name)
		})
	}
}

// uses reports whether a line of a script sets a flag.
func uses(line string, f *pflag.Flag) bool {
	for _, word := range strings.Fields(line) {
		name, _, _ := strings.Cut(word, "=")
		if name == "--"+f.Name || f.Shorthand != "" && name == "-"+f.Shorthand {
			return true
		}
	}
	return false
}

// isShared reports whether a flag is added by the foundation to many commands;
// it is enough that the scripts of send and serve use these.
func isShared(f *pflag.Flag) bool {
	shared := new(cobra.Command)
	a := &app{memory: new(memory)}
	a.dialFlags(shared)
	a.listenFlags(shared)
	a.busFlags(shared)
	new(outputFlags).add(shared)
	same := shared.Flags().Lookup(f.Name)
	return same != nil && same.Usage == f.Usage
}

// The flags of the foundation are tried too, wherever.
func TestSharedFlagsAreTried(t *testing.T) {
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(b)
	}
	shared := new(cobra.Command)
	a := &app{memory: new(memory)}
	a.dialFlags(shared)
	a.listenFlags(shared)
	a.busFlags(shared)
	new(outputFlags).add(shared)
	a.globalFlags(shared)
	n := 0
	check := func(f *pflag.Flag) {
		n++
		if !slices.ContainsFunc(strings.Split(all.String(), "\n"), func(l string) bool { return uses(l, f) }) {
			t.Errorf("no script uses --%s", f.Name)
		}
	}
	shared.Flags().VisitAll(check)
	shared.PersistentFlags().VisitAll(check)
	if n < 20 {
		t.Errorf("only %d flags", n)
	}
}

// What examples and the cheat sheet show is a command line that parses, and
// its addresses are right.
func TestExamplesParse(t *testing.T) {
	text := "  " + strings.ReplaceAll(helpText("cheat"), "\n", "\n  ")
	for _, c := range everyCommand(t) {
		text += "\n" + c.Example + "\n" + c.Long
	}
	for _, name := range topicNames {
		text += "\n" + helpText(name)
	}
	for _, page := range otherPages(t) {
		for _, shown := range regexp.MustCompile(`(?m)^  (  parley .*)$`).FindAllStringSubmatch(page, -1) {
			text += "\n" + shown[1]
		}
	}
	n := 0
	for l := range strings.SplitSeq(text, "\n") {
		_, piped, isPipe := strings.Cut(l, "| parley ")
		l, isLine := strings.CutPrefix(l, "  parley ")
		switch {
		case isPipe:
			l = piped
		case !isLine:
			continue // prose
		}
		l, _, _ = strings.Cut(l, "        ") // a comment
		l, _, _ = strings.Cut(l, " <")
		l, _, _ = strings.Cut(l, " >")
		words, err := splitWords(l)
		if err != nil {
			t.Errorf("%s: %v", l, err)
			continue
		}
		root := rootCmd(&app{})
		root.InitDefaultHelpCmd()
		root.InitDefaultCompletionCmd()
		cmd, args, err := root.Find(words)
		if err != nil || cmd == root {
			t.Errorf("parley %s: there is no such command (%v)", l, err)
			continue
		}
		n++
		if err := cmd.ParseFlags(args); err != nil {
			t.Errorf("parley %s: %v", l, err)
		}
		for _, arg := range cmd.Flags().Args() {
			if looksLikeURL(arg) {
				if _, err := endpoint.Parse(arg); err != nil {
					t.Errorf("parley %s: %v", l, err)
				}
			}
		}
	}
	if n < 30 {
		t.Errorf("only %d command lines found", n)
	}
}

func TestManPages(t *testing.T) {
	dir := t.TempDir()
	date := time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)
	if err := manpage.Write(rootCmd(&app{}), dir, date); err != nil {
		t.Fatal(err)
	}
	for _, c := range everyCommand(t) {
		name := strings.ReplaceAll(c.CommandPath(), " ", "-") + ".1"
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Error(err)
			continue
		}
		page := strings.ReplaceAll(string(b), `\-`, "-")
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Hidden { // but in one place
				if !strings.Contains(helpText("limits"), "--"+f.Name+" ") {
					t.Errorf("help limits does not mention --%s", f.Name)
				}
			} else if !strings.Contains(page, "--"+f.Name) {
				t.Errorf("%s does not mention --%s", name, f.Name)
			}
		})
		if !strings.Contains(page, "Nov 2026") {
			t.Errorf("%s has another date", name)
		}
	}
}

func TestExitCodes(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: errors.New("refused")}
	for _, tt := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("x"), 1},
		{&parley.MessageError{}, 1},
		{&parley.ConnError{Err: errors.New("reset")}, 1},
		{fmt.Errorf("x: %w", parley.ErrNotRepresentable), 1},
		{usagef("x"), 2},
		{fmt.Errorf("x: %w", usagef("x")), 2},
		{fmt.Errorf("x: %w", refused), 3},
		{&net.DNSError{}, 3},
		{&net.OpError{Op: "listen", Err: errors.New("in use")}, 3},
		{&parley.TimeoutError{}, 4},
		{fmt.Errorf("x: %w", context.DeadlineExceeded), 4},
		{fmt.Errorf("x: %w", os.ErrDeadlineExceeded), 4},
		{&net.OpError{Op: "read", Err: os.ErrDeadlineExceeded}, 4},
		{fmt.Errorf("x: %w", &parley.ProtocolError{Err: io.ErrUnexpectedEOF}), 5},
		{&pinError{}, 6},
		{&net.OpError{Op: "remote error", Err: errors.New("tls: bad certificate")}, 6},
		{&fault{code: 4, err: usagef("x")}, 4},
		{fmt.Errorf("x: %w", &fault{code: 3, err: errors.New("x")}), 3},
	} {
		if got := exitCode(tt.err); got != tt.want {
			t.Errorf("%v (%T): exit code %d, want %d", tt.err, tt.err, got, tt.want)
		}
	}
}

func TestSplitWords(t *testing.T) {
	for line, want := range map[string][]string{
		`a`:                   {"a"},
		"  a \t b\n":          {"a", "b"},
		`a 'b c' "d e"`:       {"a", "b c", "d e"},
		`a'b'"c"d`:            {"abcd"},
		`'' ""`:               {"", ""},
		`a\ b \\ \"`:          {"a b", `\`, `"`},
		`'a\b' "a\b" "a\"\\"`: {`a\b`, `a\b`, `a"\`},
		`$HOME *.txt`:         {"$HOME", "*.txt"},
		`ä 'ö ü'`:             {"ä", "ö ü"},
	} {
		got, err := splitWords(line)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: got %q, %v; want %q", line, got, err, want)
		}
	}
	for _, line := range []string{"", "  ", `'a`, `"a`, `a\`} {
		if got, err := splitWords(line); err == nil {
			t.Errorf("%s: got %q, want an error", line, got)
		}
	}
}

func TestSize(t *testing.T) {
	for text, want := range map[string]size{
		"1": 1, "4096": 4096, "64K": 64 << 10, "64k": 64 << 10, "64KB": 64 << 10, "64KiB": 64 << 10, "1.5M": 3 << 19,
		"2G": 2 << 30, "1T": 1 << 40, "10B": 10,
	} {
		var got size
		if err := got.Set(text); err != nil || got != want {
			t.Errorf("%s: got %d, %v; want %d", text, got, err, want)
		}
		var again size
		if err := again.Set(got.String()); err != nil || again != got {
			t.Errorf("%s: shown as %s, read again as %d, %v", text, got.String(), again, err)
		}
	}
	for _, text := range []string{"", "K", "-1", "0", "1X", "1MM", "1 2", "9999999T", "1e3"} {
		var got size
		if err := got.Set(text); err == nil {
			t.Errorf("%s: got %d, want an error", text, got)
		}
	}
}

func TestFingerprints(t *testing.T) {
	plain := strings.Repeat("ab", 32)
	colons := strings.ToUpper("sha256:" + strings.TrimSuffix(strings.Repeat("ab:", 32), ":"))
	got, err := parsePins([]string{plain, "sha256:" + plain, colons})
	if err != nil || len(got) != 3 || !bytes.Equal(got[0], got[1]) || !bytes.Equal(got[0], got[2]) || got[0][0] != 0xab {
		t.Errorf("got %x, %v", got, err)
	}
	for _, bad := range []string{"", "ab", plain + "ab", "sha1:" + plain, strings.Repeat("xy", 32)} {
		if got, err := parsePins([]string{bad}); err == nil {
			t.Errorf("%s: got %x, want an error", bad, got)
		}
	}
}

// What a terminal would obey is shown.
func TestAppendVisible(t *testing.T) {
	got := string(appendVisible(nil, []byte("ä\t\x1b[31m\x00\n\xff\u0085\u200b\U0001F600")))
	if want := "ä\t\\x1b[31m\\x00\n\\xff\\u0085\\u200b😀"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// A record carries a message unchanged, as far as there is anything to carry.
func TestRecords(t *testing.T) {
	list := &pickle.List{Items: []any{int64(1), 1.0, 1e300, nil, true, "é\n<>", new(big.Int).Lsh(big.NewInt(1), 70), &pickle.List{}, &pickle.Dict{}}}
	dict := &pickle.Dict{Pairs: []pickle.Pair{{Key: "b", Value: list}, {Key: "a", Value: int64(-5)}}}
	for _, m := range []parley.Message{
		parley.Text(""), parley.Text("hello"), parley.Text("<grüß>\n\x00"), parley.Text("\xff"),
		parley.Bytes(nil), parley.Bytes([]byte("hello")), parley.Bytes([]byte{0, 0xff}),
		parley.Int(-5), parley.BigInt(new(big.Int).Lsh(big.NewInt(-1), 99)),
		parley.Float(1.5), parley.Float(math.Inf(-1)), parley.Float(math.Copysign(0, -1)), parley.Float(5e-324),
		parley.Object(dict), parley.Object(nil), parley.Object("x"), parley.Object(list),
		serpy.WithMode(parley.Text("x"), 3), serpy.WithMode(parley.Object(dict), 5),
	} {
		line, err := newRecord(m).appendLine(nil)
		if err != nil {
			t.Errorf("%v: %v", m, err)
			continue
		}
		r, err := parseRecord(line)
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		got, err := r.message()
		mode, ok := serpy.Mode(m)
		gotMode, gotOK := serpy.Mode(got)
		if err != nil || got.Type() != m.Type() || got.Text() != m.Text() || !bytes.Equal(got.Bytes(), m.Bytes()) ||
			mode != gotMode || ok != gotOK || !reflect.DeepEqual(got.Object(), m.Object()) {
			t.Errorf("%v became %v through %s (%v)", m, got, line, err)
		}
	}
}

// What JSON can't carry unchanged is shown, not changed.
func TestObjectsWithoutJSON(t *testing.T) {
	loop := &pickle.List{}
	loop.Items = []any{loop}
	wide := any(int64(1))
	for range 40 {
		wide = &pickle.List{Items: []any{wide, wide}}
	}
	for _, v := range []any{
		[]byte("x"), &pickle.Tuple{}, math.NaN(), math.Inf(1), loop, wide, &pickle.Dict{Ordered: true},
		&pickle.Dict{Pairs: []pickle.Pair{{Key: int64(1), Value: nil}}}, &pickle.List{Items: []any{&pickle.Set{}}},
	} {
		r := newRecord(parley.Object(v))
		if r.JSON != nil || r.Text == nil {
			t.Errorf("%.40s: got %s", pickle.Repr(v), r.JSON)
			continue
		}
		if _, err := r.message(); err == nil {
			t.Errorf("%.40s: its record can be sent", pickle.Repr(v))
		}
	}
}

func TestRecordMistakes(t *testing.T) {
	for line, want := range map[string]string{
		``:                             "EOF",
		`{}`:                           "want one of",
		`[]`:                           "cannot unmarshal",
		`{"text":"a"} {}`:              "more than one",
		`{"text":"a","b64":"AA=="}`:    "want one of",
		`{"text":"a","kind":"word"}`:   `kind "word"`,
		`{"text":"a","kind":"object"}`: `needs "json"`,
		`{"text":"a","kind":"int"}`:    "want an integer",
		`{"text":"a","mode":6}`:        "mode 6",
		`{"b64":"A"}`:                  "illegal base64",
		`{"b64":"AA==","kind":"int"}`:  `kind "int"`,
		`{"json":1,"kind":"int"}`:      `kind "int"`,
		`{"json":1e999}`:               "out of a float's range",
		`{"txet":"a"}`:                 "unknown field",
	} {
		r, err := parseRecord([]byte(line))
		if err == nil {
			_, err = r.message()
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", line, err, want)
		}
	}
}

func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"ts":"2026-11-20T10:00:00Z","conn":1,"dir":"in","proto":"serpy","kind":"object","len":1,"json":{"a":[1,2.5,null]},"mode":5}`))
	f.Add([]byte(`{"b64":"AP8="}`))
	f.Add([]byte(`{"kind":"int","text":"0x10"}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := parseRecord(line)
		if err != nil {
			return
		}
		m, err := r.message()
		if err != nil {
			return
		}
		again, err := newRecord(m).message()
		if err != nil || again.Type() != m.Type() || again.Text() != m.Text() {
			t.Errorf("%s: %v, and then %v (%v)", line, m, again, err)
		}
	})
}
