package main

import (
	"context"
	"encoding/json"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/parley-net/parley/cmd/parley/internal/cli/fault"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// programmers are words of Go's packages and of cobra, which no error has.
var programmers = regexp.MustCompile(`strconv|parsing|missing unit|invalid syntax|invalid argument|unknown (flag|command|shorthand)|flags in the group|accepts \d|requires at|float64Slice|stringArray`)

// runnableCommands calls f for each command that can be run.
func runnableCommands(f func(cmd *cobra.Command, path []string)) {
	var walk func(cmd *cobra.Command, path []string)
	walk = func(cmd *cobra.Command, path []string) {
		if cmd.Runnable() {
			f(cmd, path)
		}
		for _, sub := range cmd.Commands() {
			walk(sub, append(path[:len(path):len(path)], sub.Name()))
		}
	}
	walk(rootCmd(newApp(strings.NewReader(""), io.Discard, io.Discard)), nil)
}

// mistake runs a command line with a mistake, and returns what it says.
func mistake(t *testing.T, args ...string) string {
	t.Helper()
	var stdout, stderr strings.Builder
	code := run(context.Background(), args, strings.NewReader(""), &stdout, &stderr)
	if code != fault.Usage || stderr.Len() == 0 || stdout.Len() > 0 {
		t.Errorf("%q: exit code %d, want 2\nstdout: %s\nstderr: %s", args, code, &stdout, &stderr)
	}
	if word := programmers.FindString(stderr.String()); word != "" {
		t.Errorf("%q: %q is a programmer's word: %s", args, word, &stderr)
	}
	return stderr.String()
}

// A mistake ends every command with 2, and is told in plain words: flags that there
// are not, flags without a value, values that are none, too many arguments.
func TestMistakesOnCommandLines(t *testing.T) {
	t.Setenv("PARLEY_CONFIG", t.TempDir()+"/config.toml")
	runnableCommands(func(cmd *cobra.Command, path []string) {
		with := func(args ...string) []string { return append(path[:len(path):len(path)], args...) }
		if said := mistake(t, with("--no-such-flag")...); !strings.Contains(said, "has no flag --no-such-flag") {
			t.Errorf("%v: %s", path, said)
		}
		mistake(t, with("-~")...)
		mistake(t, with("--=")...)
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if f.NoOptDefVal == "" {
				mistake(t, with("--"+f.Name)...)
			}
			bad := map[string]string{"duration": "5", "int": "x", "int64": "x", "uint64": "-1", "uint": "-1", "float64": "x", "float64Slice": "a,b", "bool": "maybe", "size": "12X", "FORMAT": "xml", "WHEN": "soon", "stringSlice": `a"b`, "count": "x"}
			if value, ok := bad[f.Value.Type()]; ok {
				said := mistake(t, with("--"+f.Name+"="+value)...)
				if !strings.HasPrefix(said, "parley: --"+f.Name+" "+value+": ") {
					t.Errorf("%v --%s=%s: %s", path, f.Name, value, said)
				}
				if f.Value.Type() == "duration" && !strings.Contains(said, "write 5s") {
					t.Errorf("%v --%s=5: %s", path, f.Name, said)
				}
			} else if kind := f.Value.Type(); kind != "string" && kind != "stringArray" {
				t.Errorf("%v --%s: no bad value is known for %s", path, f.Name, kind)
			}
		})
		if cmd.Args != nil && cmd.Args(cmd, make([]string, 50)) != nil {
			mistake(t, with(strings.Fields(strings.Repeat("x ", 50))...)...)
		}
	})
}

// With --log json the same mistakes are objects.
func TestMistakesInJSON(t *testing.T) {
	runnableCommands(func(cmd *cobra.Command, path []string) {
		said := mistake(t, append(path[:len(path):len(path)], "--log", "json", "--no-such-flag")...)
		for line := range strings.Lines(said) {
			var r struct{ Time, Level, Msg string }
			if err := json.Unmarshal([]byte(line), &r); err != nil || r.Time == "" || r.Level != "ERROR" || r.Msg == "" {
				t.Errorf("%v: %s (%v)", path, line, err)
			}
		}
	})
}

// valueWords are the words by which the help calls flags' values; each has one meaning
// in all commands.
var valueWords = []string{
	"N", "SIZE", "TIME", "BITS", "LOW,HIGH", "WIDTHxHEIGHT", // numbers
	"NAME", "NAME,…", "NAME=URL", "ID", "TEXT", "REGEXP", "WHAT", "WHEN", "FAULTS",
	"TYPE", "TYPES", "FORMAT", "MAP", "COLUMN", "MSG",
	"FILE", "DIR", "DB", "CMD", "'CMD ARGS'", "FINGERPRINT",
	"URL", "HOST", "HOST[:PORT]", "HOST:PORT,…", "[HOST:]PORT", "[HOST]:PORT", "https://HOST", "nats://HOST:PORT", "tls://HOST:PORT",
}

// typesOfGo are words for types of Go and pflag, and a duration as Go prints it.
var typesOfGo = regexp.MustCompile(`\b(u?int(8|16|32|64)?|float(32|64)|bool|string|bytes|duration|count|ip(Net|Mask)?)(Slice|Array|To\w+)?\b|\dm0s|\[\]|\[\*\]`)

// The help of every command, its subcommands and what is hidden included, names a
// flag's value by what it means, with one of a few words, and not by the type that
// holds it; a default is told as one would type it.
func TestHelpNamesValues(t *testing.T) {
	used := make(map[string]bool)
	for _, cmd := range everyCommand(t) {
		cmd.InitDefaultHelpFlag()
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			name, _ := pflag.UnquoteUsage(f)
			used[name] = true
			if name != "" && !slices.Contains(valueWords, name) {
				t.Errorf("%s --%s %s: the help has the words %q for values", cmd.CommandPath(), f.Name, name, valueWords)
			}
			if name == "" && f.Value.Type() != "bool" && f.Value.Type() != "count" {
				t.Errorf("%s --%s: its value has no name", cmd.CommandPath(), f.Name)
			}
			shown := pflag.NewFlagSet("", pflag.ContinueOnError)
			shown.AddFlag(&pflag.Flag{Name: "x", Value: f.Value, DefValue: f.DefValue, NoOptDefVal: f.NoOptDefVal, Usage: "`" + name + "`"})
			if word := typesOfGo.FindString(shown.FlagUsages()); word != "" {
				t.Errorf("%s --%s: %q in %s", cmd.CommandPath(), f.Name, word, shown.FlagUsages())
			}
		})
	}
	for _, word := range valueWords {
		if !used[word] {
			t.Errorf("no flag has a value called %s", word)
		}
	}
}
